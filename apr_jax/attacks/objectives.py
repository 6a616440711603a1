"""What an attack raises: losses of single images, as functions of their logits.

All take float `[B, K]` logits z and int `[B]` labels y and return float `[B]`; they are
differentiable. Below, z(1) ≥ z(2) ≥ ... are the sorted logits.

Reference: Croce and Hein, ICML 2020 (https://arxiv.org/abs/2003.01690), for the
difference-of-logits-ratio (DLR) losses.
"""

import jax
import jax.numpy as jnp

TINY = 1e-12  # keeps a ratio of equal logits finite


def misclassified(logits: jax.Array, labels: jax.Array) -> jax.Array:
  """bool `[B]`: the largest logit is not the label's (the first of equal ones counts)."""
  return logits.argmax(-1) != labels


def margin(logits: jax.Array, labels: jax.Array) -> jax.Array:
  """z_y − max over i ≠ y of z_i: negative where the image is misclassified."""
  others = jnp.where(jax.nn.one_hot(labels, logits.shape[-1], dtype=bool), -jnp.inf, logits)
  return of_class(logits, labels) - others.max(-1)


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
  """−log softmax(z)_y."""
  return jax.nn.logsumexp(logits, axis=-1) - of_class(logits, labels)


def dlr(logits: jax.Array, labels: jax.Array) -> jax.Array:
  """−(z_y − max over i ≠ y of z_i) / (z(1) − z(3)).

  It changes neither with a shift nor with a positive factor of the logits, so a network whose
  logits are huge, and whose cross-entropy has no gradient in float32, still shows the way. Two
  classes have no z(3): there it is the numerator alone.
  """
  rise = -margin(logits, labels)
  if logits.shape[-1] < 3:
    return rise
  largest = jax.lax.top_k(logits, 3)[0]
  return rise / (largest[:, 0] - largest[:, 2] + TINY)


def targeted_dlr(logits: jax.Array, labels: jax.Array, targets: jax.Array) -> jax.Array:
  """−(z_y − z_t) / (z(1) − (z(3) + z(4)) / 2) for the target classes t, int `[B]`.

  Fewer than four classes have no z(4): there it is the numerator alone.
  """
  rise = of_class(logits, targets) - of_class(logits, labels)
  if logits.shape[-1] < 4:
    return rise
  largest = jax.lax.top_k(logits, 4)[0]
  return rise / (largest[:, 0] - (largest[:, 2] + largest[:, 3]) / 2 + TINY)


def of_class(logits: jax.Array, classes: jax.Array) -> jax.Array:
  """The logit of one class per image, `[B]`."""
  return jnp.take_along_axis(logits, classes[:, None], axis=-1)[:, 0]
