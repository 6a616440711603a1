"""Small copies of images."""

import numpy as np
import pytest

from apr_jax.evaluation import thumbnails


def test_small_images_stay_and_survive_as_text():
  image = np.random.RandomState(0).randint(0, 256, (5, 96, 3)).astype(np.uint8)
  assert thumbnails.shrink(image) is image
  np.testing.assert_array_equal(thumbnails.from_text(thumbnails.to_text(image)), image)


@pytest.mark.parametrize("shape, small", [((224, 224), (96, 96)), ((192, 96), (96, 48))])
def test_large_images_are_averaged(shape, small):
  image = np.zeros((*shape, 3), np.uint8)
  image[: shape[0] // 2] = 200
  copy = thumbnails.shrink(image)
  assert copy.shape == (*small, 3) and copy.mean() == pytest.approx(100, abs=1)
  assert thumbnails.from_text(thumbnails.to_text(image)).shape == (*small, 3)
