"""The hash generator: distribution, independence of neighbours, of images and of keys."""

import jax
import numpy as np
from scipy import stats

from apr_jax.corruptions import pixel_random

KEYS = pixel_random.image_keys(jax.random.key(0), np.arange(200))
SHAPE = (32, 32, 3)


def test_uniform_is_uniform():
  values = np.asarray(pixel_random.uniform(KEYS, SHAPE, -1, 1))
  assert values.dtype == np.float32 and values.min() >= -1 and values.max() < 1
  counts = np.histogram(values, 64, (-1, 1))[0]
  assert stats.chisquare(counts).pvalue > 1e-3
  # The same within one image, where only the position differs.
  assert (
    np.mean([stats.kstest(image.ravel(), "uniform", (-1, 2)).pvalue < 0.05 for image in values])
    < 0.12
  )


def test_normal_is_normal():
  values = np.asarray(pixel_random.normal(KEYS, SHAPE)).astype(float)
  assert np.isfinite(values).all()
  assert stats.kstest(values.ravel()[:100_000], "norm").pvalue > 1e-3
  np.testing.assert_allclose([values.mean(), values.std()], [0, 1], atol=5e-3)
  np.testing.assert_allclose(stats.kurtosis(values.ravel()), 0, atol=0.03)


def test_neighbours_images_and_keys_are_uncorrelated():
  values = np.asarray(pixel_random.uniform(KEYS, SHAPE)).astype(float) - 0.5
  pairs = {
    "down": (values[:, 1:], values[:, :-1]),
    "right": (values[:, :, 1:], values[:, :, :-1]),
    "channel": (values[..., 1:], values[..., :-1]),
    "image": (values[1:], values[:-1]),
  }
  for name, (a, b) in pairs.items():
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(a.size), name
  first, second = (
    np.asarray(pixel_random.uniform(keys, SHAPE)) for keys in pixel_random.split(KEYS, 2)
  )
  assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / np.sqrt(first.size)


def test_every_bit_is_fair():
  words = np.asarray(pixel_random.bits(KEYS, SHAPE))
  assert words.dtype == np.uint32
  shares = [((words >> bit) & 1).mean() for bit in range(32)]
  np.testing.assert_allclose(shares, 0.5, atol=5 * 0.5 / np.sqrt(words.size))
