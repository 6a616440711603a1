"""The picture of the augmentation."""

import numpy as np
import pytest

from apr_jax.augment import samples
from configs import base

IMAGES = np.random.RandomState(0).randint(0, 256, (12, 16, 16, 3)).astype(np.uint8)
LABELS = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4], np.int32)


def config_of(**changes):
  config = base.get_config()
  config.update_from_flattened_dict(
    {"model.num_classes": 5, "augment.crop_padding": 0, "augment.flip": False, **changes}
  )
  return config


def test_without_augmentation_the_views_are_one_image_of_each_class():
  rows = samples.training_views(config_of(), IMAGES, LABELS)
  np.testing.assert_array_equal(rows, [IMAGES[[0, 2, 4, 6, 8]]] * 2)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
  "changes",
  [
    {"augment.apr_p.prob": 1e-6},
    {"augment.hybrid_p.prob": 1e-6},
    {"augment.cutmix.alpha": 1.0, "augment.cutmix.prob": 1e-6},
  ],
)
def test_coins_of_a_batch_are_on(changes, seed):
  config = config_of(seed=seed, **changes)
  before = config.to_dict()
  # Of eight images all are hardly ever their own partners.
  rows = samples.training_views(config, IMAGES, np.arange(12) % 8)
  assert (rows[0] != rows[-1]).any() and config.to_dict() == before
  assert samples.batch_coins(config.augment) == (next(iter(changes)).split(".")[1],)


def test_coins_of_an_image_are_as_they_fall():
  config = config_of(**{"augment.apr_p.prob": 1e-6, "augment.apr_p.per_image": True})
  first, _, last = samples.training_views(config, IMAGES, LABELS)
  np.testing.assert_array_equal(first, last)
  assert samples.batch_coins(config.augment) == ()


def test_one_image_per_class():
  np.testing.assert_array_equal(samples.one_per_class(np.array([3, 3, 0, 1, 0])), [2, 3, 0])
  assert len(samples.one_per_class(np.arange(100))) == samples.SAMPLES


def test_grid():
  rows = np.arange(2 * 3 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 3, 4, 5, 3)
  grid = samples.as_grid(rows)
  assert grid.shape == (8, 15, 3)
  for row in range(2):
    for column in range(3):
      np.testing.assert_array_equal(
        grid[4 * row : 4 * row + 4, 5 * column : 5 * column + 5], rows[row, column]
      )
