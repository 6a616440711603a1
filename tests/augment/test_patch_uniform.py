"""Patch Uniform against slices in NumPy."""

import jax
import numpy as np
import pytest

from apr_jax.augment.patch_uniform import add_noise, patch_uniform

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 1, (48, 12, 10, 3)).astype(np.float32)
NOISE = RANDOM.uniform(-1, 1, IMAGES[0].shape).astype(np.float32)

draw = jax.jit(patch_uniform)


@pytest.mark.parametrize(
  "row, column, side, rows, columns",
  [
    (6, 5, 4, slice(4, 8), slice(3, 7)),
    (6, 5, 5, slice(4, 9), slice(3, 8)),
    (3, 9, 1, slice(3, 4), slice(9, 10)),
    (0, 9, 4, slice(0, 2), slice(7, 10)),  # cut off at the border
    (11, 0, 250, slice(0, 12), slice(0, 10)),
  ],
)
def test_square_by_hand(row, column, side, rows, columns):
  expected = IMAGES[0].copy()
  expected[rows, columns] = np.clip(IMAGES[0][rows, columns] + NOISE[rows, columns], 0, 1)
  np.testing.assert_array_equal(jax.jit(add_noise)(IMAGES[0], NOISE, row, column, side), expected)


def test_sides_centres_and_scales_reach_their_ends():
  grey = np.full((400, 12, 10, 3), 0.5, np.float32)
  noisy = np.asarray(draw(jax.random.key(0), grey, 5, 0.4))
  assert noisy.dtype == np.float32
  sides, centres, scales = [], set(), []
  for image in noisy:
    changed = (image != 0.5).any(-1)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert (
      changed.sum()
      == len(rows) * len(columns)
      == np.ptp(rows) * np.ptp(columns) + sum((np.ptp(rows), np.ptp(columns), 1))
    )  # a full rectangle
    sides.append(max(len(rows), len(columns)))
    if len(rows) == len(columns) == 1:
      centres.add((rows[0], columns[0]))
    if sides[-1] >= 4:
      scales.append(np.abs(image - 0.5).max())
  assert set(sides) == set(range(1, 6))
  assert {row for row, _ in centres} == set(range(12)) and {column for _, column in centres} == set(
    range(10)
  )
  # The largest of some 30 to 75 values lies just below the image's own scale, which is uniform up
  # to 0.4.
  assert (
    max(scales) < 0.4
    and max(scales) > 0.37
    and min(scales) < 0.03
    and abs(np.mean(scales) - 0.2) < 0.03
  )


def test_the_result_stays_in_range_and_draws_are_independent():
  noisy = np.asarray(draw(jax.random.key(1), IMAGES, 12, 1.0))
  assert noisy.min() == 0 and noisy.max() == 1
  same = np.repeat(IMAGES[:1], 48, axis=0)
  drawn = np.asarray(draw(jax.random.key(1), same, 12, 1.0))
  assert len({image.tobytes() for image in drawn}) == 48


def test_depends_on_position_alone():
  key = jax.random.key(0)
  whole = draw(key, IMAGES, 8, 0.5)
  np.testing.assert_array_equal(
    draw(key, IMAGES[::-1], 8, 0.5, positions=np.arange(48)[::-1]), whole[::-1]
  )
  assert (draw(jax.random.key(1), IMAGES, 8, 0.5) != whole).any()
