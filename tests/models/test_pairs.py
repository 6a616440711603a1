"""Convolutions over pairs of pixels against those over pixels."""

import numpy as np
from jax import lax

from apr_jax.models import pairs

RANDOM = np.random.default_rng(0)


def test_the_kernel_of_pairs_does_the_same():
  # small whole numbers, so that every order of summing gives the same
  x = RANDOM.integers(-4, 5, (2, 5, 8, 3)).astype(np.float32)
  kernel = RANDOM.integers(-4, 5, (3, 3, 3, 4)).astype(np.float32)
  padding = ((0, 2), (1, 1))

  def direct(x, kernel):
    return lax.conv_general_dilated(
      x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )

  np.testing.assert_array_equal(pairs.convolve(x, kernel, direct), direct(x, kernel))


def test_pairs_need_three_columns_and_an_even_width_with_a_column_around():
  assert pairs.fits((3, 3, 1, 1), 4, ((0, 0), (1, 1)))
  assert not pairs.fits((3, 3, 1, 1), 5, ((1, 1), (1, 1)))
  assert not pairs.fits((3, 3, 1, 1), 4, ((1, 1), (0, 1)))
  assert not pairs.fits((1, 1, 1, 1), 4, ((1, 1), (1, 1)))
