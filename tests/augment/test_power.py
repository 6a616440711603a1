"""Perturbation of the power spectrum against float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import augment, spectrum
from apr_jax.augment.power import scale_rings

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 1, (24, 12, 10, 3)).astype(np.float32)
# so faint that nothing is clipped
FAINT = (0.5 + 0.01 * RANDOM.standard_normal((200, 8, 8, 3))).astype(np.float32)

draw = jax.jit(augment.power_perturbation, static_argnums=(2, 3))


def spectrum_of(images):
  return np.fft.fft2(np.asarray(images, np.float64), axes=(1, 2))


@pytest.mark.parametrize("height, width", [(12, 10), (7, 9), (8, 8), (5, 16)])
def test_scaling_rings_equals_float64_and_keeps_the_image_real(height, width):
  image = RANDOM.random((height, width, 3), np.float32)
  ring = spectrum.rings(height, width)
  gains = RANDOM.uniform(0.1, 4, ring.max() + 1)
  multiplied = np.fft.fft2(image.astype(float), axes=(0, 1)) * np.sqrt(gains)[ring][..., None]
  expected = np.fft.ifft2(multiplied, axes=(0, 1))
  assert np.abs(expected.imag).max() < 1e-14
  found = jax.jit(scale_rings)(image, gains)
  assert found.dtype == jnp.float32
  np.testing.assert_allclose(found, expected.real, atol=2e-6)


def test_one_gain_per_ring_the_same_for_all_channels_and_the_phase_stays():
  before, after = spectrum_of(FAINT), spectrum_of(draw(jax.random.key(0), FAINT, 1.0, 1.0))
  ratio = after / before
  np.testing.assert_allclose(ratio.imag, 0, atol=0.02)  # the float32 of faint bins
  np.testing.assert_allclose(ratio[:, 0, 0], 1, atol=1e-5)  # the constant
  ring = spectrum.rings(8, 8)
  logarithms = []
  for each in range(1, ring.max() + 1):
    inside = ratio.real[:, ring == each].reshape(200, -1)
    middle = np.median(inside, 1, keepdims=True)
    assert np.median(np.abs(inside / middle - 1)) < 1e-3
    logarithms.append(2 * np.log(middle[:, 0]))
  logarithms = np.array(logarithms)
  # N(−τ²/2, τ²) of 4 · 200 gains, independent over the rings
  assert logarithms.mean() == pytest.approx(-0.5, abs=0.12)
  assert logarithms.std() == pytest.approx(1, abs=0.1)
  assert np.abs(np.corrcoef(logarithms) - np.eye(4)).max() < 0.25


def test_nothing_at_tau_0_and_more_at_a_larger_one():
  np.testing.assert_allclose(draw(jax.random.key(0), IMAGES, 0.0, 1.0), IMAGES, atol=1e-6)
  small, large = (
    np.abs(np.asarray(draw(jax.random.key(0), IMAGES, tau, 1.0)) - IMAGES).mean()
    for tau in (0.2, 1.0)
  )
  assert 0 < 2 * small < large


def test_the_result_stays_in_range():
  found = np.asarray(draw(jax.random.key(1), IMAGES, 1.5, 1.0))
  assert found.dtype == np.float32 and found.min() == 0 and found.max() == 1


def test_the_coin_is_per_image_and_leaves_the_others_as_they_were():
  grey = np.repeat(IMAGES, 20, 0)
  changed = (np.asarray(draw(jax.random.key(2), grey, 1.0, 0.25)) != grey).any((1, 2, 3))
  assert changed.mean() == pytest.approx(0.25, abs=0.06)  # 480 coins, three deviations
  np.testing.assert_array_equal(draw(jax.random.key(2), IMAGES, 1.0, 0.0), IMAGES)
  assert (np.asarray(draw(jax.random.key(2), IMAGES, 1.0, 1.0)) != IMAGES).any((1, 2, 3)).all()


def test_depends_on_position_alone():
  key, count = jax.random.key(0), len(IMAGES)
  whole = draw(key, IMAGES, 1.0, 0.5)
  found = jax.jit(augment.power_perturbation)(
    key, IMAGES[::-1], 1.0, 0.5, positions=np.arange(count)[::-1]
  )
  np.testing.assert_allclose(found, whole[::-1], atol=1e-6)
  assert (draw(jax.random.key(1), IMAGES, 1.0, 0.5) != whole).any()
  same = draw(key, np.repeat(IMAGES[:1], 8, 0), 1.0, 1.0)
  assert len({np.asarray(image).tobytes() for image in same}) == 8
