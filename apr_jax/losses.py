"""Losses of the training step. All take float32 logits and return a float32 scalar, the mean over the batch."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

Loss = Callable[[jax.Array, jax.Array], jax.Array]
"""(logits `[V, B, K]` of V views, labels `[B]`) → the loss of a training step."""


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
  """Mean cross-entropy, −mean_i log softmax(logits_i)[labels_i].

  Args:
    logits: float `[B, K]`.
    labels: int `[B]`, in 0..K-1.
  """
  return optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), labels).mean()


def apr_loss(logits: jax.Array, labels: jax.Array) -> jax.Array:
  """Sum over the views of their cross-entropies with the same labels.

  With two views this is the loss of APR-P: CE(clean, y) + CE(mixed, y), where y labels the image that gives the
  phase. It is a sum, not a mean, as in the released code. With one view it is the plain cross-entropy.

  Args:
    logits: float `[V, B, K]`, one row of logits per view and example.
    labels: int `[B]`.

  Reference: APR (https://arxiv.org/abs/2108.08487), Section 3.2 and the released training script.
  """
  return sum(cross_entropy(view, labels) for view in logits)
