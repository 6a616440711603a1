"""Affine warps of uint8 images with the arithmetic of Pillow's `Image.transform(AFFINE, BILINEAR)`.

A warp is six numbers `(a, b, c, d, e, f)`: the output pixel at (x, y) is read at input position
`(a·(x+½) + b·(y+½) + c, d·(x+½) + e·(y+½) + f)`, in pixels, with pixel centres at half-integers.
Positions outside the image are black; neighbours outside it repeat the edge.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import forms
from apr_jax.augment import shifts, words
from apr_jax.augment.shifts import Reach
from apr_jax.in_memory import in_memory

Matrix = Sequence[float | jax.Array]
"""The six numbers, each by itself: a TPU takes as long to join them as to compute them."""

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_SHIFTS = np.arange(0, 24, 8)[:, None, None]  # of the channels in a word


class Places(NamedTuple):
  """Where the pixels of a warp come from; all `[H, W]`.

  Attributes:
    inside: bool, whether the position is in the image.
    left, top: int32, column and row of the pixel to the left of and above the position.
    right_weight, bottom_weight: float32 in [0, 1), how near it is to the next ones.
  """

  inside: jax.Array
  left: jax.Array
  top: jax.Array
  right_weight: jax.Array
  bottom_weight: jax.Array


def warp(
  image: jax.Array, matrix: Matrix, reach: Reach | None = None, form: str | None = None
) -> jax.Array:
  """Bilinear affine warp with black fill.

  Args:
    image: uint8 `[H, W, 3]`.
    matrix: (a, b, c, d, e, f), from output to input positions.
    reach: that the matrix keeps to; with it a TPU need not read pixel by pixel.
    form: as in `forms.by_platform`; without a reach there is one form alone.

  Returns:
    uint8 `[H, W, 3]`.
  """
  if reach is None:
    return _by_index(image, tuple(matrix))
  by_shifts = functools.partial(_by_shifts, reach=reach)
  return forms.by_platform(_by_index, by_shifts, image, tuple(matrix), form=form)


def places(matrix: Matrix, height: int, width: int) -> Places:
  """The places that a warp reads."""
  a, b, c, d, e, f = matrix
  y, x = jnp.meshgrid(jnp.arange(height) + 0.5, jnp.arange(width) + 0.5, indexing="ij")
  source_x = a * x + b * y + c
  source_y = d * x + e * y + f
  inside = (source_x >= 0) & (source_x < width) & (source_y >= 0) & (source_y < height)
  left, right_weight = _floor_and_fraction(source_x - 0.5)
  top, bottom_weight = _floor_and_fraction(source_y - 0.5)
  return Places(inside, left, top, right_weight, bottom_weight)


def rotation(degrees: float | jax.Array, height: int, width: int) -> Matrix:
  """Warp matrix of a counter-clockwise rotation about the centre."""
  angle = -jnp.asarray(degrees, jnp.float32) * (math.pi / 180)
  cos, sin = _without_residue(jnp.cos(angle)), _without_residue(jnp.sin(angle))
  x, y = width / 2, height / 2
  return cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y


def with_entry(index: int, value: float | jax.Array) -> Matrix:
  """The identity but for one of the six numbers."""
  return *IDENTITY[:index], value, *IDENTITY[index + 1 :]


def select(index: jax.Array, matrices: Sequence[Matrix]) -> Matrix:
  """`matrices[index]`, or the last where there are no more."""
  return tuple(shifts.select(index, numbers) for numbers in zip(*matrices))


def _without_residue(value: jax.Array) -> jax.Array:
  """Zero for the 1e-8 that float32 leaves of cos 90°, which would put a whole row outside the
  image.
  """
  return jnp.where(jnp.abs(value) < 1e-6, 0, value)


def _by_index(image: jax.Array, matrix: Matrix) -> jax.Array:
  height, width, _ = image.shape
  # The sine of an image's angle is computed once, and not for each pixel and neighbour.
  at = places([in_memory(jnp.asarray(number, jnp.float32)) for number in matrix], height, width)
  # One gather fetches all three channels: a pixel is one word.
  pixels = _pack(image).reshape(-1)

  def word(row: jax.Array, column: jax.Array) -> jax.Array:
    index = jnp.clip(row, 0, height - 1) * width + jnp.clip(column, 0, width - 1)
    return pixels.at[index].get(mode="promise_in_bounds", wrap_negative_indices=False)

  corners = [word(at.top + below, at.left + right) for below in (0, 1) for right in (0, 1)]
  # A sum is computed once for all that read the image; XLA on CPU would repeat a plain "or" in each
  # of them.
  values = _interpolated([x >> _SHIFTS & 255 for x in corners], at)
  return _unpack(jnp.sum(values << _SHIFTS, axis=0))


def _by_shifts(image: jax.Array, matrix: Matrix, reach: Reach) -> jax.Array:
  at = places(matrix, *image.shape[:2])
  corners = shifts.neighbours(words.pack(image), at.left, at.top, matrix, reach)
  # The channels one by one and into a word again: so a TPU reads the neighbours once for all three.
  red, green, blue = (_interpolated([x >> s & 255 for x in corners], at) for s in (0, 8, 16))
  return words.unpack(red | green << 8 | blue << 16)


def _interpolated(corners: Sequence[jax.Array], at: Places) -> jax.Array:
  """From the values of the four pixels, upper left first, int32 `[..., H, W]`, to theirs."""
  upper_left, upper_right, lower_left, lower_right = (x.astype(jnp.float32) for x in corners)
  upper = _lerp(upper_left, upper_right, at.right_weight)
  lower = _lerp(lower_left, lower_right, at.right_weight)
  return jnp.where(at.inside, _lerp(upper, lower, at.bottom_weight), 0).astype(jnp.int32)


def _floor_and_fraction(position: jax.Array) -> tuple[jax.Array, jax.Array]:
  floor = jnp.floor(position)
  return floor.astype(jnp.int32), position - floor


def _lerp(start: jax.Array, end: jax.Array, weight: jax.Array) -> jax.Array:
  return start + (end - start) * weight


# Both are plain copies of bytes. XLA on CPU does not fuse this packing into the gathers; packing by
# shifts it does, and repeats it for each neighbour.


def _pack(image: jax.Array) -> jax.Array:
  """uint8 `[H, W, 3]` → int32 `[H, W]`, channel c in bits 8c to 8c + 7."""
  return jax.lax.bitcast_convert_type(jnp.pad(image, ((0, 0), (0, 0), (0, 1))), jnp.int32)


def _unpack(words: jax.Array) -> jax.Array:
  """int32 `[H, W]` → uint8 `[H, W, 3]`."""
  return jax.lax.bitcast_convert_type(words, jnp.uint8)[..., :3]
