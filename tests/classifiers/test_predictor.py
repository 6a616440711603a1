"""Logits of any number of images: padded batches on several devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.classifiers.predictor import Predictor, check_images
from apr_jax.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (11, 4, 4, 3), dtype=np.uint8)
WEIGHT = np.random.default_rng(1).normal(size=(48, 5)).astype(np.float32)


def apply(variables, images):
  return images.reshape(len(images), -1) @ variables["weight"]


@pytest.mark.parametrize(
  "devices, batch_size", [(1, 1), (1, 4), (1, 11), (1, 500), (2, 5), (3, 4), (4, 8), (4, 3)]
)
def test_logits_do_not_depend_on_batches_and_devices(devices, batch_size):
  expected = (IMAGES.astype(np.float64) / 255).reshape(11, -1) @ WEIGHT
  predictor = Predictor(apply, batch_size, jax.devices()[:devices])
  variables = predictor.place({"weight": WEIGHT})
  for n in (1, 7, 11):
    logits = predictor.logits(variables, IMAGES[:n])
    assert logits.dtype == np.float32 and logits.shape == (n, 5)
    np.testing.assert_allclose(logits, expected[:n], atol=1e-5)


def test_the_predictor_compiles_once():
  traces = []

  def counted(variables, images):
    traces.append(images.shape)
    return apply(variables, images)

  predictor = Predictor(counted, 6)
  variables = predictor.place({"weight": WEIGHT})
  for n in (1, 5, 8, 11):
    predictor.logits(variables, IMAGES[:n])
  assert traces == [(2, 4, 4, 3)]  # six images on four devices: two each


@pytest.mark.parametrize(
  "devices, asked, taken", [(1, 500, 48), (1, 48, 48), (1, 7, 7), (4, 500, 48), (4, 6, 8)]
)
def test_cpus_take_small_batches_only(devices, asked, taken):
  predictor = Predictor(apply, asked, jax.devices()[:devices])
  assert predictor.batch_size == taken
  images = np.resize(IMAGES, (2 * taken + 1, *IMAGES.shape[1:]))
  expected = (images.astype(np.float64) / 255).reshape(len(images), -1) @ WEIGHT
  np.testing.assert_allclose(
    predictor.logits(predictor.place({"weight": WEIGHT}), images), expected, atol=1e-5
  )


def test_logits_of_bfloat16_networks_are_float32():
  predictor = Predictor(lambda v, x: apply(v, x).astype(jnp.bfloat16), 8)
  assert predictor.logits(predictor.place({"weight": WEIGHT}), IMAGES).dtype == np.float32


@pytest.mark.parametrize(
  "images",
  [IMAGES / np.float32(255), IMAGES[0], IMAGES[..., :1], IMAGES[:0], IMAGES.astype(np.int32)],
)
def test_images_of_another_kind_are_refused(images):
  predictor = Predictor(apply, 4)
  with pytest.raises(UserError) as error:
    predictor.logits(predictor.place({"weight": WEIGHT}), images)
  assert "images must be uint8 [N, H, W, 3]" in str(error.value)
  assert f"got {images.dtype} {list(images.shape)}" in str(error.value)


def test_images_of_another_size_are_refused_where_one_is_asked_for():
  assert check_images(IMAGES, (4, 4)) is None
  with pytest.raises(UserError, match=r"must be 8×4 pixels.* got \[11, 4, 4, 3\]"):
    check_images(IMAGES, (8, 4))
