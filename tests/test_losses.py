"""Losses against values worked out by hand and against float64 NumPy."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import special
from scipy.spatial import distance

from apr_jax import losses

LABELS = np.array([0, 2, 1, 2])
TARGETS = np.eye(3, dtype=np.float32)[LABELS]
LOGITS = np.random.default_rng(0).normal(0, 3, (2, 4, 3)).astype(np.float32)


def negative_log_softmax(logits, labels):
  """float64 `[B]`, straight from the definition."""
  exponentials = np.exp(np.asarray(logits, np.float64))
  return -np.log(exponentials[np.arange(len(labels)), labels] / exponentials.sum(1))


@pytest.mark.parametrize(
  "logits, labels, expected",
  [
    ([[0.0, 0.0]], [0], np.log(2)),
    ([[0.0, 0.0, 0.0, 0.0]] * 3, [0, 1, 3], np.log(4)),
    # softmax of (log 3, 0) is (3/4, 1/4): the mean over the two examples of -log 3/4 and -log 1/4.
    ([[np.log(3), 0.0], [np.log(3), 0.0]], [0, 1], (np.log(4 / 3) + np.log(4)) / 2),
  ],
)
def test_cross_entropy_by_hand(logits, labels, expected):
  targets = jax.nn.one_hot(jnp.array(labels), len(logits[0]))
  assert losses.cross_entropy(jnp.array(logits), targets) == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_is_the_mean_negative_log_softmax():
  loss = jax.jit(losses.cross_entropy)(LOGITS[0], TARGETS)
  assert loss.dtype == jnp.float32 and loss.shape == ()
  assert loss == pytest.approx(negative_log_softmax(LOGITS[0], LABELS).mean(), rel=1e-6)


class TestVariants(chex.TestCase):
  """The same numbers compiled and not."""

  @chex.variants(with_jit=True, without_jit=True)
  def test_every_loss_is_a_finite_float32_scalar(self):
    for loss in (losses.apr_loss, losses.augmix_loss):
      value = self.variant(loss)(LOGITS, TARGETS)
      chex.assert_shape(value, ())
      chex.assert_type(value, jnp.float32)
      chex.assert_tree_all_finite(value)


@pytest.mark.parametrize("targets", [TARGETS[:, :2], TARGETS[:3], TARGETS[0]])
def test_targets_of_another_shape_are_not_broadcast(targets):
  with pytest.raises(AssertionError):
    losses.cross_entropy(LOGITS[0], targets)


def test_apr_loss_is_the_sum_over_the_views():
  expected = sum(negative_log_softmax(view, LABELS).mean() for view in LOGITS)
  assert jax.jit(losses.apr_loss)(LOGITS, TARGETS) == pytest.approx(expected, rel=1e-6)
  # Two equal views cost twice as much as one: a mean would not.
  twice = losses.apr_loss(np.stack([LOGITS[0]] * 2), TARGETS)
  assert twice == pytest.approx(2 * negative_log_softmax(LOGITS[0], LABELS).mean(), rel=1e-6)
  assert losses.apr_loss(LOGITS[:1], TARGETS) == losses.cross_entropy(LOGITS[0], TARGETS)


def test_gradient_of_apr_loss_is_softmax_minus_one_hot_over_the_batch_size():
  exponentials = np.exp(LOGITS.astype(np.float64))
  expected = (exponentials / exponentials.sum(-1, keepdims=True) - np.eye(3)[LABELS]) / len(LABELS)
  np.testing.assert_allclose(jax.grad(losses.apr_loss)(LOGITS, TARGETS), expected, atol=1e-6)


def test_extreme_logits_have_a_finite_loss_and_gradient():
  logits = jnp.array([[[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]]])
  labels = jnp.array([1, 0])
  loss, gradient = jax.value_and_grad(losses.apr_loss)(logits, jax.nn.one_hot(labels, 3))
  # The second example is log 2 worse: its mass is shared by two wrong classes.
  assert loss == pytest.approx(2e4 + np.log(2) / 2, rel=1e-7)
  np.testing.assert_allclose(gradient[0], [[0.5, -0.5, 0], [-0.5, 0.25, 0.25]], atol=1e-6)


def test_bfloat16_logits_are_summed_in_float32():
  logits = jnp.asarray(LOGITS, jnp.bfloat16)
  loss = losses.apr_loss(logits, TARGETS)
  assert loss.dtype == jnp.float32
  expected = sum(
    negative_log_softmax(view, LABELS).mean() for view in np.asarray(logits, np.float64)
  )
  assert loss == pytest.approx(expected, rel=1e-6)


def test_one_hot_targets_cost_what_integer_labels_cost_bit_by_bit():
  theirs = optax.softmax_cross_entropy_with_integer_labels(LOGITS[0], LABELS).mean()
  assert losses.cross_entropy(LOGITS[0], TARGETS) == theirs


def test_mixed_targets_mix_the_losses_of_their_labels():
  others = LABELS[::-1]
  mixed = (0.3 * TARGETS + 0.7 * TARGETS[::-1]).astype(np.float32)
  expected = (
    0.3 * negative_log_softmax(LOGITS[0], LABELS) + 0.7 * negative_log_softmax(LOGITS[0], others)
  ).mean()
  assert losses.cross_entropy(LOGITS[0], mixed) == pytest.approx(expected, rel=1e-6)


def test_jensen_shannon_of_two_views_is_scipys_distance_squared():
  p = special.softmax(LOGITS.astype(np.float64), axis=-1)
  expected = np.mean([distance.jensenshannon(*pair) ** 2 for pair in zip(*p)])
  assert jax.jit(losses.jensen_shannon)(LOGITS) == pytest.approx(expected, rel=1e-5)


def test_augmix_loss_against_scipy():
  logits = np.concatenate([LOGITS, LOGITS[:1] * 0.3 + 1])
  p = special.softmax(logits.astype(np.float64), axis=-1)
  divergence = special.rel_entr(p, p.mean(0)).sum(-1).mean()
  expected = negative_log_softmax(logits[0], LABELS).mean() + 12 * divergence
  assert jax.jit(losses.augmix_loss)(logits, TARGETS) == pytest.approx(expected, rel=1e-5)
  # Views that agree cost the cross-entropy alone.
  alike = losses.augmix_loss(np.stack([LOGITS[0]] * 3), TARGETS)
  assert alike == pytest.approx(negative_log_softmax(LOGITS[0], LABELS).mean(), rel=1e-5)


def test_the_mixture_is_at_least_1e_7_under_the_logarithm():
  # Both put e^-20, which is 2e-9, on class 1. Unclipped the divergence would be zero; clipped, log
  # m is too large.
  logits = jnp.array([[[0.0, -20.0]], [[0.0, -20.0]]])
  p = np.exp(-20.0)
  assert losses.jensen_shannon(logits) == pytest.approx(p * (-20 - np.log(1e-7)), rel=0.02)
  loss, gradient = jax.value_and_grad(losses.augmix_loss)(1e4 * jnp.array(LOGITS), TARGETS)
  assert np.isfinite(loss) and np.isfinite(gradient).all()


def contrastive_loops(embeddings, labels, temperature):
  """Equation 2 of the paper as it is written, view by view in float64."""
  z = np.asarray(embeddings, np.float64).reshape(-1, embeddings.shape[-1])
  labels = np.tile(labels, len(embeddings))
  total = 0
  for i in range(len(z)):
    others = [a for a in range(len(z)) if a != i]
    denominator = sum(np.exp(z[i] @ z[a] / temperature) for a in others)
    positives = [p for p in others if labels[p] == labels[i]]
    costs = [-np.log(np.exp(z[i] @ z[p] / temperature) / denominator) for p in positives]
    total += np.mean(costs) if costs else 0
  return total / len(z)


def unit_vectors(*shape):
  vectors = np.random.default_rng(1).normal(size=shape)
  return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
  "views, labels",
  [
    # of one view, the 0 and the 1 have no positives
    (2, [0, 2, 1, 2, 2]),
    (3, [0, 1]),
    (1, [0, 2, 1, 2, 2]),
  ],
)
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_the_contrastive_loss_is_the_papers_double_loop(views, labels, temperature):
  embeddings, targets = unit_vectors(views, len(labels), 6), np.eye(3, dtype=np.float32)[labels]
  loss = jax.jit(losses.supervised_contrastive)(embeddings, targets, temperature)
  assert loss.dtype == jnp.float32 and loss.shape == ()
  assert loss == pytest.approx(
    contrastive_loops(embeddings, np.array(labels), temperature), rel=1e-5
  )


def test_the_contrastive_loss_by_hand():
  # Two views of two classes, each class at its own end of an axis: of the three others one is at
  # similarity 1.
  ends = np.array([[[1.0, 0], [-1, 0]], [[1, 0], [-1, 0]]])
  targets = np.eye(2)
  share = np.e**2 / (np.e**2 + 2 * np.e**-2)
  assert losses.supervised_contrastive(ends, targets, 0.5) == pytest.approx(
    -np.log(share), rel=1e-5
  )
  # All in one place: every other view gets a third, whatever the labels.
  assert losses.supervised_contrastive(np.ones((2, 2, 1)), targets) == pytest.approx(
    np.log(3), rel=1e-6
  )
  # Nobody has a partner.
  assert losses.supervised_contrastive(unit_vectors(1, 3, 4), np.eye(3)) == 0


def test_the_contrastive_loss_and_its_gradient_are_finite_at_a_low_temperature():
  embeddings = np.array([[[1.0, 0], [-1, 0], [0, 1]]])
  targets = np.eye(2)[[0, 0, 1]]
  loss, gradient = jax.jit(jax.value_and_grad(losses.supervised_contrastive))(
    embeddings, targets, 1e-3
  )
  # The first two are positives at similarity -1, with a negative at 0.
  assert loss == pytest.approx(2 / 3 * 1000, rel=1e-5) and np.isfinite(gradient).all()


def test_over_devices_the_mean_loss_and_gradient_are_those_of_the_whole_batch():
  devices = 4
  embeddings, labels = unit_vectors(2, 8, 5), np.array([0, 1, 2, 1, 0, 0, 2, 1])
  targets = np.eye(3, dtype=np.float32)[labels]

  def cut(x, axis):
    return np.stack(np.split(x, devices, axis))

  def mean_loss(shares):
    def share_of(z, t):
      return losses.supervised_contrastive(z, t, 0.1, "devices")

    return jax.vmap(share_of, axis_name="devices")(shares, cut(targets, 0)).mean()

  loss, gradient = jax.jit(jax.value_and_grad(mean_loss))(cut(embeddings, 1))
  expected, whole = jax.jit(jax.value_and_grad(losses.supervised_contrastive))(
    embeddings, targets, 0.1
  )
  assert loss == pytest.approx(float(expected), rel=1e-5)
  np.testing.assert_allclose(gradient, cut(np.asarray(whole), 1), atol=1e-6)


def test_supclr_loss_adds_the_probes_cross_entropy_over_the_views():
  projection = unit_vectors(2, 4, 5)
  loss = jax.jit(losses.supclr_loss)(LOGITS, projection, TARGETS, 0.2)
  probe = np.mean([negative_log_softmax(view, LABELS).mean() for view in LOGITS])
  assert loss == pytest.approx(probe + contrastive_loops(projection, LABELS, 0.2), rel=1e-5)
