"""Images of single frequencies against float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import spectrum
from apr_jax.errors import UserError


def basis_float64(row, column, height, width):
  """Half of 1 + i and its conjugate at the frequency and its mirror, transformed back: the released
  code's basis.
  """
  grid = np.zeros((height, width), complex)
  grid[row, column] = (1 + 1j) / 2
  grid[-row % height, -column % width] = (
    (1 - 1j) / 2 if grid[-row % height, -column % width] == 0 else 1
  )
  return np.fft.ifft2(grid).real * np.sqrt(height * width)


@pytest.mark.parametrize("height, width", [(8, 8), (5, 7), (6, 5), (1, 4)])
def test_fourier_basis_equals_the_inverse_transform(height, width):
  basis = jax.jit(spectrum.fourier_basis, static_argnums=(2, 3))
  for row in range(-(height // 2), (height + 1) // 2):
    for column in range(-(width // 2), (width + 1) // 2):
      image = basis(row, column, height, width)
      mirror = (
        (-row + height // 2) % height - height // 2,
        (-column + width // 2) % width - width // 2,
      )
      np.testing.assert_allclose(
        image, basis_float64(*min((row, column), mirror), height, width), atol=2e-6
      )
      assert np.linalg.norm(image) == pytest.approx(1, abs=1e-5) and image.dtype == jnp.float32
      np.testing.assert_array_equal(image, basis(-row, -column, height, width))
      np.testing.assert_array_equal(image, basis(row + height, column - 2 * width, height, width))
      support = {(row % height, column % width), (-row % height, -column % width)}
      assert {tuple(index) for index in np.argwhere(np.abs(np.fft.fft2(image)) > 1e-3)} == support


def test_fourier_basis_is_exact_at_high_frequencies():
  np.testing.assert_allclose(
    spectrum.fourier_basis(-111, 110, 224, 224), basis_float64(-111, 110, 224, 224), atol=1e-7
  )


@pytest.mark.parametrize("height, width", [(8, 8), (5, 7), (32, 32)])
def test_contrasts_of_templates_are_the_transform(height, width):
  image = np.random.default_rng(0).random((height, width), np.float32)
  expected = np.fft.fft2(image.astype(np.float64))
  rows, columns = (each.ravel() for each in np.indices((height, width)))
  contrasts = jax.jit(jax.vmap(spectrum.template_contrasts, (None, 0, 0)))
  real, imaginary = contrasts(image, rows, columns)
  assert real.dtype == imaginary.dtype == jnp.float32
  found = np.asarray(real) + 1j * np.asarray(imaginary)
  np.testing.assert_allclose(found.reshape(height, width), expected, atol=1e-3)
  # the arctangent of two arguments, where the bin is not rounding alone
  turned = np.arctan2(imaginary, real).reshape(height, width) - np.angle(expected)
  np.testing.assert_allclose(np.cos(turned[np.abs(expected) > 0.5]), 1, atol=1e-4)


def test_a_phase_and_its_opposite_differ():
  """cos(2πx/8 + 3) and its negative: the ratio of the contrasts is the same."""
  wave = np.cos(2 * np.pi * np.arange(8) / 8 + 3) * np.ones((8, 1))
  for image, phase in ((wave, 3.0), (-wave, 3.0 - np.pi)):
    real, imaginary = spectrum.template_contrasts(image, 0, 1)
    assert float(jnp.arctan2(imaginary, real)) == pytest.approx(phase, abs=1e-5)
    assert float(imaginary / real) == pytest.approx(np.tan(3), abs=1e-5)


def test_templates_are_parts_of_two_waves():
  found = np.asarray(spectrum.templates(3, 2, 7, 8), np.float64)
  theta = -2 * np.pi * (3 * np.arange(7)[:, None] / 7 + 2 * np.arange(8) / 8)
  assert found.shape == (len(spectrum.TEMPLATES), 7, 8) and found.min() == 0
  np.testing.assert_allclose(found[0] - found[1], np.cos(theta), atol=1e-6)
  np.testing.assert_allclose(found[2] - found[3], np.sin(theta), atol=1e-6)
  assert (found[0] * found[1] == 0).all() and (found[2] * found[3] == 0).all()
  np.testing.assert_array_equal(found, spectrum.templates(3 - 7, 2 + 8, 7, 8))


def test_contrasts_are_exact_at_high_frequencies_and_differentiable():
  image = np.random.default_rng(1).random((224, 224), np.float32)
  real, imaginary = spectrum.template_contrasts(image, -111, 110)
  expected = np.fft.fft2(image.astype(np.float64))[-111, 110]
  np.testing.assert_allclose([real, imaginary], [expected.real, expected.imag], atol=0.02)
  gradient = jax.grad(lambda x: spectrum.template_contrasts(x, 1, 2)[0])(jnp.zeros((4, 4)))
  theta = 2 * np.pi * (np.arange(4)[:, None] + 2 * np.arange(4)) / 4
  np.testing.assert_allclose(gradient, np.cos(theta), atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 4, 3), (4,)])
def test_contrasts_are_of_a_grey_image(shape):
  with pytest.raises(UserError, match=r"must be grey, of real numbers \[H, W\]"):
    spectrum.template_contrasts(np.zeros(shape), 0, 0)
