"""Reading images at places between their pixels, a different set of places for every image."""

import jax
import jax.numpy as jnp


def _reflect(index: jax.Array, size: int, repeat_edge: bool) -> jax.Array:
  """Places inside 0..size-1 of those outside."""
  period = 2 * size if repeat_edge else 2 * size - 2
  last = period - 1 if repeat_edge else period
  index = jnp.mod(index, period)
  return jnp.minimum(index, last - index)


def bilinear(
  images: jax.Array, rows: jax.Array, columns: jax.Array, repeat_edge: bool
) -> jax.Array:
  """Bilinear interpolation.

  Args:
    images: float `[B, H, W, C]`.
    rows, columns: float `[B, h, w]`, pixel coordinates of any value; (0, 0) is the centre of the
      first pixel.
    repeat_edge: how places outside are reflected: True for cba|abcd|dcb, False for dcb|abcd|cba.

  Returns:
    float32 `[B, h, w, C]`.
  """
  batch, height, width, channels = images.shape
  flat = images.reshape(batch, height * width, channels)
  top, left = jnp.floor(rows), jnp.floor(columns)
  down, right = rows - top, columns - left
  total = jnp.zeros((), jnp.float32)
  for row_step, row_weight in ((0, 1 - down), (1, down)):
    for column_step, column_weight in ((0, 1 - right), (1, right)):
      row = _reflect(top.astype(jnp.int32) + row_step, height, repeat_edge)
      column = _reflect(left.astype(jnp.int32) + column_step, width, repeat_edge)
      place = (row * width + column).reshape(batch, -1, 1)
      corner = jnp.take_along_axis(flat, place, axis=1, mode="promise_in_bounds")
      total += (row_weight * column_weight)[..., None] * corner.reshape(*rows.shape, channels)
  return total
