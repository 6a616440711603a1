"""Cutout against slices in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import models
from apr_jax.augment import cutout

MEAN = (0.5, 0.25, 0.75)
# No pixel of the images has a value of MEAN.
IMAGES = np.random.default_rng(0).uniform(0.8, 1, (40, 12, 10, 3)).astype(np.float32)


@pytest.mark.parametrize(
  "row, column, size, rows, columns",
  [
    (6, 5, 4, slice(4, 8), slice(3, 7)),
    (0, 9, 4, slice(0, 2), slice(7, 10)),
    (11, 0, 16, slice(3, 12), slice(0, 8)),
    (6, 5, 5, slice(4, 8), slice(3, 7)),  # an odd side loses a pixel, as in the released code
  ],
)
def test_square_by_hand(row, column, size, rows, columns):
  expected = IMAGES[0].copy()
  expected[rows, columns] = MEAN
  blank = jax.jit(cutout.blank, static_argnums=3)
  np.testing.assert_array_equal(blank(IMAGES[0], row, column, size, jnp.array(MEAN)), expected)


def test_the_square_is_black_unless_told():
  blank = jax.jit(lambda key: cutout.cutout(key, IMAGES[:2], 40))
  assert (blank(jax.random.key(0)) == 0).all()


def test_every_image_loses_one_square_centred_anywhere():
  draw = jax.jit(lambda key: cutout.cutout(key, IMAGES, 4, MEAN))
  rows, columns = set(), set()
  for seed in range(12):
    result = np.asarray(draw(jax.random.key(seed)))
    assert result.dtype == np.float32
    for image, original in zip(result, IMAGES):
      blank = (image == MEAN).all(-1)
      np.testing.assert_array_equal(image[~blank], original[~blank])
      inside = np.flatnonzero(blank.any(1)), np.flatnonzero(blank.any(0))
      assert blank.sum() == len(inside[0]) * len(inside[1])  # a full rectangle
      # Its centre, from the side that lies within the image.
      centre = [i[-1] - 1 if i[0] == 0 and len(i) < 4 else i[0] + 2 for i in inside]
      rows.add(centre[0])
      columns.add(centre[1])
  assert (rows, columns) == (set(range(12)), set(range(10)))


def test_depends_on_position_alone():
  key = jax.random.key(0)
  draw = jax.jit(
    lambda key, positions: cutout.cutout(key, IMAGES[:9], 4, MEAN, positions=positions)
  )
  whole, backwards = (
    draw(key, jnp.arange(9)) == IMAGES[:9],
    draw(key, jnp.arange(9)[::-1]) == IMAGES[:9],
  )
  np.testing.assert_array_equal(backwards, whole[::-1])
  np.testing.assert_array_equal(cutout.cutout(key, IMAGES[:9], 4, MEAN) == IMAGES[:9], whole)
  assert ((draw(jax.random.key(1), jnp.arange(9)) == IMAGES[:9]) != whole).any()


def test_the_network_sees_zeros_in_the_square():
  show = models.NormalisedNetwork(lambda images, train: images, MEAN, (0.2,) * 3)
  blanked = cutout.cutout(jax.random.key(0), IMAGES, 4, MEAN)
  seen = np.asarray(show.apply({}, blanked))
  blank = (np.asarray(blanked) == MEAN).all(-1)
  assert blank.any() and (seen[blank] == 0).all() and (seen[~blank] != 0).all()
