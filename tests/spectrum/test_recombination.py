"""Amplitude, phase and recombination against float64 NumPy."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import apr_jax
from apr_jax import dft, spectrum
from apr_jax.errors import UserError

AXES = [(-3, -2, -1), (-3, -2), (-2,), (-1,), (-3, -1), (-1, -2, -3)]
SHAPES = [(32, 32, 3), (5, 4, 4)]


def recombine_float64(amplitude_of, phase_of, axes):
  """Equation 5 as it stands: angle, exp, complex transform, real part."""
  first = np.fft.fftn(amplitude_of.astype(np.float64), axes=axes)
  second = np.fft.fftn(phase_of.astype(np.float64), axes=axes)
  return np.fft.ifftn(np.abs(first) * np.exp(1j * np.angle(second)), axes=axes).real


@pytest.mark.parametrize(
  "shape, axes",
  [(shape, axes) for shape in SHAPES for axes in AXES]
  + [((33, 31, 3), (-3, -2, -1)), ((8, 15, 1), (-3, -2)), ((1, 1, 3), (-3, -2, -1))],
)
def test_recombine_equals_float64_on_noise(shape, axes):
  x, y = np.random.default_rng(0).random((2, 4, *shape), np.float32)
  result = jax.jit(apr_jax.recombine, static_argnums=2)(x, y, axes)
  assert result.dtype == jnp.float32
  np.testing.assert_allclose(result, recombine_float64(x, y, axes), atol=1e-5)


def test_half_precision_is_computed_in_float32():
  x, y = jnp.asarray(np.random.default_rng(0).random((2, 2, 4, 4, 3)), jnp.bfloat16)
  result = apr_jax.recombine(x, y)
  assert result.dtype == jnp.float32
  expected = recombine_float64(np.asarray(x), np.asarray(y), (-3, -2, -1))
  np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("axes", [(-3, -2, -1), (-3, -2)])
def test_recombine_equals_float64_on_photographs(axes, photographs, photograph):
  x = photographs / np.float32(255)
  # The phase of a bin that cancels to rounding error is noise in any precision; such images have no
  # true answer.
  y = x[np.abs(np.fft.fftn(x, axes=axes)).reshape(len(x), -1).min(axis=1) > 1e-3]
  assert len(y) >= 10
  np.testing.assert_allclose(
    apr_jax.recombine(x[: len(y)], y, axes), recombine_float64(x[: len(y)], y, axes), atol=1e-4
  )
  x, y = photograph / np.float32(255), photograph[::-1] / np.float32(255)
  np.testing.assert_allclose(
    apr_jax.recombine(x, y, axes), recombine_float64(x, y, axes), atol=1e-4
  )


@pytest.mark.parametrize("axes", AXES)
def test_recombining_an_image_with_itself_is_the_identity(axes, photographs):
  x = photographs / np.float32(255)
  np.testing.assert_allclose(apr_jax.recombine(x, x, axes), x, atol=1e-5)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_images_give_no_nan(value, axes):
  x = np.full((1, 8, 8, 3), value, np.float32)
  y = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
  np.testing.assert_allclose(apr_jax.recombine(x, x, axes), x, atol=1e-5)
  chex.assert_tree_all_finite((apr_jax.recombine(x, y, axes), apr_jax.recombine(y, x, axes)))


def test_empty_bins_have_phase_zero():
  """All bins of a zero image are empty: their factor is 1, so each bin takes the other's amplitude,
  as with angle(0)=0.
  """
  x = np.random.default_rng(0).random((8, 8, 3), np.float32)
  zero = np.zeros_like(x)
  np.testing.assert_allclose(
    apr_jax.recombine(x, zero), recombine_float64(x, zero, (0, 1, 2)), atol=1e-5
  )


@pytest.mark.parametrize("axes", [(-3, -2, -1), (-3, -2)])
def test_the_result_has_the_amplitude_and_the_phase_of_its_sources(axes):
  x, y = np.random.default_rng(1).random((2, 16, 16, 3), np.float32)
  amplitude, phase = apr_jax.amplitude_phase(apr_jax.recombine(x, y, axes), axes)
  np.testing.assert_allclose(amplitude, np.abs(np.fft.fftn(x, axes=axes)), rtol=1e-4, atol=1e-3)
  turns = np.exp(1j * (np.asarray(phase) - np.angle(np.fft.fftn(y, axes=axes))))
  np.testing.assert_allclose(turns.real, 1, atol=1e-4)


@pytest.mark.parametrize("axes", AXES)
def test_amplitude_phase_is_the_polar_form(axes):
  x = np.random.default_rng(0).random((2, 9, 8, 3), np.float32)
  amplitude, phase = jax.jit(apr_jax.amplitude_phase, static_argnums=1)(x, axes)
  assert amplitude.dtype == phase.dtype == jnp.float32
  np.testing.assert_allclose(
    amplitude * np.exp(1j * np.asarray(phase)), np.fft.fftn(x, axes=axes), atol=1e-4
  )


class TestVariants(chex.TestCase):
  """The same numbers compiled, not compiled, and of arrays that lie on the device already."""

  @chex.variants(with_jit=True, without_jit=True, with_device=True)
  def test_recombine(self):
    x, y = np.random.default_rng(2).random((2, 2, 6, 5, 3), np.float32)
    found = self.variant(apr_jax.recombine)(x, y)
    chex.assert_shape(found, x.shape)
    chex.assert_type(found, jnp.float32)
    chex.assert_trees_all_close(found, recombine_float64(x, y, (-3, -2, -1)), atol=1e-5)

  @chex.variants(with_jit=True, without_jit=True, with_device=True)
  def test_amplitude_phase(self):
    x = np.random.default_rng(2).random((2, 6, 5, 3), np.float32)
    amplitude, phase = self.variant(apr_jax.amplitude_phase)(x)
    chex.assert_shape([amplitude, phase], x.shape)
    chex.assert_type([amplitude, phase], jnp.float32)
    expected = np.fft.fftn(x.astype(np.float64), axes=(-3, -2, -1))
    chex.assert_trees_all_close(amplitude * np.exp(1j * np.asarray(phase)), expected, atol=1e-4)


def test_vmap_equals_batch(photographs):
  x = photographs / np.float32(255)
  np.testing.assert_allclose(
    jax.vmap(apr_jax.recombine)(x, x[::-1]), apr_jax.recombine(x, x[::-1]), atol=1e-6
  )


def test_gradients_are_finite_and_stopped():
  x = jnp.zeros((4, 4, 3))
  gradient = jax.grad(lambda x: apr_jax.recombine(x, x).sum() + x.sum())(x)
  np.testing.assert_array_equal(gradient, 1)


@pytest.mark.parametrize("axes", [(), (0, 1), (-2, -2), (-4,), (1, 2, 3)])
def test_wrong_axes_are_refused(axes):
  with pytest.raises(UserError, match="axes must be distinct"):
    spectrum.half_spectrum(jnp.zeros((4, 4, 3)), axes)


@pytest.mark.parametrize("images", [jnp.zeros((4, 4)), jnp.zeros((4, 4, 3), jnp.uint8)])
def test_wrong_images_are_refused(images):
  with pytest.raises(UserError, match="images must be float"):
    apr_jax.recombine(images, images)


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (1, 5, 6, 3), (4, 7, 1)])
@pytest.mark.parametrize("axes", [(-3, -2, -1), (-3, -2), (-2,), (-1,)])
def test_the_products_of_a_tpu_are_the_transform(shape, axes):
  images = np.random.default_rng(0).random(shape).astype(np.float32)
  half = spectrum.half_spectrum(images, axes, "product")
  np.testing.assert_allclose(half, spectrum.half_spectrum(images, axes, "index"), atol=1e-5)
  back = spectrum.from_half_spectrum(
    jnp.abs(half), spectrum.phase_factor(half), shape, axes, "product"
  )
  np.testing.assert_allclose(back, images, atol=1e-6)


def test_products_are_for_axes_up_to_a_length():
  assert dft.small((1000, 3, dft.LARGEST, 4), (-3, -2, -1))
  assert not dft.small((1, 3, 4, dft.LARGEST + 1), (-3, -2, -1))


def test_three_products_of_bfloat16_keep_a_level(photograph):
  """What the precision of `dft` means on a TPU, which a CPU does not imitate."""

  def halves(x):
    high = x.astype(jnp.bfloat16).astype(np.float32)
    return high, (x - high).astype(jnp.bfloat16).astype(np.float32)

  def transform(pair, matrix, axis):
    """A complex product of float32 pairs, each real one of three."""

    def product(x, y):
      (x_high, x_low), (y_high, y_low) = halves(x), halves(y.astype(np.float32))
      both = np.tensordot(x_high, y_high, (axis, 0))
      both += np.tensordot(x_high, y_low, (axis, 0)) + np.tensordot(x_low, y_high, (axis, 0))
      return np.moveaxis(both, -1, axis)

    (real, imaginary), (cos, sin) = pair, (matrix.real, matrix.imag)
    return (
      product(real, cos) - product(imaginary, sin),
      product(real, sin) + product(imaginary, cos),
    )

  image = photograph.astype(np.float32)
  other = np.where(image > 150, 255 - image, image)[::-1]
  spectra = []
  for x in (image, other):
    pair = x, np.zeros_like(x)
    for axis in range(3):
      pair = transform(pair, np.fft.fft(np.eye(x.shape[axis])), axis)
    spectra.append(pair[0] + 1j * pair[1])
  mixed = np.abs(spectra[0]) * spectra[1] / np.abs(spectra[1])
  pair = mixed.real.astype(np.float32), mixed.imag.astype(np.float32)
  for axis in range(3):
    pair = transform(pair, np.fft.ifft(np.eye(image.shape[axis])), axis)
  assert np.abs(pair[0] - recombine_float64(image, other, (-3, -2, -1))).max() < 0.02
