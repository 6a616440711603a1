"""VIPAug-G: which bins are vital, what noise their phases get, and the flow of its coins."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import augment
from apr_jax.augment.vipaug import noisy_phase, vital_bins
from apr_jax.errors import UserError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (48, 16, 16, 3), dtype=np.uint8)
SPECTRUM = np.fft.fftn(RANDOM.uniform(0, 255, (32, 16, 3))).astype(np.complex64)


def numpy_vital(amplitude):
  """The largest of each block, one block after the other."""
  vital = np.zeros(amplitude.shape, bool)
  for row in range(0, amplitude.shape[0], 2):
    for column in range(0, amplitude.shape[1], 2):
      for channel in range(amplitude.shape[2]):
        block = amplitude[row : row + 2, column : column + 2, channel]
        down, right = np.unravel_index(block.argmax(), (2, 2))
        vital[row + down, column + right, channel] = True
  return vital


def phase_change(before, after):
  return np.angle(np.asarray(after) / np.asarray(before))


def test_the_largest_bin_of_each_block_is_vital():
  amplitude = RANDOM.uniform(size=(6, 10, 3)).astype(np.float32)
  found = np.asarray(vital_bins(amplitude))
  np.testing.assert_array_equal(found, numpy_vital(amplitude))
  assert found.mean() == 0.25


def test_vital_phases_are_kept_where_their_noise_is_0_and_amplitudes_always():
  vital = numpy_vital(np.abs(SPECTRUM))
  noisy = noisy_phase(jax.random.key(0), SPECTRUM, 0.0, 0.01)
  np.testing.assert_allclose(np.abs(noisy), np.abs(SPECTRUM), rtol=1e-5)
  change = phase_change(SPECTRUM, noisy)
  np.testing.assert_allclose(change[vital], 0, atol=1e-5)
  assert change[~vital].std() == pytest.approx(0.1, rel=0.1)  # a deviation, the root of 0.01
  assert np.abs(change[~vital].mean()) < 0.01


def test_both_kinds_of_bins_have_their_variance():
  vital = numpy_vital(np.abs(SPECTRUM))
  change = phase_change(SPECTRUM, noisy_phase(jax.random.key(1), SPECTRUM, 0.04, 0.0025))
  assert change[vital].std() == pytest.approx(0.2, rel=0.12)
  assert change[~vital].std() == pytest.approx(0.05, rel=0.1)


def test_hermitian_noise_leaves_a_real_image():
  noisy = np.asarray(
    noisy_phase(jax.random.key(2), SPECTRUM, 0.001, 0.02, hermitian=True), np.complex128
  )
  image = np.fft.ifftn(noisy)
  assert np.abs(image.imag).max() < 1e-3 < 1 < np.abs(image.real).max()
  plain = np.fft.ifftn(np.asarray(noisy_phase(jax.random.key(2), SPECTRUM, 0.001, 0.02)))
  assert np.abs(plain.imag).max() > 1  # as published
  vital = numpy_vital(np.abs(SPECTRUM))
  mirrored = np.roll(vital[::-1, ::-1, ::-1], (1, 1, 1), (0, 1, 2))
  change = phase_change(SPECTRUM, noisy)
  assert change[vital | mirrored].std() == pytest.approx(0.001**0.5, rel=0.12)
  inside = ~(vital | mirrored)
  assert change[inside].std() == pytest.approx(0.02**0.5, rel=0.12)


def drawn(vital, other, images=IMAGES, **options):
  key = jax.random.key(5)
  return np.asarray(augment.vipaug(key, images, 3, "clip", vital, other, **options)).astype(int)


def test_without_noise_it_is_apr_s():
  views = augment.apr_s(jax.random.key(5), IMAGES, 3, "clip")
  difference = np.abs(drawn(0.0, 0.0) - np.asarray(views).astype(int))
  assert difference.max() <= 1 and (difference > 0).mean() < 0.01  # by rounding


def test_noise_comes_to_a_quarter_of_the_images():
  # op 1 alone with ½; of the others half with noise
  changed = (drawn(0.0, 0.0) != drawn(0.05, 0.2)).any((1, 2, 3))
  assert 0.1 < changed.mean() < 0.45


def test_an_image_is_augmented_by_its_place_and_prob_is_per_image():
  whole = drawn(0.001, 0.014)
  np.testing.assert_array_equal(
    drawn(0.001, 0.014, IMAGES[7:9], positions=jnp.arange(7, 9)), whole[7:9]
  )
  np.testing.assert_array_equal(drawn(0.001, 0.014, prob=0.0), IMAGES)


def test_what_it_does_not_take():
  with pytest.raises(UserError, match="even height and width, got 15×16"):
    augment.vipaug(jax.random.key(0), IMAGES[:, :15])
  with pytest.raises(UserError, match="uint8"):
    augment.vipaug(jax.random.key(0), IMAGES / np.float32(255))
