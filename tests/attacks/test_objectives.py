"""The losses of attacks against values computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.attacks import objectives

LOGITS = np.array([[5.0, 1.0, 3.0, 2.0, -1.0], [5.0, 1.0, 3.0, 2.0, -1.0]], np.float32)
LABELS = np.array([0, 3])
TARGETS = np.array([2, 1])


def test_margin_is_negative_where_misclassified():
  np.testing.assert_array_equal(objectives.margin(LOGITS, LABELS), [5 - 3, 2 - 5])
  np.testing.assert_array_equal(objectives.misclassified(LOGITS, LABELS), [False, True])


def test_of_equal_logits_the_first_counts():
  tie = np.array([[2.0, 2.0]], np.float32)
  assert not objectives.misclassified(tie, np.array([0]))[0]
  assert objectives.misclassified(tie, np.array([1]))[0]
  assert objectives.margin(tie, np.array([1]))[0] == 0


def test_cross_entropy():
  expected = -np.log(np.exp(LOGITS[0, LABELS]) / np.exp(LOGITS[0]).sum())
  np.testing.assert_allclose(objectives.cross_entropy(LOGITS, LABELS), expected, rtol=1e-6)


def test_dlr():
  # z(1) − z(3) = 5 − 2
  np.testing.assert_allclose(objectives.dlr(LOGITS, LABELS), [-2 / 3, 3 / 3], rtol=1e-6)


def test_targeted_dlr():
  # z(1) − (z(3) + z(4)) / 2 = 5 − 1.5
  expected = [(3 - 5) / 3.5, (1 - 2) / 3.5]
  np.testing.assert_allclose(objectives.targeted_dlr(LOGITS, LABELS, TARGETS), expected, rtol=1e-6)


def test_ratios_do_not_change_with_shift_and_scale():
  other = 1e4 * LOGITS + 3e3
  for loss in (
    objectives.dlr,
    lambda logits, labels: objectives.targeted_dlr(logits, labels, TARGETS),
  ):
    np.testing.assert_allclose(loss(other, LABELS), loss(LOGITS, LABELS), rtol=1e-5)


def test_ratios_have_a_gradient_where_cross_entropy_has_none():
  def gradient(loss):
    return jax.grad(lambda logits: loss(logits, LABELS[:1])[0])(1e4 * LOGITS[:1])

  assert not gradient(objectives.cross_entropy).any()
  assert gradient(objectives.dlr).any()


@pytest.mark.parametrize(
  "logits, dlr, targeted",
  [
    ([[3.0, 1.0]], 1 - 3, 1 - 3),
    ([[3.0, 1.0, 2.0]], (2 - 3) / (3 - 1), 1 - 3),
  ],
)
def test_few_classes(logits, dlr, targeted):
  logits, label, target = jnp.array(logits), np.array([0]), np.array([1])
  assert objectives.dlr(logits, label)[0] == pytest.approx(dlr)
  assert objectives.targeted_dlr(logits, label, target)[0] == pytest.approx(targeted)


def test_gradients_of_equal_logits_are_finite():
  for loss in (objectives.dlr, lambda z, y: objectives.targeted_dlr(z, y, np.array([1]))):
    gradient = jax.grad(lambda logits, loss=loss: loss(logits, np.array([0]))[0])(jnp.ones((1, 5)))
    assert np.isfinite(gradient).all()
