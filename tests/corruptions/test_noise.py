"""The noises against the distributions they are named after."""

import jax
import numpy as np
import pytest
from scipy import stats

from apr_jax.corruptions import noise, parameters, pixel_random

KEYS = pixel_random.image_keys(jax.random.key(1), np.arange(40))


def grey(level: int) -> np.ndarray:
  return np.full((40, 32, 32, 3), level, np.uint8)


@pytest.mark.parametrize("severity", (1, 5))
def test_gaussian_noise_has_the_published_deviation(severity):
  row = parameters.at("gaussian_noise", severity, 32)
  change = np.asarray(noise.gaussian_noise(KEYS, grey(128), row)).astype(float) + 0.5 - 128
  assert change.shape == grey(128).shape
  # Truncation adds the variance of U(0, 1).
  np.testing.assert_allclose(change.std(), np.hypot(255 * row.scale, np.sqrt(1 / 12)), rtol=0.01)
  np.testing.assert_allclose(change.mean(), 0, atol=5 * change.std() / np.sqrt(change.size))


@pytest.mark.parametrize("level", (40, 120))
def test_speckle_noise_grows_with_the_light(level):
  change = (
    np.asarray(noise.speckle_noise(KEYS, grey(level), noise.SpeckleNoise(0.2))).astype(float)
    + 0.5
    - level
  )
  assert change.shape == grey(level).shape
  np.testing.assert_allclose(change.std(), np.hypot(0.2 * level, np.sqrt(1 / 12)), rtol=0.01)


def test_impulse_noise_hits_the_published_share():
  amount = 0.07
  corrupted = np.asarray(noise.impulse_noise(KEYS, grey(100), noise.ImpulseNoise(amount)))
  assert set(np.unique(corrupted)) == {0, 100, 255} and corrupted.shape == grey(100).shape
  spread = 5 * np.sqrt(amount / 2 / corrupted.size)
  assert abs((corrupted == 255).mean() - amount / 2) < spread
  assert abs((corrupted == 0).mean() - amount / 2) < spread
  # Channels are hit on their own.
  assert ((corrupted != 100).any(-1).mean()) > 2.5 * amount


@pytest.mark.parametrize(
  "level, photons", [(0, 60), (1, 500), (20, 50), (128, 50), (255, 3), (200, 500)]
)
def test_shot_noise_is_poisson(level, photons):
  corrupted = np.asarray(noise.shot_noise(KEYS, grey(level), noise.ShotNoise(photons)))
  assert corrupted.shape == grey(level).shape
  rate = level / 255 * photons
  counts = np.arange(stats.poisson.ppf(1 - 1e-9, rate) + 2)
  shown = np.minimum(np.floor(counts * 255 / photons + 1e-9), 255)
  expected = np.zeros(256)
  np.add.at(expected, shown.astype(int), stats.poisson.pmf(counts, rate))
  expected *= corrupted.size
  found = np.bincount(corrupted.ravel(), minlength=256)
  assert found[expected < 1e-3].sum() == 0
  likely = expected > 20
  chi_square = ((found - expected)[likely] ** 2 / expected[likely]).sum()
  assert stats.chi2.sf(chi_square, likely.sum()) > 1e-4
