"""Hue, saturation and value against Python's colorsys."""

import colorsys

import jax
import numpy as np
import pytest

from apr_jax.augment import hsv


@pytest.fixture(scope="module")
def colors(photographs):
  """Colors of photographs, of the cube's corners and edges, and greys; float32 `[N, 3]` in [0,
  1].
  """
  levels = np.array([0, 85, 170, 255])
  cube = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3)
  return (np.concatenate([photographs[:, ::4, ::4].reshape(-1, 3), cube]) / 255).astype(np.float32)


def test_from_rgb_is_colorsyss(colors):
  expected = np.array([colorsys.rgb_to_hsv(*color.astype(float)) for color in colors])
  difference = np.abs(np.asarray(jax.jit(hsv.from_rgb)(colors)) - expected)
  difference[:, 0] = np.minimum(difference[:, 0], 1 - difference[:, 0])  # hue is a circle
  assert difference.max() < 1e-5


def test_to_rgb_is_colorsyss():
  random = np.random.default_rng(0)
  values = random.uniform(0, 1, (500, 3)).astype(np.float32)
  values[:13, 0], values[13:20, 1], values[20:25, 2] = np.arange(13) / 12, 0, 0
  expected = np.array([colorsys.hsv_to_rgb(*value.astype(float)) for value in values])
  np.testing.assert_allclose(jax.jit(hsv.to_rgb)(values), expected, atol=1e-5)


def test_there_and_back(colors):
  np.testing.assert_allclose(hsv.to_rgb(hsv.from_rgb(colors)), colors, atol=1e-6)
