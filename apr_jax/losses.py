"""Losses of the training step. All take logits and return a float32 scalar, the mean over the batch.

Targets are probabilities, float `[B, K]` whose rows sum to 1: one-hot labels, or mixtures of them.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Loss = Callable[[jax.Array, jax.Array], jax.Array]
"""(logits `[V, B, K]` of V views, targets `[B, K]`) → the loss of a training step."""


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
  """Mean cross-entropy, −mean_i Σ_k targets_ik log softmax(logits_i)_k.

  Args:
    logits: float `[B, K]`, finite.
    targets: float `[B, K]`.
  """
  # As the targets sum to 1, the normaliser is subtracted once and not from every logit: more precise.
  logits = logits.astype(jnp.float32)
  return (jax.nn.logsumexp(logits, axis=-1) - (targets * logits).sum(-1)).mean()


def apr_loss(logits: jax.Array, targets: jax.Array) -> jax.Array:
  """Sum over the views of their cross-entropies with the same targets.

  With two views this is the loss of APR-P: CE(clean, y) + CE(mixed, y), where y labels the image that gives the
  phase. It is a sum, not a mean, as in the released code. With one view it is the plain cross-entropy.

  Args:
    logits: float `[V, B, K]`, one row of logits per view and example.
    targets: float `[B, K]`.

  Reference: APR (https://arxiv.org/abs/2108.08487), Section 3.2 and the released training script.
  """
  return sum(cross_entropy(view, targets) for view in logits)


def augmix_loss(logits: jax.Array, targets: jax.Array, weight: float = 12.0) -> jax.Array:
  """Cross-entropy of the clean view plus `weight` times the Jensen-Shannon divergence of all views.

  Args:
    logits: float `[V, B, K]`, the clean view first; AugMix has three.
    targets: float `[B, K]`.
    weight: 12 in the paper.

  Reference: AugMix (https://arxiv.org/abs/1912.02781), Equation 3 and the released training script.
  """
  return cross_entropy(logits[0], targets) + weight * jensen_shannon(logits)


def jensen_shannon(logits: jax.Array) -> jax.Array:
  """Mean over the batch of the Jensen-Shannon divergence of V predictions p_v, in nats.

  (1/V) Σ_v KL(p_v ‖ m) with m = (1/V) Σ_v p_v. As in AugMix's released code m is at least 1e-7 under the logarithm.

  Args:
    logits: float `[V, B, K]`.
  """
  log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
  p = jnp.exp(log_p)
  log_mixture = jnp.log(jnp.clip(p.mean(0), 1e-7, 1))
  return (p * (log_p - log_mixture)).sum(-1).mean()
