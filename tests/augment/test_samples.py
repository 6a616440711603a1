"""The picture of the augmentation."""

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.augment.samples import sample_grid

IMAGES = np.random.RandomState(0).randint(0, 256, (3, 4, 5, 3)).astype(np.uint8)


def test_images_above_and_each_view_below():
  def augment(key, images, labels, positions, shard):
    del key, shard
    values = images.astype(jnp.float32) / 255
    assert labels.shape == positions.shape == (3,)
    return jnp.stack([1 - values, values + 0.25]), None

  grid = sample_grid(jax.random.key(0), augment, IMAGES, np.zeros(3, np.int32))
  assert grid.shape == (12, 15, 3) and grid.dtype == np.uint8
  for index, image in enumerate(IMAGES):
    column = grid[:, 5 * index:5 * index + 5]
    np.testing.assert_array_equal(column[:4], image)
    np.testing.assert_array_equal(column[4:8], 255 - image)
    np.testing.assert_array_equal(column[8:], np.minimum(np.rint(image + 63.75), 255))
