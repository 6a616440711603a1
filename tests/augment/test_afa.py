"""AFA: waves against float64 NumPy, their strength, and the views and loss of its modes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import augment, losses
from apr_jax.augment import crop_flip
from apr_jax.augment.afa import DIRECTIONS, wave
from apr_jax.augment.pipeline import make_augmentation
from apr_jax.defaults import get_config
from apr_jax.keys import stream

RANDOM = np.random.default_rng(0)
GREY = np.full((64, 16, 16, 3), 0.5, np.float32)
IMAGES = RANDOM.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 1], np.int32)
KEY = jax.random.key(3)
waved = jax.jit(augment.afa)


@functools.cache
def faint():
  """Waves so faint that nothing is clipped."""
  return np.asarray(waved(KEY, GREY, 0.2)) - GREY


def numpy_wave(frequency, angle, side):
  """The release's, word by word of its description, in float64."""
  points = np.linspace(-side / 2, side / 2, side)
  x, y = np.meshgrid(points, points)
  drawn = np.sin(
    2 * np.pi * (frequency / side) * (x * np.cos(angle) + y * np.sin(angle)) - np.pi / 4
  )
  return drawn / np.linalg.norm(drawn) * side / 32


@pytest.mark.parametrize("side, frequency, angle", [(32, 1, 0.0), (32, 32, -1.3), (17, 5, -3.1)])
def test_a_wave_is_the_published_one(side, frequency, angle):
  found = jax.jit(wave, static_argnums=(2, 3))(frequency, angle, side, side)
  np.testing.assert_allclose(found, numpy_wave(frequency, angle, side), atol=2e-6)


@pytest.mark.parametrize("height, width", [(8, 8), (32, 32), (224, 224), (24, 40)])
def test_a_wave_of_strength_1_has_the_rms_of_a_32nd_at_any_size(height, width):
  found = np.asarray(wave(7, -0.7, height, width), np.float64)
  assert np.sqrt(np.square(found).mean()) == pytest.approx(1 / 32, rel=1e-5)


def test_strengths_are_exponential_and_each_channel_has_its_own():
  strengths = 32 * np.sqrt(np.square(faint().astype(np.float64)).mean((1, 2)))
  assert strengths.shape == (64, 3) and len(np.unique(strengths.round(6))) == 192
  # of 192 numbers of mean and deviation 0.2
  assert strengths.mean() == pytest.approx(0.2, abs=0.05)
  assert strengths.std() == pytest.approx(0.2, abs=0.08)
  shifted = np.asarray(waved(KEY, GREY, 0.2, 0.4)) - GREY
  np.testing.assert_allclose(
    32 * np.sqrt(np.square(shifted).mean((1, 2))), strengths + 0.4, atol=1e-4
  )


def test_what_is_added_is_one_of_the_waves_there_are():
  angles = np.linspace(0, -np.pi, DIRECTIONS)
  known = np.array([numpy_wave(f, angle, 16) for f in range(1, 17) for angle in angles])
  known = known.reshape(len(known), -1) * 2  # of norm 1
  for added in np.moveaxis(faint()[:8], -1, 1).reshape(-1, 256):
    assert (known @ added).max() == pytest.approx(np.linalg.norm(added), rel=1e-3)


def test_it_is_clipped_and_at_strength_0_the_image():
  images = IMAGES / np.float32(255)
  strong = np.asarray(waved(KEY, images, 50.0))
  assert strong.min() == 0 and strong.max() == 1
  np.testing.assert_array_equal(waved(KEY, images, 0.0), images)


def test_an_image_is_augmented_by_its_place():
  whole = waved(KEY, GREY)
  part = waved(KEY, GREY[:3], positions=jnp.arange(10, 13))
  np.testing.assert_allclose(part, whole[10:13], atol=1e-6)


def augmentation(**changes):
  settings = get_config().augment
  settings.update_from_flattened_dict({"afa.strength": 10.0} | changes)
  return make_augmentation(settings, 3)


@functools.cache
def views_of(**changes):
  made = jax.jit(augmentation(**changes))(KEY, IMAGES, LABELS, jnp.arange(4), jnp.int32(0))
  return jax.tree.map(np.asarray, made)


def cropped():
  settings = get_config().augment
  images = crop_flip.random_crop(
    stream(KEY, "crop"), IMAGES, settings.crop_padding, settings.crop_fill, positions=jnp.arange(4)
  )
  return crop_flip.random_flip(stream(KEY, "flip"), images, positions=jnp.arange(4)) / np.float32(
    255
  )


ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


@pytest.mark.parametrize(
  "other", [{}, {"apr_s.prob": 1.0}, {"cutout.size": 8}, {"mixup.alpha": 1.0}]
)
def test_the_view_beside_is_the_crop_without_the_other_methods(other):
  views, (targets, clean_targets) = views_of(**other)
  assert views.shape == (2, 4, 16, 16, 3)
  expected = waved(stream(KEY, "afa"), cropped(), 10.0)
  np.testing.assert_allclose(views[1], expected, atol=1e-5)
  np.testing.assert_array_equal(clean_targets, ONE_HOT)
  assert (np.abs(views[0] - cropped()).max() > 0.05) == bool(other)
  assert (targets == ONE_HOT).all() == ("mixup.alpha" not in other)


def test_plain_it_is_the_only_view():
  views, targets = views_of(**{"afa.mode": "plain"})
  np.testing.assert_allclose(views, waved(stream(KEY, "afa"), cropped(), 10.0)[None], atol=1e-5)
  np.testing.assert_array_equal(targets, ONE_HOT)
  assert augmentation(**{"afa.mode": "plain"}).auxiliary_views == 0


def test_jsd_sees_the_clean_image_the_augmented_one_and_the_waves():
  views, _ = views_of(**{"afa.mode": "jsd", "apr_s.prob": 1.0})
  np.testing.assert_allclose(views[0], cropped(), atol=1e-6)
  assert views.shape[0] == 3 and np.abs(views[1] - views[0]).max() > 0.05
  # where there are several views, their first one is taken as clean
  assert views_of(**{"afa.mode": "jsd", "apr_p.prob": 1.0})[0].shape[0] == 3


LOGITS = RANDOM.normal(size=(3, 4, 3)).astype(np.float32)


def test_the_losses():
  auxiliary = augmentation(**{"apr_p.prob": 0.6, "afa.weight": 0.25})
  assert auxiliary.auxiliary_views == 1
  mixed = np.float32([[0.5, 0.5, 0]] * 4)
  main = losses.apr_loss(LOGITS[:2], mixed)
  beside = losses.cross_entropy(LOGITS[2], ONE_HOT)
  found = auxiliary.loss(losses.Outputs(LOGITS), (mixed, ONE_HOT))
  assert float(found) == pytest.approx(0.75 * float(main) + 0.25 * float(beside), rel=1e-6)
  halves = augmentation().loss(losses.Outputs(LOGITS[:2]), (ONE_HOT, ONE_HOT))
  plain = [float(losses.cross_entropy(view, ONE_HOT)) for view in LOGITS[:2]]
  assert float(halves) == pytest.approx(sum(plain) / 2, rel=1e-6)
  jsd = augmentation(**{"afa.mode": "jsd", "afa.jsd_weight": 7.0})
  assert float(jsd.loss(losses.Outputs(LOGITS), (mixed, ONE_HOT))) == pytest.approx(
    plain[0] + 7 * float(losses.jensen_shannon(LOGITS)), rel=1e-6
  )
