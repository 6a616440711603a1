"""Bands in place of images: what training sees is what NumPy makes, before crop and flip."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.augment.pipeline import make_augmentation
from apr_jax.defaults import get_config
from apr_jax.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
LABELS = np.arange(3, dtype=np.int32)


def recombined(images, amplitude_band, phase_band, radii, fill):
  """In float64: of each image what is left in a band, 1 in the place of what is not."""
  spectrum = np.fft.fft2(images / 255.0, axes=(1, 2))
  rows, columns = np.indices((16, 16))
  distance = np.hypot((rows + 8) % 16 - 8, (columns + 8) % 16 - 8)[..., None]
  inside = {
    "all": distance >= 0,
    "low": distance < radii[0],
    "middle": (distance >= radii[0]) & (distance < radii[1]),
    "high": distance >= radii[1],
  }
  amplitude = np.where(inside[amplitude_band], np.abs(spectrum), 1)
  phase = np.where(inside[phase_band], np.angle(spectrum), fill)
  return np.fft.ifft2(amplitude * np.exp(1j * phase), axes=(1, 2)).real


def configured(**values):
  chosen = get_config().augment
  chosen.crop_padding, chosen.flip = 0, False
  chosen.bands.update(radii=(3.0, 6.0), **values)
  return chosen


def augmented(chosen):
  augmentation = make_augmentation(chosen, 3)
  return augmentation(jax.random.key(0), IMAGES, LABELS, jnp.arange(3), jnp.int32(0))


@pytest.mark.parametrize(
  "amplitude, phase, fill",
  [("low", "high", "angle"), ("high", "all", "angle"), ("all", "middle", "phasor")],
)
def test_the_view_is_what_numpy_leaves_of_the_image(amplitude, phase, fill):
  views, targets = augmented(configured(amplitude=amplitude, phase=phase, fill=fill))
  expected = recombined(IMAGES, amplitude, phase, (3, 6), {"angle": 1, "phasor": 0}[fill])
  np.testing.assert_allclose(views[0], expected, atol=1e-4)
  np.testing.assert_array_equal(targets, np.eye(3))


def test_the_crop_comes_after_it_and_pads_with_its_level():
  chosen = configured(amplitude="low", phase="low")
  chosen.crop_padding, chosen.crop_fill = 2, 51
  views, _ = augmented(chosen)
  expected = recombined(IMAGES, "low", "low", (3, 6), 1)
  padded = np.pad(expected, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=0.2)
  for view, image in zip(np.asarray(views[0]), padded):
    windows = [image[y : y + 16, x : x + 16] for y in range(5) for x in range(5)]
    assert min(np.abs(view - window).max() for window in windows) < 1e-4


def test_what_needs_uint8_images_is_refused_beside_it():
  chosen = configured(amplitude="low")
  chosen.apr_s.prob = 1.0
  with pytest.raises(UserError, match=r"augment\.apr_s and augment\.bands exclude each other"):
    augmented(chosen)
