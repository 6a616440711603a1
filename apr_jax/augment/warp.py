"""Affine warps of uint8 images with the arithmetic of Pillow's `Image.transform(AFFINE, BILINEAR)`.

A warp is six numbers `(a, b, c, d, e, f)`: the output pixel at (x, y) is read at input position
`(a·(x+½) + b·(y+½) + c, d·(x+½) + e·(y+½) + f)`, in pixels, with pixel centres at half-integers. Positions outside
the image are black; neighbours outside it repeat the edge.
"""

import jax
import jax.numpy as jnp

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def warp(image: jax.Array, matrix: jax.Array) -> jax.Array:
  """Bilinear affine warp with black fill.

  Args:
    image: uint8 `[H, W, 3]`.
    matrix: float `[6]`, (a, b, c, d, e, f) from output to input positions.

  Returns:
    uint8 `[H, W, 3]`.
  """
  height, width, _ = image.shape
  a, b, c, d, e, f = matrix
  y, x = jnp.meshgrid(jnp.arange(height) + 0.5, jnp.arange(width) + 0.5, indexing="ij")
  source_x = a * x + b * y + c
  source_y = d * x + e * y + f
  inside = (source_x >= 0) & (source_x < width) & (source_y >= 0) & (source_y < height)

  left, right_weight = _floor_and_fraction(source_x - 0.5)
  top, bottom_weight = _floor_and_fraction(source_y - 0.5)

  # One gather fetches all three channels: a pixel is packed into one word.
  packed = _pack(image).reshape(-1)

  def pixel(row, column):
    index = jnp.clip(row, 0, height - 1) * width + jnp.clip(column, 0, width - 1)
    return _unpack(packed.at[index].get(mode="promise_in_bounds"))

  right_weight, bottom_weight = right_weight[..., None], bottom_weight[..., None]
  upper = _lerp(pixel(top, left), pixel(top, left + 1), right_weight)
  lower = _lerp(pixel(top + 1, left), pixel(top + 1, left + 1), right_weight)
  value = _lerp(upper, lower, bottom_weight)
  return jnp.where(inside[..., None], value, 0).astype(jnp.uint8)


def _floor_and_fraction(position: jax.Array) -> tuple[jax.Array, jax.Array]:
  floor = jnp.floor(position)
  return floor.astype(jnp.int32), position - floor


def _lerp(start: jax.Array, end: jax.Array, weight: jax.Array) -> jax.Array:
  return start + (end - start) * weight


def _pack(image: jax.Array) -> jax.Array:
  """uint8 `[H, W, 3]` → uint32 `[H, W]`."""
  channels = jnp.asarray(image, jnp.uint32)
  return channels[..., 0] | channels[..., 1] << 8 | channels[..., 2] << 16


def _unpack(packed: jax.Array) -> jax.Array:
  """uint32 `[...]` → float32 `[..., 3]`."""
  return jnp.stack([packed & 255, packed >> 8 & 255, packed >> 16], axis=-1).astype(jnp.float32)
