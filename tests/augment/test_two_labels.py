"""APR-P with two labels: whose amplitude a view has, and its loss, against float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import losses
from apr_jax.augment.pipeline import make_augmentation
from apr_jax.augment.two_labels import TwoLabels
from apr_jax.defaults import get_config
from apr_jax.errors import UserError

CLASSES = 8
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
LABELS = np.arange(8, dtype=np.int32)  # each image has a class of its own


def augmentation(**values):
  chosen = get_config().augment
  chosen.crop_padding, chosen.flip = 0, False
  chosen.two_labels.update(prob=1.0, **values)
  return make_augmentation(chosen, CLASSES)


def test_the_second_label_is_that_of_the_image_that_gave_the_amplitude():
  views, targets = augmentation()(jax.random.key(1), IMAGES, LABELS, jnp.arange(8), jnp.int32(0))
  assert views.shape == (2, 8, 16, 16, 3) and targets.shape == (8, 2, CLASSES)
  np.testing.assert_allclose(views[0], IMAGES / 255, atol=1e-6)
  np.testing.assert_array_equal(targets[:, 0].argmax(-1), LABELS)
  of_amplitude = targets[:, 1].argmax(-1)
  assert sorted(of_amplitude) == list(LABELS) and (of_amplitude != LABELS).any()

  def amplitude(images):
    return np.abs(np.fft.fftn(images, axes=(1, 2, 3)))

  np.testing.assert_allclose(
    amplitude(np.asarray(views[1], np.float64)), amplitude(IMAGES / 255)[of_amplitude], atol=2e-3
  )


def test_where_the_coin_fails_both_labels_are_the_images_own():
  settings = get_config().augment
  settings.crop_padding, settings.flip, settings.two_labels.prob = 0, False, 0.01
  views, targets = make_augmentation(settings, CLASSES)(
    jax.random.key(0), IMAGES, LABELS, jnp.arange(8), jnp.int32(0)
  )
  np.testing.assert_array_equal(targets[:, 0], targets[:, 1])
  np.testing.assert_allclose(views[1], views[0], atol=1e-6)


def cross_entropy(logits, targets):
  logits = logits.astype(np.float64)
  return -(targets * (logits - np.log(np.exp(logits).sum(-1, keepdims=True)))).sum(-1).mean()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_equation_7_by_hand(share):
  rng = np.random.default_rng(2)
  phase, amplitude = rng.normal(size=(2, 2, 8, CLASSES)).astype(np.float32)
  y_phase = np.eye(CLASSES, dtype=np.float32)[LABELS]
  y_amplitude = y_phase[::-1]
  clean = share * cross_entropy(phase[0], y_phase) + (1 - share) * cross_entropy(
    amplitude[0], y_phase
  )
  mixed = share * cross_entropy(phase[1], y_phase) + (1 - share) * cross_entropy(
    amplitude[1], y_amplitude
  )
  outputs = losses.Outputs(jnp.asarray(phase), amplitude_logits=jnp.asarray(amplitude))
  targets = jnp.stack([y_phase, y_amplitude], axis=1)
  found = TwoLabels(0.6, share).loss(outputs, targets)
  assert float(found) == pytest.approx(clean + mixed, rel=1e-6)
  if share == 1:  # that is APR-P
    assert float(found) == pytest.approx(float(losses.apr_loss(outputs.logits, y_phase)), rel=1e-6)


def test_a_network_with_one_head_is_a_defect_and_rivals_are_refused():
  with pytest.raises(ValueError, match="two heads"):
    TwoLabels(0.6).loss(losses.Outputs(jnp.zeros((2, 8, CLASSES))), jnp.zeros((8, 2, CLASSES)))
  chosen = get_config().augment
  chosen.two_labels.prob = chosen.apr_p.prob = 0.6
  with pytest.raises(UserError, match=r"augment\.apr_p and augment\.two_labels exclude each other"):
    make_augmentation(chosen, CLASSES)
