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
    stretch: how much more, or less, than one row the reads move from one output row to the next
      within a column of the source, and likewise along the rows.
  """

  columns: int
  rows: int
  slope: float
  stretch: float = 0.0

  @classmethod
  def of(cls, height: int, width: int, degrees: float, shear: float, translation: float) -> "Reach":
    """Of rotations about the centre, shears from the corner, and translations by whole pixels along
    either axis.

    Args:
      height, width: of the image in pixels.
      degrees, shear: largest, below 90 degrees.
      translation: largest, as a share of the side.
    """
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))

    def along(own: int, other: int) -> int:
      turned = (1 - cos) * own / 2 + sin * other / 2
      between = math.ceil(max(turned, shear * other) + _MARGIN)
      return max(between, math.floor(translation * own + _MARGIN))

    return cls(along(width, height), along(height, width), max(sin / cos, shear), 1 / cos - 1)

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
  height, width = words.shape
  first = _first_fetched(matrix)
  row, column = jnp.arange(height)[:, None], jnp.arange(width)[None]
  fetch = _fetched([words], first(row, column), reach.fetched, reach.rows, reach.stretch, 0)[0]
  both = _fetched(fetch, left, 2, reach.columns, reach.stretch, 1)
  sides = []
  for right in (0, 1):
    candidates = [x[right] for x in both]
    place = top - first(row, jnp.clip(left + right, 0, width - 1))
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


def window(image: jax.Array, start: jax.Array, size: int, axis: int, last: int) -> jax.Array:
  """`size` places of an axis from `start` on, by long steps and shorter ones, each a choice among
  shifted copies.

  Args:
    image: any array.
    start: int, in 0..`last`; the same along the axis, and may differ along others.
    size, axis, last: of the window. What lies beyond the image is 0.
  """
  for unit, most in _steps(last):
    length = size + unit - 1
    beyond = most * unit + length - image.shape[axis]
    image = jnp.pad(image, [(0, max(0, beyond) if a == axis else 0) for a in range(image.ndim)])
    copies = [
      jax.lax.slice_in_dim(image, number * unit, number * unit + length, axis=axis)
      for number in range(most + 1)
    ]
    image = select(start // unit, copies)
    start = start % unit
  return image


def _steps(last: int) -> list[tuple[int, int]]:
  """Numbers 0..last as sums of multiples: each unit, the largest first, and its largest multiple.

  What they cost is the copies, and a little each: few numbers are cheapest in two steps.
  """
  count = 2 if last < 27 else 3
  base = math.ceil(round((last + 1) ** (1 / count), 6))
  units = [base**power for power in reversed(range(count))]
  return [(unit, most // unit) for unit, most in zip(units, (last, *(u - 1 for u in units)))]


def _fetched(
  sources: Sequence[jax.Array],
  first: jax.Array,
  count: int,
  reach: int,
  stretch: float,
  axis: int,
) -> list[list[jax.Array]]:
  """Of each source, what stands at `first` and at the places behind it along the axis.

  Args:
    sources: int32 `[H, W]`; beyond their edges the edges repeat.
    first: int32 `[H, W]`, places along the axis.
    count: of places.
    reach: how far from its own place a place that is used may be; the others mean nothing.
    stretch: how much more, or less, than one `first` changes at most from place to place.
    axis: 0 or 1.
  """
  size = first.shape[axis]
  own = jax.lax.broadcasted_iota(jnp.int32, first.shape, axis)
  places = [first + number for number in range(count)]
  least, most = -reach - count + 2, reach - 1
  near = math.floor(stretch * size / 2 + _MARGIN) + 1
  copies = sum(most_of + 1 for _, most_of in _steps(most - least)) + 2 * near + count
  if copies < 2 * reach + 1:  # first what a whole line has in common
    middle = jax.lax.slice_in_dim(first - own, size // 2, size // 2 + 1, axis=axis)
    common = jnp.clip(middle, least, most)
    margins = (near - least, near + most + count - 1)
    pads = [margins if a == axis else (0, 0) for a in range(2)]
    length = size + 2 * near + count - 1
    sources = [
      window(jnp.pad(x, pads, mode="edge"), common - least, length, axis, most - least)
      for x in sources
    ]
    moved = [place - own - common for place in places]
    distances = range(-near, near + count)
    shifted = [
      [jax.lax.slice_in_dim(x, d + near, d + near + size, axis=axis) for d in distances]
      for x in sources
    ]
  else:
    moved = [jnp.clip(place, 0, size - 1) - own for place in places]
    distances = range(-reach, reach + 1)
    shifted = [_shifted(x, distances, axis) for x in sources]
  found = [[select(m - distances[0], of_source) for m in moved] for of_source in shifted]
  # What the first pass finds is kept, and not computed anew wherever the second reads it.
  return jax.lax.optimization_barrier(found) if axis == 0 else found


def _shifted(image: jax.Array, distances: range, axis: int) -> list[jax.Array]:
  """What stands so much further along an axis of int32 `[H, W]`, and 0 beyond the image."""
  size = image.shape[axis]
  pads = [(-distances[0], distances[-1]) if a == axis else (0, 0) for a in range(2)]
  image = jnp.pad(image, pads)
  if axis == 0:  # rows lie apart, and several fetches share a shifted copy
    image = jax.lax.optimization_barrier(image)
  return [
    jax.lax.slice_in_dim(image, start, start + size, axis=axis) for start in range(len(distances))
  ]
