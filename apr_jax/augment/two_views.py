"""Two augmented views of each image, drawn from the operations of `ops`: the ground of APR-S and of
HybridAugment on single images, which differ in how they combine the two.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from apr_jax.augment import ops


class Views(NamedTuple):
  """Two augmented views of each image, and what the coins say about them.

  Attributes:
    first: uint8 `[B, H, W, 3]`, one operation.
    second: uint8 `[B, H, W, 3]`, another operation on top.
    chosen, stop, reverse: bool `[B, 1, 1, 1]`: augment at all; the first view is the result; the
      second view comes first when the two are combined.
  """

  first: jax.Array
  second: jax.Array
  chosen: jax.Array
  stop: jax.Array
  reverse: jax.Array

  def in_order(self) -> tuple[jax.Array, jax.Array]:
    """The two views in the order of the fair coin."""
    return (
      jnp.where(self.reverse, self.second, self.first),
      jnp.where(self.reverse, self.first, self.second),
    )

  def result(self, images: jax.Array, combined: jax.Array) -> jax.Array:
    """The images, the first views or the combined ones, as the coins say; uint8 `[B, H, W, 3]`."""
    return jnp.where(self.chosen, jnp.where(self.stop, self.first, combined), images)


def two_views(
  image_keys: jax.Array, images: jax.Array, severity: float, prob: float, form: str | None = None
) -> Views:
  """Draws the views of uint8 `[B, H, W, 3]` images from one key per image; `form` as in
  `forms.by_platform`.
  """

  def draw(key: jax.Array, image: jax.Array) -> tuple[jax.Array, jax.Array, tuple[jax.Array, ...]]:
    chosen_key, first_key, stop_key, second_key, reverse_key = jax.random.split(key, 5)
    first = ops.random_op(first_key, image, severity, form)
    second = ops.random_op(second_key, first, severity, form)
    coins = (
      jax.random.bernoulli(chosen_key, prob),
      jax.random.bernoulli(stop_key),
      jax.random.bernoulli(reverse_key),
    )
    return first, second, coins

  first, second, coins = jax.vmap(draw)(image_keys, images)
  return Views(first, second, *(coin.reshape(-1, 1, 1, 1) for coin in coins))
