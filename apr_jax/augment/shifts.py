"""How a TPU reads the pixels around affine positions: by shifts of whole images and selections.

A warp that moves no pixel far is two passes. The first moves along the columns of the source: for
each of its columns and each output row it fetches the few neighbouring pixels that outputs of that
row may need. The second moves along the rows, and each output picks its own. Both choose among
shifted copies of a whole image, as many as the reach is wide, so that everything is read in order.
Which pixels are fetched is decided in integers: both passes then agree on it.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

_BITS = 16
"""Binary digits after the point of the fixed-point numbers that place the fetched pixels."""

_MARGIN = 0.02
"""In pixels, more than those numbers and float32 may be off in images of up to 1000 pixels."""


@dataclasses.dataclass(frozen=True)
class Reach:
  """How far a warp reads from where it writes, at most.

  Attributes:
    columns, rows: whole pixels between an output and the left, or upper, of the pixels it reads.
    slope: |d / a| of the warp's matrix: how many rows the reads of an output row move from one
      column of the source to the next.
  """

  columns: int
  rows: int
  slope: float

  @classmethod
  def of(cls, height: int, width: int, degrees: float, shear: float, translation: float) -> "Reach":
    """Of rotations about the centre, shears from the corner, and translations along either axis.

    Args:
      height, width: of the image in pixels.
      degrees, shear: largest, below 90 degrees.
      translation: largest, as a share of the side.
    """
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))

    def along(own: int, other: int) -> int:
      turned = (1 - cos) * own / 2 + sin * other / 2
      return math.ceil(max(turned, shear * other, translation * own) + _MARGIN)

    return cls(along(width, height), along(height, width), max(sin / cos, shear))

  @property
  def fetched(self) -> int:
    """Neighbouring pixels of one column of the source that the outputs of one row may need."""
    # A column q serves positions between q − 1 and q + 1. Along a row these span twice the slope:
    # one whole number more than that, and each needs the pixel below as well.
    return math.floor(2 * self.slope + 2 * _MARGIN) + 3


def neighbours(
  words: jax.Array,
  left: jax.Array,
  top: jax.Array,
  matrix: Sequence[float | jax.Array],
  reach: Reach,
) -> list[jax.Array]:
  """The four pixels around each position that a warp reads.

  Args:
    words: int32 `[H, W]`, a pixel in each.
    left, top: int32 `[H, W]`, column and row of the pixel to the left of and above the position.
    matrix: of the warp, as in `warp`.
    reach: which the warp keeps.

  Returns:
    four times int32 `[H, W]`: upper left, upper right, lower left and lower right; pixels outside
    the image are those of its edge, and those of a position outside it mean nothing.
  """
  (height, width), fetched = words.shape, reach.fetched
  first = _first_fetched(matrix)
  row, column = jnp.arange(height)[:, None], jnp.arange(width)[None]

  # ---- Along the columns of the source; there is one more on either side ----
  before = reach.rows + fetched - 2
  tall = jnp.pad(words, ((before, reach.rows + fetched - 1), (1, 1)), mode="edge")
  moved = first(row, jnp.arange(-1, width + 1)[None]) - row
  fetch = _selected(
    moved, range(-before, reach.rows + 1), 0, [(tall, before + k) for k in range(fetched)]
  )

  # ---- Along the rows ----
  wide = [jnp.pad(x, ((0, 0), (reach.columns, reach.columns))) for x in fetch]
  distances = range(-reach.columns, reach.columns + 1)
  sides = []
  for right in (0, 1):
    sources = [(x, reach.columns + 1 + right) for x in wide]
    candidates = _selected(left - column, distances, 1, sources)
    place = top - first(row, left + right)
    sides.append((select(place, candidates[:-1]), select(place, candidates[1:])))
  (upper_left, lower_left), (upper_right, lower_right) = sides
  return [upper_left, upper_right, lower_left, lower_right]


def select(index: jax.Array, choices: Sequence[float | jax.Array]) -> jax.Array:
  """`choices[index]` by comparisons, place by place; an index beyond them takes the last."""
  *others, last = choices
  chosen = jnp.asarray(last)
  for number, choice in enumerate(others):
    chosen = jnp.where(index == number, choice, chosen)
  return chosen


def _first_fetched(
  matrix: Sequence[float | jax.Array],
) -> Callable[[jax.Array, jax.Array], jax.Array]:
  """The function of a row of the output and a column of the source that gives the first of the rows
  that are fetched for them.
  """
  a, b, c, d, e, f = matrix
  # In the output row at y, the position at x in the source lies at slope·(x − b·y − c) + e·y + f;
  # half a pixel further up is the pixel above it.
  slope = d / a
  per_column, per_row, start = (
    jnp.round(value * 2**_BITS).astype(jnp.int32)
    for value in (slope, e - slope * b, f - slope * c - 0.5 - jnp.abs(slope) - _MARGIN)
  )
  # in halves of pixels, at whose odd numbers the pixels have their centres
  return lambda row, column: (
    per_row * (2 * row + 1) + per_column * (2 * column + 1) + 2 * start >> _BITS + 1
  )


def _selected(
  moved: jax.Array, distances: range, axis: int, sources: Sequence[tuple[jax.Array, int]]
) -> list[jax.Array]:
  """Of each source (array, place): what stands `moved` behind the place along the axis."""
  size = moved.shape[axis]
  found = [jnp.zeros(moved.shape, jnp.int32)] * len(sources)
  for distance in distances:
    here = moved == distance
    shifted = [
      jax.lax.slice_in_dim(x, place + distance, place + distance + size, axis=axis)
      for x, place in sources
    ]
    found = [jnp.where(here, new, old) for new, old in zip(shifted, found)]
  return found
