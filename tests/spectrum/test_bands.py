"""Bands of the spectrum and their recombination against float64 NumPy."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import spectrum
from apr_jax.errors import UserError

RANDOM = np.random.default_rng(0)
NAMES = ("all", *spectrum.BANDS)


@pytest.fixture(scope="module")
def clean_images(real_data):
  """The 24 CIFAR-10 images on which the project's values were computed; float64 in [0, 1]."""
  path = real_data.parent / "cifar10c_aligned.npz"
  if not path.is_file():
    pytest.skip("cifar10c_aligned.npz is not beside the folder of the data sets")
  return np.load(path)["clean"] / 255


def distance(height, width):
  rows, columns = (np.fft.fftfreq(size) * size for size in (height, width))
  return np.hypot(rows[:, None], columns)


def weights_float64(height, width, radii, shape):
  away, (inner, outer) = distance(height, width), radii
  if shape == "hard":
    low, below_high = away < inner, away < outer
  else:
    low, below_high = (1 / (1 + (away / radius) ** 4) for radius in radii)
  return {
    "all": np.ones((height, width)),
    "low": 1.0 * low,
    "middle": 1.0 * below_high - 1.0 * low,
    "high": 1.0 - below_high,
  }


def recombine_float64(first, second, amplitude_band, phase_band, radii, shape, fill):
  """The spectrum as it stands, bin by bin; complex, before the real part is taken."""
  weights = weights_float64(*first.shape[-3:-1], radii, shape)
  amplitude = np.abs(np.fft.fft2(first, axes=(-3, -2)))
  phase = np.angle(np.fft.fft2(second, axes=(-3, -2)))
  kept, turned = (weights[band][..., None] for band in (amplitude_band, phase_band))
  amplitude = np.where(kept == 0, 1, kept * amplitude)
  phase = np.where(turned == 0, {"angle": 1, "phasor": 0}[fill], turned * phase)
  return np.fft.ifft2(amplitude * np.exp(1j * phase), axes=(-3, -2))


def test_the_bands_of_32_pixels_by_count():
  masks = spectrum.band_masks(32, 32)
  assert {name: int(mask.sum()) for name, mask in masks.items()} == {
    "low": 193,
    "middle": 600,
    "high": 231,
  }
  assert all(mask.dtype == bool and mask.shape == (32, 32) for mask in masks.values())
  assert masks["low"][0, 0] and masks["middle"][8, 0] and masks["high"][0, -16]
  assert (sum(mask.astype(int) for mask in masks.values()) == 1).all()


@pytest.mark.parametrize(
  "height, width, radii", [(32, 32, (4, 12)), (7, 10, (2, 3.5)), (1, 1, (1, 2))]
)
def test_the_bands_are_those_of_the_distance(height, width, radii):
  away, masks = distance(height, width), spectrum.band_masks(height, width, radii)
  np.testing.assert_array_equal(masks["low"], away < radii[0])
  np.testing.assert_array_equal(masks["high"], away >= radii[1])
  np.testing.assert_array_equal(masks["middle"], (away >= radii[0]) & (away < radii[1]))


@pytest.mark.parametrize("shape", ["hard", "butterworth"])
def test_weights_sum_to_one(shape):
  weights = spectrum.band_weights(32, 20, (4, 9), shape)
  assert all(weight.dtype == np.float64 for weight in weights.values())
  expected = weights_float64(32, 20, (4, 9), shape)
  for name in NAMES:
    np.testing.assert_allclose(weights[name], expected[name], atol=1e-12)
  np.testing.assert_allclose(sum(weights[name] for name in spectrum.BANDS), 1, atol=1e-12)
  assert weights["high"][0, 0] == weights["middle"][0, 0] == 0


@pytest.mark.parametrize("amplitude_band", NAMES)
@pytest.mark.parametrize("phase_band", NAMES)
@pytest.mark.parametrize(
  "shape, fill", [("hard", "angle"), ("hard", "phasor"), ("butterworth", "angle")]
)
def test_recombination_equals_float64(amplitude_band, phase_band, shape, fill):
  first, second = RANDOM.random((2, 2, 12, 9, 3), np.float32)
  options = {"radii": (2, 4.5), "shape": shape, "fill": fill}
  found = spectrum.band_recombine(first, second, amplitude_band, phase_band, **options)
  expected = recombine_float64(
    first.astype(float), second.astype(float), amplitude_band, phase_band, *options.values()
  )
  assert found.dtype == jnp.float32
  np.testing.assert_allclose(found, expected.real, atol=2e-5)
  if shape == "hard" and fill == "phasor":  # real by itself
    assert np.abs(expected.imag).max() < 1e-12


def test_all_of_both_is_the_recombination_of_the_paper(photographs):
  x = photographs / np.float32(255)
  np.testing.assert_allclose(spectrum.band_recombine(x, x), x, atol=1e-5)
  y = RANDOM.random(x.shape, np.float32)
  np.testing.assert_allclose(
    spectrum.band_recombine(x, y), spectrum.recombine(x, y, (-3, -2)), atol=2e-5
  )


def test_empty_bins_within_a_band_stay_empty():
  grey = np.full((8, 8, 1), 0.5, np.float32)
  # all bins but the constant one are empty, and outside the band there is nothing
  found = spectrum.band_recombine(grey, grey, "low", "low", radii=(10, 20))
  np.testing.assert_allclose(found, grey, atol=1e-6)


def within(images):
  """The mean, and the mean over images and channels of the deviation within one."""
  images = np.asarray(images, np.float64)
  return images.mean(), images.std((1, 2)).mean()


FULL_PHASE = {"low": (0.408, 0.172), "middle": (0.001, 0.054), "high": (0.001, 0.029)}
FULL_AMPLITUDE = {"low": (0.408, 0.172), "middle": (0.220, 0.105), "high": (0.220, 0.096)}
ALIKE = {"low": (0.408, 0.170), "middle": (0.001, 0.052), "high": (0.001, 0.018)}


def test_mean_and_deviation_on_cifar(clean_images):
  x = clean_images.astype(np.float32)
  assert within(x) == pytest.approx((0.408, 0.177), abs=6e-4)
  for band in spectrum.BANDS:
    for bands, expected in (
      ((band, "all"), FULL_PHASE),
      (("all", band), FULL_AMPLITUDE),
      ((band, band), ALIKE),
    ):
      found = within(spectrum.band_recombine(x, x, *bands))
      assert found == pytest.approx(expected[band], abs=6e-4), bands


def test_what_is_dropped_is_larger_than_what_is_kept(clean_images):
  for band in ("middle", "high"):
    whole = recombine_float64(clean_images, clean_images, "all", band, (8, 16), "hard", "angle")
    kept = spectrum.band_recombine(*[clean_images.astype(np.float32)] * 2, "all", band)
    assert 1.4 < whole.imag.std() / np.std(kept) < 1.6


def test_power_and_amplitude_on_cifar(clean_images):
  amplitude, _ = spectrum.amplitude_phase(clean_images.astype(np.float32), (-3, -2))
  amplitude = np.asarray(amplitude, np.float64)
  assert (amplitude < 1).mean() == pytest.approx(0.46, abs=5e-3)
  power = amplitude**2
  power[:, 0, 0] = 0
  shares = [
    (
      power[:, spectrum.band_masks(32, 32, (radius, 32))["low"]].sum((1, 2)) / power.sum((1, 2, 3))
    ).mean()
    for radius in (2, 4, 6, 8, 12, 16)
  ]
  assert shares == pytest.approx([0.39, 0.70, 0.83, 0.90, 0.97, 0.997], abs=5e-3)


class TestVariants(chex.TestCase):
  """The same numbers compiled, not compiled, and of arrays that lie on the device already."""

  @chex.variants(with_jit=True, without_jit=True, with_device=True)
  def test_band_recombine(self):
    x, y = np.random.default_rng(2).random((2, 2, 6, 5, 3), np.float32)
    found = self.variant(lambda x, y: spectrum.band_recombine(x, y, "low", "high", radii=(1, 2)))(
      x, y
    )
    expected = recombine_float64(
      x.astype(float), y.astype(float), "low", "high", (1, 2), "hard", "angle"
    )
    chex.assert_type(found, jnp.float32)
    chex.assert_trees_all_close(found, expected.real, atol=1e-5)


def test_gradients_are_stopped():
  x = jnp.zeros((4, 4, 3))
  recombined = jax.grad(lambda x: spectrum.band_recombine(x, x, "low").sum() + x.sum())(x)
  np.testing.assert_array_equal(recombined, 1)


@pytest.mark.parametrize("height, width, last", [(32, 32, 16), (8, 12, 4), (5, 7, 3), (1, 1, 1)])
def test_rings(height, width, last):
  found = spectrum.rings(height, width)
  expected = np.minimum(np.floor(distance(height, width) + 1e-9), last)
  np.testing.assert_array_equal(found, expected)
  assert (found == 0).sum() == 1


def test_the_corner_is_the_high_band():
  np.testing.assert_array_equal(spectrum.rings(32, 32) == 16, spectrum.band_masks(32, 32)["high"])


@pytest.mark.parametrize(
  "options, message",
  [
    ({"radii": (8, 8)}, "two growing numbers"),
    ({"radii": (0, 8)}, "two growing numbers"),
    ({"radii": (1, 2, 3)}, "two growing numbers"),
    ({"amplitude_band": "lo"}, "unknown band of the amplitude 'lo'; did you mean 'low'"),
    ({"phase_band": "mid"}, "unknown band of the phase"),
    ({"shape": "gauss"}, "unknown shape of a band"),
    ({"fill": "zero"}, "unknown fill"),
  ],
)
def test_wrong_options_are_refused(options, message):
  x = jnp.zeros((4, 4, 3))
  with pytest.raises(UserError, match=message):
    spectrum.band_recombine(x, x, **options)


def test_wrong_images_are_refused():
  x = jnp.zeros((4, 4, 3))
  with pytest.raises(UserError, match="must be float"):
    spectrum.band_recombine(x, x.astype(jnp.uint8))
  with pytest.raises(UserError, match="of one size"):
    spectrum.band_recombine(x, jnp.zeros((4, 5, 3)))
