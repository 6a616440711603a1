"""The pixels of a square, for augmentations that change one."""

import jax
import jax.numpy as jnp


def inside_square(
  height: int, width: int, row: jax.Array, column: jax.Array, side: int | jax.Array
) -> jax.Array:
  """Whether a pixel lies in the `side` rows from `row − side // 2` on, and in the columns likewise;
  bool `[H, W]`.

  What lies outside the image is cut off.
  """

  def within(length: int, centre: jax.Array) -> jax.Array:
    places = jnp.arange(length) - (centre - side // 2)
    return (places >= 0) & (places < side)

  return jnp.outer(within(height, row), within(width, column))
