"""The blurs against SciPy and against loops written from the generator's description."""

import jax
import numpy as np
import pytest
from scipy import ndimage

from apr_jax.corruptions import blur, corrupt, motion, parameters, pixel_random

KEY = jax.random.key(3)
DEFOCUS = parameters.TABLES["defocus_blur"]


def truncated(levels):
  return np.floor(np.clip(levels, 0, 255) + 1e-3)


@pytest.mark.parametrize("severity", (1, 3, 5))
def test_gaussian_blur(severity, photographs):
  (sigma,) = parameters.at("gaussian_blur", severity, 32)
  expected = ndimage.gaussian_filter(
    photographs.astype(float), (0, sigma, sigma, 0), mode="nearest", truncate=4
  )
  found = np.asarray(corrupt(KEY, photographs, "gaussian_blur", severity))
  assert np.abs(found - truncated(expected)).max() <= 1
  assert (found != truncated(expected)).mean() < 1e-3


def disk(radius, sigma):
  """The published kernel, with SciPy's filter in place of OpenCV's."""
  reach, width = (8, 1) if radius <= 8 else (int(radius), 2)
  y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
  kernel = (x**2 + y**2 <= radius**2).astype(float)
  return ndimage.gaussian_filter(kernel / kernel.sum(), sigma, mode="mirror", radius=width)


@pytest.mark.parametrize("row", [*DEFOCUS.small, *DEFOCUS.large])
def test_defocus_kernel(row):
  np.testing.assert_allclose(blur.defocus_kernel(*row), disk(*row), atol=1e-9)


@pytest.mark.parametrize("severity", (2, 5))
@pytest.mark.parametrize("size", (32, 224))
def test_defocus_blur(severity, size, photographs, photograph):
  images = photographs if size == 32 else photograph[None]
  kernel = disk(*parameters.at("defocus_blur", severity, size))
  expected = ndimage.correlate(images.astype(float), kernel[None, :, :, None], mode="mirror")
  found = np.asarray(corrupt(KEY, images, "defocus_blur", severity))
  assert np.abs(found - truncated(expected)).max() <= 1
  assert (found != truncated(expected)).mean() < 2e-3


@pytest.mark.parametrize("severity", (1, 4))
def test_zoom_blur(severity, photographs):
  stop, step = parameters.at("zoom_blur", severity, 32)
  for image in photographs[:3].astype(float):
    total, count = image.copy(), 1
    for factor in np.arange(1, stop, step):
      crop = int(np.ceil(32 / factor))
      first = (32 - crop) // 2
      zoomed = ndimage.zoom(
        image[first : first + crop, first : first + crop], (factor, factor, 1), order=1
      )
      trim = (len(zoomed) - 32) // 2
      total, count = total + zoomed[trim : trim + 32, trim : trim + 32], count + 1
    found = np.asarray(corrupt(KEY, image[None].astype(np.uint8), "zoom_blur", severity))[0]
    assert np.abs(found - truncated(total / count)).max() <= 1
    assert (found != truncated(total / count)).mean() < 5e-3


def test_the_published_zoom_ranges_are_as_long_as_in_the_generator():
  rows = [
    parameters.at("zoom_blur", severity, size) for size in (32, 224) for severity in (1, 2, 3, 4, 5)
  ]
  assert [len(np.arange(1, stop, step)) for stop, step in rows] == [
    7,
    12,
    16,
    21,
    26,
    12,
    16,
    11,
    13,
    11,
  ]


@pytest.mark.parametrize("degrees", (-135.0, -77.0, -45.0, 0.0, 30.0))
@pytest.mark.parametrize("radius, sigma", [(6, 1), (9, 2.5), (4, 30)])
def test_motion_blur_is_the_sum_of_shifted_images(degrees, radius, sigma, photographs):
  image = photographs[2].astype(float)
  steps = np.arange(2 * radius + 1)
  weights = np.exp(-(steps**2) / (2 * sigma**2))
  expected = 0
  for step, weight in zip(steps, weights / weights.sum()):
    down = int(np.ceil(step * np.sin(np.deg2rad(degrees)) - 0.5))
    right = int(np.ceil(step * np.cos(np.deg2rad(degrees)) - 0.5))
    rows, columns = np.clip(np.arange(32) + down, 0, 31), np.clip(np.arange(32) + right, 0, 31)
    expected = expected + weight * image[rows][:, columns]
  found = motion.motion_blur(photographs[2:3], np.array([degrees], np.float32), radius, sigma)
  # Left out steps weigh less than a thousandth of a level.
  np.testing.assert_allclose(found[0], expected, atol=2e-3)


def test_motion_blur_spreads_to_one_side():
  image = np.zeros((1, 32, 32, 3), np.uint8)
  image[:, 16, 16] = 255
  spread = np.asarray(corrupt(KEY, image, "motion_blur", 5))[0, ..., 0]
  _, columns = np.nonzero(spread)
  # A pixel shows what lies in the direction of the trail, so the point appears on the other side of
  # it.
  assert columns.max() == 16 and columns.min() < 12
  assert spread[16, 16] == spread.max()


def walked(down, right, reach):
  """The generator's walk, pixel by pixel."""
  height, width = down.shape
  shows = np.arange(height * width).reshape(height, width)
  for row in range(height - reach, reach, -1):
    for column in range(width - reach, reach, -1):
      shows[row, column] = shows[row + down[row, column], column + right[row, column]]
  return shows.reshape(-1)


@pytest.mark.parametrize("reach", (1, 2, 4))
def test_glass_walk_is_exactly_the_generators(reach):
  rng = np.random.default_rng(reach)
  down, right = rng.integers(-reach, reach, (2, 3, 22, 29)).astype(np.int32)
  found = np.asarray(blur.walk(down, right, reach))
  for i in range(3):
    np.testing.assert_array_equal(found[i], walked(down[i], right[i], reach))


@pytest.mark.parametrize("sigma, reach, scans", [(0.4, 1, 2), (1.5, 4, 2)])
def test_glass_blur_has_the_statistics_of_the_loop(sigma, reach, scans, photographs):
  rng = np.random.default_rng(0)
  images = np.concatenate([photographs] * 2)
  blurred = truncated(
    ndimage.gaussian_filter(images.astype(float), (0, sigma, sigma, 0), mode="nearest")
  )
  expected = []
  for image in blurred.reshape(len(images), -1, 3):
    for _ in range(scans):
      image = image[walked(*rng.integers(-reach, reach, (2, 32, 32)), reach)]
    expected.append(
      ndimage.gaussian_filter(image.reshape(32, 32, 3), (sigma, sigma, 0), mode="nearest")
    )
  keys = pixel_random.image_keys(KEY, np.arange(len(images)))
  row = blur.GlassBlur(sigma, reach, scans)
  found = np.asarray(jax.jit(blur.glass_blur, static_argnums=2)(keys, images, row)).astype(float)
  changes = [np.abs(corrupted - images) for corrupted in (found, truncated(np.stack(expected)))]
  np.testing.assert_allclose(changes[0].mean(), changes[1].mean(), rtol=0.04)
  np.testing.assert_allclose(changes[0].std(), changes[1].std(), rtol=0.04)
