"""Colour against colorsys, resizing against Pillow, the elastic transform against its own geometry
and SciPy.
"""

import colorsys

import jax
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from apr_jax.corruptions import corrupt, digital, parameters

KEY = jax.random.key(5)


def by_hsv(image, change):
  """Every pixel through colorsys; `change` maps (h, s, v) to (h, s, v)."""
  pixels = [
    colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel)))
    for pixel in image.reshape(-1, 3) / 255
  ]
  return np.floor(np.array(pixels).reshape(image.shape) * 255 + 1e-3)


@pytest.fixture(scope="module")
def colours(photographs):
  """Photographs with pure, grey and black pixels among them; uint8 [2, 32, 32, 3]."""
  images = photographs[[1, 10]].copy()
  images[0, 0, :8] = [
    [0, 0, 0],
    [255, 255, 255],
    [128, 128, 128],
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
    [1, 0, 0],
    [1, 1, 1],
  ]
  return images


@pytest.mark.parametrize("severity", (1, 5))
def test_brightness(severity, colours):
  (shift,) = parameters.at("brightness", severity, 32)
  found = np.asarray(corrupt(KEY, colours, "brightness", severity))
  for image, result in zip(colours, found):
    expected = by_hsv(image, lambda h, s, v: (h, s, min(v + shift, 1)))
    assert np.abs(result - expected).max() <= 1 and (result != expected).mean() < 0.01


@pytest.mark.parametrize("severity", (1, 3, 4, 5))
def test_saturate(severity, colours):
  factor, shift = parameters.at("saturate", severity, 32)
  found = np.asarray(corrupt(KEY, colours, "saturate", severity))
  for image, result in zip(colours, found):
    expected = by_hsv(image, lambda h, s, v: (h, min(s * factor + shift, 1), v))
    assert np.abs(result - expected).max() <= 1 and (result != expected).mean() < 0.02


@pytest.mark.parametrize("severity", (1, 5))
def test_contrast(severity, photographs):
  (factor,) = parameters.at("contrast", severity, 32)
  mean = photographs.mean((1, 2), keepdims=True)
  expected = np.floor((photographs - mean) * factor + mean + 1e-3)
  found = np.asarray(corrupt(KEY, photographs, "contrast", severity))
  assert np.abs(found - expected).max() <= 1 and (found != expected).mean() < 2e-3


@pytest.mark.parametrize("severity", (1, 2, 3, 4, 5))
def test_pixelate_is_pillows(severity, photographs):
  small = int(32 * parameters.at("pixelate", severity, 32).factor)
  found = np.asarray(corrupt(KEY, photographs, "pixelate", severity))
  for image, result in zip(photographs, found):
    reduced = Image.fromarray(image).resize((small, small), Image.Resampling.BOX)
    np.testing.assert_array_equal(result, reduced.resize((32, 32), Image.Resampling.BOX))


def test_pixelate_off_the_square(photograph):
  image = photograph[:60, :100]
  (factor,) = parameters.at("pixelate", 5, 60)
  reduced = Image.fromarray(image).resize(
    (int(100 * factor), int(60 * factor)), Image.Resampling.BOX
  )
  expected = np.asarray(reduced.resize((100, 60), Image.Resampling.BOX))
  np.testing.assert_array_equal(corrupt(KEY, image[None], "pixelate", 5)[0], expected)


@pytest.mark.parametrize("height, width", [(32, 32), (40, 24)])
def test_affine_places_solve_for_the_three_points(height, width):
  rng = np.random.default_rng(0)
  moves = rng.uniform(-2.5, 2.5, (4, 3, 2))
  rows, columns = digital.affine_places(moves.astype(np.float32), height, width)
  reach = min(height, width) // 3
  points = np.array([height // 2, width // 2]) + reach * np.array([[1, 1], [1, -1], [-1, -1]])
  y, x = np.mgrid[:height, :width]
  for i in range(4):
    # The map from the moved points back to the points, as six unknowns.
    matrix = np.linalg.solve(np.c_[points + moves[i], np.ones(3)], points)
    expected = np.stack([x, y, np.ones_like(x)], -1) @ matrix
    np.testing.assert_allclose(columns[i], expected[..., 0], atol=1e-4)
    np.testing.assert_allclose(rows[i], expected[..., 1], atol=1e-4)


def test_affine_places_without_a_move_are_the_pixels_themselves():
  rows, columns = digital.affine_places(np.zeros((1, 3, 2), np.float32), 10, 14)
  np.testing.assert_allclose(rows[0], np.mgrid[:10, :14][0], atol=1e-5)
  np.testing.assert_allclose(columns[0], np.mgrid[:10, :14][1], atol=1e-5)


def elastic_loop(rng, image, amplitude, sigma, reach):
  """The published steps for one image, in float64 with SciPy."""
  height, width, _ = image.shape
  points = np.array([height // 2, width // 2]) + min(height, width) // 3 * np.array(
    [[1, 1], [1, -1], [-1, -1]]
  )
  matrix = np.linalg.solve(np.c_[points + rng.uniform(-reach, reach, (3, 2)), np.ones(3)], points)
  y, x = np.mgrid[:height, :width]
  places = np.stack([x, y, np.ones_like(x)], -1) @ matrix
  at = (places[..., 1], places[..., 0])
  image = np.stack(
    [ndimage.map_coordinates(image[..., c], at, order=1, mode="mirror") for c in range(3)], -1
  )
  right, down = (
    amplitude * ndimage.gaussian_filter(rng.uniform(-1, 1, (height, width)), sigma, truncate=3)
    for _ in range(2)
  )
  at = (y + down, x + right)
  return np.stack(
    [ndimage.map_coordinates(image[..., c], at, order=1, mode="reflect") for c in range(3)], -1
  )


@pytest.mark.parametrize("severity", (2, 5))
def test_elastic_transform_has_the_statistics_of_the_loop(severity, photographs):
  images = np.concatenate([photographs] * 8)
  rng = np.random.default_rng(severity)
  row = parameters.at("elastic_transform", severity, 32)
  expected = np.stack([elastic_loop(rng, image.astype(float), *row) for image in images])
  found = np.asarray(corrupt(KEY, images, "elastic_transform", severity)) + 0.5
  changes = [np.abs(corrupted - images) for corrupted in (found, expected)]
  np.testing.assert_allclose(changes[0].mean(), changes[1].mean(), rtol=0.07)
  np.testing.assert_allclose(changes[0].std(), changes[1].std(), rtol=0.07)
