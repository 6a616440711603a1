"""The steps of spatter against SciPy and against loops over pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from apr_jax.corruptions import parameters, pixel_random, spatter

SPATTER = jax.jit(spatter.spatter, static_argnums=2)
KEYS = pixel_random.image_keys(jax.random.key(6), np.arange(16))


@pytest.fixture(scope="module")
def layers():
  """Drops of water as spatter makes them; float [8, 24, 30], integers in 0..255."""
  rng = np.random.default_rng(0)
  noise = ndimage.gaussian_filter(rng.normal(0.65, 0.3, (8, 24, 30)), (0, 1, 1), mode="nearest")
  return np.floor(255 * np.where(noise < 0.69, 0, noise).clip(0, 1))


def canny(layer):
  """Canny's steps pixel by pixel, weak edges kept where a strong one is connected."""
  right = ndimage.sobel(layer, axis=1, mode="nearest")
  below = ndimage.sobel(layer, axis=0, mode="nearest")
  strength = np.pad(np.abs(right) + np.abs(below), 1)
  ridge = np.zeros(layer.shape, bool)
  for row, column in np.ndindex(*layer.shape):
    x, y = right[row, column], below[row, column]
    here = strength[row + 1, column + 1]
    angle = np.degrees(np.arctan2(abs(y), abs(x)))
    if angle < 22.5:
      (a, b), strict = ((0, -1), (0, 1)), False
    elif angle > 67.5:
      (a, b), strict = ((-1, 0), (1, 0)), False
    else:
      (a, b), strict = (((-1, 1), (1, -1)) if x * y < 0 else ((-1, -1), (1, 1))), True
    before = strength[row + 1 + a[0], column + 1 + a[1]]
    after = strength[row + 1 + b[0], column + 1 + b[1]]
    ridge[row, column] = here > before and (here > after if strict else here >= after)
  strength = strength[1:-1, 1:-1]
  pieces, _ = ndimage.label(ridge & (strength > 50), structure=np.ones((3, 3)))
  kept = np.unique(pieces[ridge & (strength > 150)])
  return np.isin(pieces, kept[kept > 0])


def test_edges_are_cannys(layers):
  # Weak steps beside strong ones, so that hysteresis has something to decide.
  layers = np.concatenate([layers, np.floor(layers * np.linspace(0.05, 0.6, 30))])
  found = np.asarray(jax.jit(spatter.edges)(layers.astype(np.float32)))
  assert found.any((1, 2)).all()
  for layer, edges in zip(layers, found):
    np.testing.assert_array_equal(edges, canny(layer))


def test_edge_distance_is_euclidean(layers):
  edges = np.stack([canny(layer) for layer in layers[:3]])
  edges[0] = False
  edges[1] = False
  edges[1, 2, 3] = True
  found = np.asarray(jax.jit(spatter.edge_distance)(jnp.asarray(edges)))
  assert (found[0] == 20).all()
  for i in (1, 2):
    expected = np.minimum(ndimage.distance_transform_edt(~edges[i]), 20)
    np.testing.assert_allclose(found[i], expected, rtol=1e-6)


def test_equalise_spreads_the_ranks():
  rng = np.random.default_rng(1)
  planes = np.minimum(rng.poisson(3, (3, 16, 20)) + 2, 20).astype(np.float32)
  planes[2] = 20
  found = np.asarray(jax.jit(spatter.equalise)(jnp.asarray(planes)))
  for plane, result in zip(planes[:2], found):
    least = (plane == plane.min()).sum()
    for level in np.unique(plane):
      rank = ((plane <= level).sum() - least) / (plane.size - least)
      assert abs(result[plane == level][0] - 255 * rank) <= 0.5 + 1e-3
    assert result.min() == 0 and result.max() == 255
  assert (found[2] == 20).all()


def test_shading_without_water_is_zero():
  layers = np.zeros((2, 16, 16), np.float32)
  layers[1, 4:9, 5:11] = 200
  shaded = np.asarray(jax.jit(spatter.shading)(layers))
  assert (shaded[0] == 0).all() and shaded[1].max() == 1 and (shaded[1][layers[1] == 0] == 0).all()


def test_water_adds_pale_turquoise(photographs):
  mean, scale, sigma, threshold, _, _ = row = parameters.at("spatter", 3, 32)
  noise = np.asarray(pixel_random.normal(KEYS, (32, 32, 1)), np.float64)[..., 0]
  liquid = ndimage.gaussian_filter(mean + scale * noise, (0, sigma, sigma), mode="nearest")
  dark = photographs // 2
  change = np.asarray(SPATTER(KEYS, dark, row)).astype(int) - dark
  assert (change[liquid < threshold - 1e-4] == 0).all()
  assert (change >= 0).all() and 100 < change[..., 1].max() <= 119
  np.testing.assert_allclose(change[..., 0].sum() / change[..., 1].sum(), 175 / 238, rtol=0.02)


@pytest.mark.parametrize("severity", (4, 5))
def test_mud_is_its_formula(severity, photographs):
  mean, scale, sigma, threshold, border, _ = row = parameters.at("spatter", severity, 32)
  noise = np.asarray(pixel_random.normal(KEYS, (32, 32, 1)), np.float64)[..., 0]
  liquid = ndimage.gaussian_filter(mean + scale * noise, (0, sigma, sigma), mode="nearest")
  cover = ndimage.gaussian_filter(
    (liquid >= threshold).astype(float), (0, border, border), mode="nearest"
  )
  cover = np.where(cover < 0.8, 0, cover)[..., None]
  expected = photographs * (1 - cover) + np.array([63, 42, 20]) * cover
  found = np.asarray(SPATTER(KEYS, photographs, row))
  assert cover.any()
  assert (np.abs(found - np.floor(expected + 1e-3)) > 1).mean() < 1e-3
