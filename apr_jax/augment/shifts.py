"""How a TPU reads the pixels around affine positions: by shifts of whole images and selections.

A warp that moves no pixel far is two passes. The first moves along the rows of the source: for each
of its rows and each output column it fetches the few neighbouring pixels that outputs of that
column may need. The second moves along the columns, and each output picks its own. Both choose
among shifted copies of a whole image, as many as the reach is wide, so that everything is read in
order. Which pixels are fetched is decided in integers: both passes then agree on it.
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
    slope: |b / e| of the warp's matrix: how many columns the reads of an output column move from
      one row of the source to the next.
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
    """Neighbouring pixels of one row of the source that the outputs of one column may need."""
    # A row r serves positions between r − 1 and r + 1. Along a column these span twice the slope:
    # one whole number more than that, and each needs the pixel to its right as well.
    return math.floor(2 * self.slope + 2 * _MARGIN) + 3


def neighbours(
  words: jax.Array, left: jax.Array, top: jax.Array, matrix: jax.Array, reach: Reach
) -> list[jax.Array]:
  """The four pixels around each position that a warp reads.

  Args:
    words: int32 `[H, W]`, a pixel in each.
    left, top: int32 `[H, W]`, column and row of the pixel to the left of and above the position.
    matrix: float `[6]`, of the warp, as in `warp`.
    reach: which the warp keeps.

  Returns:
    four times int32 `[H, W]`: upper left, upper right, lower left and lower right; pixels outside
    the image are those of its edge, and those of a position outside it mean nothing.
  """
  (height, width), fetched = words.shape, reach.fetched
  first = _first_fetched(matrix)
  row, column = jnp.arange(height)[:, None], jnp.arange(width)[None]

  # ---- Along the rows of the source; there is one more on either side ----
  before = reach.columns + fetched - 2
  wide = jnp.pad(words, ((1, 1), (before, reach.columns + fetched - 1)), mode="edge")
  moved = first(jnp.arange(-1, height + 1)[:, None], column) - column
  fetch = _selected(
    moved, range(-before, reach.columns + 1), 1, [(wide, before + k) for k in range(fetched)]
  )

  # ---- Along the columns ----
  tall = [jnp.pad(x, ((reach.rows, reach.rows), (0, 0))) for x in fetch]
  found = []
  for below in (0, 1):
    candidates = _selected(
      top - row,
      range(-reach.rows, reach.rows + 1),
      0,
      [(x, reach.rows + 1 + below) for x in tall],
    )
    place = left - first(top + below, column)
    found += [select(place, candidates[:-1]), select(place, candidates[1:])]
  return found


def select(index: jax.Array, choices: Sequence[jax.Array]) -> jax.Array:
  """`choices[index]` by comparisons, place by place; an index beyond them takes the last."""
  *others, chosen = choices
  for number, choice in enumerate(others):
    chosen = jnp.where(index == number, choice, chosen)
  return chosen


def _first_fetched(matrix: jax.Array) -> Callable[[jax.Array, jax.Array], jax.Array]:
  """The function of a row of the source and a column of the output that gives the first of the
  columns that are fetched for them.
  """
  a, b, c, d, e, f = matrix
  # In the output column at x, the position at height y in the source lies at
  # slope·(y − d·x − f) + a·x + c; half a pixel further left is the pixel to its left.
  slope = b / e
  per_row, per_column, start = (
    jnp.round(value * 2**_BITS).astype(jnp.int32)
    for value in (slope, a - slope * d, c - slope * f - 0.5 - jnp.abs(slope) - _MARGIN)
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
