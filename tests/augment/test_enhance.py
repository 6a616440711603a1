"""Color, contrast, brightness and sharpness against Pillow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from apr_jax.augment import enhance

PAIRS = {
  "color": (enhance.color, ImageEnhance.Color),
  "contrast": (enhance.contrast, ImageEnhance.Contrast),
  "brightness": (enhance.brightness, ImageEnhance.Brightness),
  "sharpness": (enhance.sharpness, ImageEnhance.Sharpness),
}


@pytest.fixture(scope="module")
def images(photographs):
  random = np.random.default_rng(0)
  return np.concatenate(
    [
      photographs[::4],
      random.integers(0, 256, (2, 32, 32, 3), np.uint8),
      np.full((1, 32, 32, 3), 255, np.uint8),
    ]
  )


@pytest.mark.parametrize("name", PAIRS)
def test_equals_pillow_within_one_level(name, images):
  ours, theirs = PAIRS[name]
  function = jax.jit(jax.vmap(ours, in_axes=(0, None)))
  for factor in (0.0, 0.1, 0.64, 1.0, 1.36, 1.9):
    result = function(images, factor)
    assert result.dtype == jnp.uint8
    expected = np.stack(
      [np.asarray(theirs(Image.fromarray(image)).enhance(factor)) for image in images]
    )
    difference = np.abs(np.asarray(result, int) - expected)
    assert difference.max() <= 1 and (difference == 0).mean() > 0.999, factor
    if factor == 1:
      np.testing.assert_array_equal(result, images)


@pytest.mark.parametrize("name", ["contrast", "sharpness"])
def test_other_sizes(name, photograph):
  ours, theirs = PAIRS[name]
  image = photograph[:51, :33]
  expected = np.asarray(theirs(Image.fromarray(image)).enhance(1.5), int)
  assert np.abs(np.asarray(ours(image, 1.5), int) - expected).max() <= 1


def test_wrong_images_are_refused():
  with pytest.raises(ValueError, match="uint8"):
    enhance.color(np.zeros((8, 8, 3), np.float32), 0.5)
