"""Snow, frost and fog against loops, formulas and the moments they are built to have."""

import jax
import numpy as np
import pytest
from scipy import ndimage

from apr_jax.corruptions import corrupt, parameters, pixel_random, weather

# Compiled whole, which takes less time than operation by operation.
TEXTURE = jax.jit(weather.frost_texture, static_argnums=(1, 2))
PLASMA = jax.jit(weather.plasma, static_argnums=(1, 2))
FOG = jax.jit(weather.fog, static_argnums=2)
FROST = jax.jit(weather.frost, static_argnums=2)
KEYS = pixel_random.image_keys(jax.random.key(2), np.arange(96))


def diamond_square(noise, size, decay):
  """Point by point on a torus; `noise` is used up in the order squares, tops, lefts of each
  octave.
  """
  plane, step, wibble = np.zeros((size, size)), size, 100.0
  noise = iter(noise)
  while step >= 2:
    half, corners = step // 2, range(0, size, step)

    def mean(row, column, offsets):
      return np.mean(
        [plane[(row + down) % size, (column + right) % size] for down, right in offsets]
      )

    diagonal = [(-half, -half), (-half, half), (half, -half), (half, half)]
    straight = [(-half, 0), (half, 0), (0, -half), (0, half)]
    for (down, right), offsets in (
      ((half, half), diagonal),
      ((0, half), straight),
      ((half, 0), straight),
    ):
      for row in corners:
        for column in corners:
          at = row + down, column + right
          plane[at] = mean(*at, offsets) + wibble * wibble * next(noise)
    step, wibble = half, wibble / decay
  plane -= plane.min()
  return plane / plane.max()


@pytest.mark.parametrize("size, decay", [(32, 1.75), (8, 3)])
def test_plasma_is_diamond_square(size, decay):
  noise = np.asarray(pixel_random.uniform(KEYS[:3], (size * size - 1,), -1.0, 1.0), np.float64)
  found = np.asarray(PLASMA(KEYS[:3], size, decay))
  for i in range(3):
    np.testing.assert_allclose(found[i], diamond_square(noise[i], size, decay), atol=1e-5)


@pytest.mark.parametrize("severity", (5,))
def test_fog_is_its_formula(severity, photographs):
  strength, decay = parameters.at("fog", severity, 32)
  images = photographs[:, :32, :24]
  found = np.asarray(FOG(KEYS[:16], images, weather.Fog(strength, decay)))
  plasma = np.asarray(PLASMA(KEYS[:16], 32, decay), np.float64)[:, :, :24, None]
  brightest = images.max((1, 2, 3), keepdims=True) / 255
  expected = (images / 255 + strength * plasma) * brightest / (brightest + strength) * 255
  assert np.abs(found - np.floor(np.clip(expected, 0, 255) + 1e-3)).max() <= 1


def test_frost_texture_has_the_moments_of_its_looks():
  keys = pixel_random.image_keys(jax.random.key(4), np.arange(1000))
  textures = np.asarray(TEXTURE(keys, 32, 32), np.float64)
  means = np.array([look.mean for look in weather.FROST_LOOKS], float)
  np.testing.assert_allclose(textures.mean((0, 1, 2)), means.mean(0), rtol=0.04)
  # Each crop belongs to one look, each look is drawn as often as it is listed, and keeps its
  # spread.
  nearest = np.abs(textures.mean((1, 2))[:, None] - means[None]).sum(-1).argmin(1)
  for i, look in enumerate(weather.FROST_LOOKS[1:], start=1):
    listed = weather.FROST_LOOKS.count(look) / len(weather.FROST_LOOKS)
    mine = np.isin(nearest, [j for j, other in enumerate(weather.FROST_LOOKS) if other == look])
    assert abs(mine.mean() - listed) < 0.06, i
    np.testing.assert_allclose(textures[mine].std((1, 2)).mean(0), look.deviation, rtol=0.08)


def test_frost_texture_has_a_power_law():
  textures = np.asarray(TEXTURE(KEYS, 64, 64), np.float64)
  grey = textures.mean(-1) - textures.mean((1, 2, 3))[:, None, None]
  power = (np.abs(np.fft.fft2(grey)) ** 2 / grey.var((1, 2), keepdims=True)).mean(0)
  radius = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)) * 64
  rings = np.arange(2, 30)
  of_ring = [power[radius.round() == ring].mean() for ring in rings]
  slope = np.polyfit(np.log(rings), np.log(of_ring), 1)[0]
  assert -1.4 < slope < -0.9


def test_frost_is_a_weighted_sum(photographs):
  images = photographs[:, :, :20]
  texture = np.asarray(TEXTURE(KEYS[:16], 32, 20), np.float64)
  found = np.asarray(FROST(KEYS[:16], images, weather.Frost(0.75, 0.45)))
  assert np.abs(found - np.floor(np.clip(0.75 * images + 0.45 * texture, 0, 255) + 1e-3)).max() <= 1


def test_snow_on_black_is_the_layer_and_its_rotation():
  black = np.zeros((96, 32, 32, 3), np.uint8)
  snowy = np.asarray(corrupt(jax.random.key(0), black, "snow", 2)).astype(int)
  np.testing.assert_array_equal(snowy, snowy[:, ::-1, ::-1])
  np.testing.assert_array_equal(snowy[..., 0], snowy[..., 2])
  # Without a flake a tenth of the way to half grey is left.
  assert (snowy.min((1, 2, 3)) == int(0.1 * 127.5)).all()


@pytest.mark.parametrize("severity", (2, 4))
def test_snow_has_the_statistics_of_the_loop(severity, photographs):
  mean, scale, zoom, threshold, radius, sigma, share = parameters.at("snow", severity, 32)
  rng = np.random.default_rng(severity)
  images = np.concatenate([photographs] * 12)
  weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
  expected = []
  for image in images:
    crop = int(np.ceil(32 / zoom))
    first = (32 - crop) // 2
    layer = rng.normal(mean, scale, (32, 32))[first : first + crop, first : first + crop]
    layer = ndimage.zoom(layer, zoom, order=1)
    trim = (len(layer) - 32) // 2
    layer = layer[trim : trim + 32, trim : trim + 32]
    layer = np.floor(np.clip(np.where(layer < threshold, 0, layer), 0, 1) * 255)
    angle = np.deg2rad(rng.uniform(-135, -45))
    fallen = 0
    for step, weight in enumerate(weights / weights.sum()):
      rows = np.clip(np.arange(32) + int(np.ceil(step * np.sin(angle) - 0.5)), 0, 31)
      columns = np.clip(np.arange(32) + int(np.ceil(step * np.cos(angle) - 0.5)), 0, 31)
      fallen = fallen + weight * layer[rows][:, columns]
    fallen = np.floor(fallen)[..., None]
    grey = (image @ [0.299, 0.587, 0.114])[..., None]
    paler = share * image + (1 - share) * np.maximum(image, 1.5 * grey + 127.5)
    expected.append(np.floor(np.clip(paler + fallen + np.rot90(fallen, 2), 0, 255)))
  found = np.asarray(corrupt(jax.random.key(1), images, "snow", severity)).astype(float)
  changes = [corrupted - images for corrupted in (found, np.stack(expected))]
  np.testing.assert_allclose(changes[0].mean(), changes[1].mean(), rtol=0.05)
  np.testing.assert_allclose(
    changes[0].std((1, 2, 3)).mean(), changes[1].std((1, 2, 3)).mean(), rtol=0.08
  )
