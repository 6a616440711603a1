"""PRIME's transforms against float64 NumPy and SciPy, at zero strength, and their mixture."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from apr_jax import augment, losses
from apr_jax.augment import prime_transforms as transforms
from apr_jax.augment.pipeline import make_augmentation
from apr_jax.augment.prime_transforms import Ranges
from apr_jax.defaults import get_config
from apr_jax.keys import stream

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.uniform(size=(12, 16, 3)).astype(np.float32)
FORMS = ("index", "product")


@pytest.mark.parametrize("form", FORMS)
def test_at_zero_strength_every_transform_is_the_identity(form):
  field = RANDOM.normal(size=(2, 10, 14)).astype(np.float32)
  np.testing.assert_allclose(transforms.diffeomorphism(IMAGE, field, 0.0, form), IMAGE, atol=1e-6)
  np.testing.assert_array_equal(transforms.colours(IMAGE, np.zeros((3, 5)), form), IMAGE)
  np.testing.assert_array_equal(transforms.filtered(IMAGE, np.zeros((3, 3))), IMAGE)
  still = Ranges(colour_strength=0.0, sigma=0.0)
  np.testing.assert_array_equal(transforms.random_filter(jax.random.key(0), IMAGE, still), IMAGE)
  np.testing.assert_array_equal(
    transforms.random_colours(jax.random.key(0), IMAGE, still, form), IMAGE
  )


def test_the_released_filter_moves_the_image_by_a_pixel():
  moved = np.asarray(transforms.filtered(IMAGE, np.zeros((3, 3)), corner=True))
  np.testing.assert_array_equal(moved[:-1, :-1], IMAGE[1:, 1:])
  assert (moved[-1] == 0).all() and (moved[:, -1] == 0).all()


@pytest.mark.parametrize("corner", [False, True])
def test_the_filter_is_scipys_correlation(corner):
  weights = 0.2 * RANDOM.normal(size=(3, 3))
  kernel = weights.copy()
  kernel[(2, 2) if corner else (1, 1)] += 1
  expected = np.stack(
    [ndimage.correlate(IMAGE[..., c].astype(float), kernel, mode="constant") for c in range(3)], -1
  )
  found = transforms.filtered(IMAGE, weights, corner=corner)
  np.testing.assert_allclose(found, expected.clip(0, 1), atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_colours_bend_along_the_sum_of_sines(form):
  coefficients = 0.05 * RANDOM.normal(size=(3, 20))
  places = np.arange(1, 21) * np.pi * IMAGE[..., None].astype(float)
  expected = (IMAGE + (coefficients * np.sin(places)).sum(-1)).clip(0, 1)
  found = transforms.colours(IMAGE, coefficients.astype(np.float32), form)
  tolerance = 1e-5 if form == "product" else 0.005 * np.abs(coefficients).sum(1).max()
  np.testing.assert_allclose(found, expected, atol=tolerance)
  ends = transforms.colours(np.float32([[[0, 1, 0]]]), coefficients.astype(np.float32), form)
  np.testing.assert_allclose(ends, [[[0, 1, 0]]], atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_a_diffeomorphism_reads_scipys_places(form):
  coefficients = RANDOM.normal(size=(2, 3, 4))
  y, x = np.linspace(0, 1, 12)[:, None], np.linspace(0, 1, 16)
  field = [
    sum(
      c[i, j] * np.sin(np.pi * (i + 1) * y) * np.sin(np.pi * (j + 1) * x)
      for i in range(3)
      for j in range(4)
    )
    for c in coefficients
  ]
  columns = (np.arange(16) + 0.1 * 16 * field[0]).clip(0, 15)
  rows = (np.arange(12)[:, None] + 0.1 * 12 * field[1]).clip(0, 11)
  expected = np.stack(
    [
      ndimage.map_coordinates(IMAGE[..., c].astype(float), [rows, columns], order=1)
      for c in range(3)
    ],
    -1,
  )
  assert np.abs(columns - np.arange(16)).max() > 1
  found = transforms.diffeomorphism(IMAGE, coefficients.astype(np.float32), 0.01, form)
  np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cut", [2, 7, 40])
def test_the_folded_field_has_the_covariance_of_the_published_sum(cut, form):
  """Of all frequencies up to 40 on 12 × 16 pixels, where most of them look like lower ones."""
  height, width, largest = 12, 16, 40
  i = np.arange(1, largest + 1)
  r = np.hypot(i[:, None], i)
  variances = np.where(r < cut + 0.5, 1 / r**2, 0)
  down, across = (np.sin(np.pi * np.outer(i, np.linspace(0, 1, n))) for n in (height, width))
  expected = np.einsum("ij,ia,ib,jc,jd->abcd", variances, down, down, across, across)
  folded = np.asarray(transforms.field_deviations(cut, largest, height, width, form), float) ** 2
  down, across = down[: height - 2], across[: width - 2]
  found = np.einsum("ij,ia,ib,jc,jd->abcd", folded, down, down, across, across)
  np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


def test_drawn_displacements_are_of_pixels_and_leave_the_borders():
  ramp = np.broadcast_to(np.linspace(0, 1, 32, dtype=np.float32)[:, None], (32, 32, 3))
  draw = jax.jit(jax.vmap(lambda key: transforms.random_diffeomorphism(key, ramp, Ranges())))
  moved = 31 * (np.asarray(draw(jax.random.split(jax.random.key(0), 64)))[..., 0] - ramp[..., 0])
  np.testing.assert_allclose(moved[:, [0, -1]], 0, atol=1e-4)  # in pixels
  typical = np.sqrt(np.square(moved).mean((1, 2)))
  # The least temperature is 1/(π n² ln cut), and Σ 1/r² over a quarter of the plane about
  # (π/2)·ln cut, of which the sines leave a quarter: 1/8 of a square pixel along each axis.
  assert 0.2 < typical.min() < 8**-0.5 < np.quantile(typical, 0.75) < typical.max() < 6


def test_a_band_has_so_many_neighbouring_frequencies():
  values = np.linspace(0, 1, 402, dtype=np.float32)[1:-1].reshape(20, 20, 1) * 0.5 + 0.25
  ranges = Ranges(colours=60, colour_strength=1e-4, colour_band=4)
  bent = transforms.random_colours(jax.random.key(1), values, ranges, "product") - values
  waves = np.sin(np.pi * np.arange(1, 61) * values.reshape(-1, 1).astype(float))
  # the least squares of four neighbours explain all of it, for one start
  explained = []
  for start in range(57):
    band = waves[:, start : start + 4]
    fitted = band @ np.linalg.lstsq(band, np.asarray(bent).ravel(), rcond=None)[0]
    explained.append(np.square(fitted - np.asarray(bent).ravel()).max())
  assert min(explained) < 1e-9 < np.median(explained)


@functools.cache
def primed(width=3, depth=3, sigma=4.0):
  ranges = Ranges(sigma=sigma)
  return jax.jit(
    lambda key, images, positions: augment.prime(
      key, images, width, depth, ranges, positions=positions
    )
  )


IMAGES = RANDOM.uniform(size=(16, 16, 16, 3)).astype(np.float32)


def test_a_view_is_a_mixture_in_range_and_drawn_by_its_place():
  key = jax.random.key(0)
  views = np.asarray(primed()(key, IMAGES, jnp.arange(16)))
  assert views.min() >= 0 and views.max() <= 1 and views.dtype == np.float32
  changes = np.abs(views - IMAGES).mean((1, 2, 3))
  assert (changes > 1e-4).all() and len(np.unique(changes)) == 16
  part = primed()(key, IMAGES[5:7], jnp.arange(5, 7))
  np.testing.assert_allclose(part, views[5:7], atol=1e-5)


def test_the_modes_and_the_loss():
  def made(**changes):
    settings = get_config().augment
    settings.update_from_flattened_dict(
      {"crop_padding": 0, "flip": False, "prime.width": 1, "prime.depth": 1} | changes
    )
    return make_augmentation(settings, 5)

  images = np.rint(255 * IMAGES).astype(np.uint8)
  labels = np.arange(16, dtype=np.int32) % 5
  key = jax.random.key(2)
  arguments = key, images, labels, jnp.arange(16), jnp.int32(0)
  single, double = made(), made(**{"prime.jsd_weight": 12.0})
  views, _ = jax.jit(single)(*arguments)
  expected = primed(1, 1)(stream(key, "prime"), images / np.float32(255), jnp.arange(16))
  np.testing.assert_allclose(views, expected[None], atol=1e-5)
  views, targets = jax.jit(double)(*arguments)
  assert views.shape == (3, 16, 16, 16, 3)
  np.testing.assert_allclose(views[0], images / np.float32(255), atol=1e-6)
  assert np.abs(views[1] - views[2]).max() > 0.05
  logits = RANDOM.normal(size=(3, 16, 5)).astype(np.float32)
  found = double.loss(losses.Outputs(logits), targets)
  assert float(found) == pytest.approx(float(losses.augmix_loss(logits, targets, 12.0)), rel=1e-6)
  assert float(single.loss(losses.Outputs(logits[:1]), targets)) == pytest.approx(
    float(losses.cross_entropy(logits[0], targets)), rel=1e-6
  )
