"""Losses against values worked out by hand and against float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import losses

LABELS = np.array([0, 2, 1, 2])
LOGITS = np.random.default_rng(0).normal(0, 3, (2, 4, 3)).astype(np.float32)


def negative_log_softmax(logits, labels):
  """float64 `[B]`, straight from the definition."""
  exponentials = np.exp(np.asarray(logits, np.float64))
  return -np.log(exponentials[np.arange(len(labels)), labels] / exponentials.sum(1))


@pytest.mark.parametrize("logits, labels, expected", [
    ([[0., 0.]], [0], np.log(2)),
    ([[0., 0., 0., 0.]] * 3, [0, 1, 3], np.log(4)),
    # softmax of (log 3, 0) is (3/4, 1/4): the mean over the two examples of -log 3/4 and -log 1/4.
    ([[np.log(3), 0.], [np.log(3), 0.]], [0, 1], (np.log(4 / 3) + np.log(4)) / 2),
])
def test_cross_entropy_by_hand(logits, labels, expected):
  assert losses.cross_entropy(jnp.array(logits), jnp.array(labels)) == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_is_the_mean_negative_log_softmax():
  loss = jax.jit(losses.cross_entropy)(LOGITS[0], LABELS)
  assert loss.dtype == jnp.float32 and loss.shape == ()
  assert loss == pytest.approx(negative_log_softmax(LOGITS[0], LABELS).mean(), rel=1e-6)


def test_apr_loss_is_the_sum_over_the_views():
  expected = sum(negative_log_softmax(view, LABELS).mean() for view in LOGITS)
  assert jax.jit(losses.apr_loss)(LOGITS, LABELS) == pytest.approx(expected, rel=1e-6)
  # Two equal views cost twice as much as one: a mean would not.
  twice = losses.apr_loss(np.stack([LOGITS[0]] * 2), LABELS)
  assert twice == pytest.approx(2 * negative_log_softmax(LOGITS[0], LABELS).mean(), rel=1e-6)
  assert losses.apr_loss(LOGITS[:1], LABELS) == losses.cross_entropy(LOGITS[0], LABELS)


def test_gradient_of_apr_loss_is_softmax_minus_one_hot_over_the_batch_size():
  exponentials = np.exp(LOGITS.astype(np.float64))
  expected = (exponentials / exponentials.sum(-1, keepdims=True) - np.eye(3)[LABELS]) / len(LABELS)
  np.testing.assert_allclose(jax.grad(losses.apr_loss)(LOGITS, LABELS), expected, atol=1e-6)


def test_extreme_logits_have_a_finite_loss_and_gradient():
  logits = jnp.array([[[1e4, -1e4, 0.], [-1e4, 1e4, 1e4]]])
  labels = jnp.array([1, 0])
  loss, gradient = jax.value_and_grad(losses.apr_loss)(logits, labels)
  # The second example is log 2 worse: its mass is shared by two wrong classes.
  assert loss == pytest.approx(2e4 + np.log(2) / 2, rel=1e-7)
  np.testing.assert_allclose(gradient[0], [[0.5, -0.5, 0], [-0.5, 0.25, 0.25]], atol=1e-6)


def test_bfloat16_logits_are_summed_in_float32():
  logits = jnp.asarray(LOGITS, jnp.bfloat16)
  loss = losses.apr_loss(logits, LABELS)
  assert loss.dtype == jnp.float32
  expected = sum(negative_log_softmax(view, LABELS).mean() for view in np.asarray(logits, np.float64))
  assert loss == pytest.approx(expected, rel=1e-6)
