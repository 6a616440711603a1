"""Winograd's convolution against the direct sum in float64."""

import jax
import numpy as np
import pytest

from apr_jax.models import winograd

RANDOM = np.random.default_rng(0)


def direct(x, kernel, padding):
  x = np.pad(np.float64(x), ((0, 0), *padding, (0, 0)))
  rows, columns = x.shape[1] - 2, x.shape[2] - 2
  return sum(
    np.einsum("bhwc,co->bhwo", x[:, i : i + rows, j : j + columns], kernel[i, j])
    for i in range(3)
    for j in range(3)
  )


@pytest.mark.parametrize("padding", [((1, 1), (1, 1)), ((0, 0), (2, 0))])
def test_it_is_the_sum_over_nine_taps_and_its_gradient(padding):
  x = RANDOM.normal(size=(2, 6, 4, 5)).astype(np.float32)
  kernel = RANDOM.normal(size=(3, 3, 5, 7)).astype(np.float32)
  expected = direct(x, kernel, padding)
  y = jax.jit(lambda *a: winograd.convolve(*a, padding))(x, kernel)
  np.testing.assert_allclose(y, expected, rtol=0, atol=2e-6 * np.abs(expected).max())

  stored = np.flip(kernel, (0, 1)).swapaxes(2, 3)
  turned = jax.jit(lambda *a: winograd.convolve(*a, padding, turned=True))(x, stored)
  np.testing.assert_allclose(turned, expected, rtol=0, atol=2e-6 * np.abs(expected).max())

  dy = RANDOM.normal(size=y.shape).astype(np.float32)
  padded = np.pad(np.float64(x), ((0, 0), *padding, (0, 0)))
  rows, columns = dy.shape[1:3]
  gradient = np.array(
    [
      [np.einsum("bhwc,bhwo->co", padded[:, i : i + rows, j : j + columns], dy) for j in range(3)]
      for i in range(3)
    ]
  )
  found = jax.jit(lambda *a: winograd.kernel_gradient(*a, padding))(x, dy)
  np.testing.assert_allclose(found, gradient, rtol=0, atol=2e-6 * np.abs(gradient).max())


def test_it_takes_three_by_three_and_even_outputs():
  assert winograd.fits((3, 3, 1, 1), (2, 4))
  assert not winograd.fits((3, 3, 1, 1), (2, 5))
  assert not winograd.fits((3, 3, 1, 1), (0, 2))
  assert not winograd.fits((1, 1, 1, 1), (2, 4))
