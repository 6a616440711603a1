"""Scores of out-of-distribution detection against scikit-learn, SciPy, JAX's gradients and slow
definitions.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats
from scipy.spatial import distance
from sklearn import covariance, decomposition, neighbors

from apr_jax import metrics
from apr_jax.errors import UserError

RANDOM = np.random.RandomState(0)
D, K = 6, 4
WEIGHTS, BIAS = RANDOM.normal(size=(D, K)), RANDOM.normal(size=K)
LABELS = RANDOM.randint(0, K, 120)
TRAIN = np.abs(RANDOM.normal(size=(120, D)) + 2 * np.eye(D)[LABELS])
TRAIN_LOGITS = TRAIN @ WEIGHTS + BIAS
FEATURES = np.abs(RANDOM.normal(size=(30, D)))
LOGITS = FEATURES @ WEIGHTS + BIAS


def test_scores_of_logits_against_scipy():
  np.testing.assert_allclose(metrics.max_softmax(LOGITS), special.softmax(LOGITS, 1).max(1))
  np.testing.assert_allclose(metrics.energy(LOGITS), special.logsumexp(LOGITS, 1))
  np.testing.assert_array_equal(metrics.max_logit(LOGITS), LOGITS.max(1))


def test_nearest_neighbour_against_scikit_learn():
  def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)

  for k in (1, 7, 120):
    found, _ = neighbors.NearestNeighbors(n_neighbors=k).fit(unit(TRAIN)).kneighbors(unit(FEATURES))
    np.testing.assert_allclose(
      metrics.nearest_neighbour(FEATURES, TRAIN, k), -found[:, -1], atol=1e-7
    )
  # A float32 feature of zeros has no direction; it stays where it is.
  zero = metrics.nearest_neighbour(np.zeros((1, D), np.float32), TRAIN, 1)
  assert zero == pytest.approx(-np.sqrt(2))
  for neighbours in (0, 121):
    with pytest.raises(UserError, match=rf"in 1..120, the training images, got {neighbours}"):
      metrics.nearest_neighbour(FEATURES, TRAIN, neighbours)


def test_mahalanobis_against_scikit_learn_and_scipy():
  fitted = metrics.Mahalanobis.fit(TRAIN, LABELS)
  means = np.stack([TRAIN[label == LABELS].mean(0) for label in range(K)])
  tied = covariance.EmpiricalCovariance(assume_centered=True).fit(TRAIN - means[LABELS])
  nearest = np.min(
    [[distance.mahalanobis(x, mean, tied.precision_) ** 2 for mean in means] for x in FEATURES],
    axis=1,
  )
  np.testing.assert_allclose(fitted.score(FEATURES), -nearest)
  of_all = covariance.EmpiricalCovariance().fit(TRAIN).mahalanobis(FEATURES)
  np.testing.assert_allclose(fitted.relative_score(FEATURES), of_all - nearest)


def test_mahalanobis_of_features_that_do_not_vary_in_all_directions():
  def widened(x):
    return np.concatenate([x, x[:, :1] + x[:, 1:2], np.zeros((len(x), 1))], 1)

  flat = metrics.Mahalanobis.fit(TRAIN, LABELS)
  wide = metrics.Mahalanobis.fit(widened(TRAIN), LABELS)
  np.testing.assert_allclose(wide.score(widened(FEATURES)), flat.score(FEATURES))
  np.testing.assert_allclose(
    wide.relative_score(widened(FEATURES)), flat.relative_score(FEATURES), atol=1e-9
  )


def test_a_class_without_training_images_has_no_mean():
  fitted = metrics.Mahalanobis.fit(TRAIN[LABELS != 1], LABELS[LABELS != 1])
  assert fitted.class_means.shape == (K - 1, D) and np.isfinite(fitted.score(FEATURES)).all()


def test_kl_matching_against_scipy():
  templates = metrics.class_templates(TRAIN_LOGITS)
  predicted = TRAIN_LOGITS.argmax(1)
  wanted = np.stack(
    [special.softmax(TRAIN_LOGITS, 1)[predicted == label].mean(0) for label in np.unique(predicted)]
  )
  np.testing.assert_allclose(templates, wanted)
  divergences = [
    [stats.entropy(p, template) for template in wanted] for p in special.softmax(LOGITS, 1)
  ]
  np.testing.assert_allclose(
    metrics.kl_matching(LOGITS, templates), -np.min(divergences, axis=1), atol=1e-12
  )


def test_kl_matching_of_logits_that_underflow_is_finite():
  sure = np.array([[2000.0, 0.0], [1500.0, 0.0]], np.float32)
  assert np.isfinite(metrics.kl_matching(-sure, metrics.class_templates(sure))).all()


def test_gradnorm_is_the_norm_of_the_gradient():
  def divergence(weights, features):
    log_p = jax.nn.log_softmax(features @ weights + jnp.asarray(BIAS, jnp.float32))
    return -(log_p + jnp.log(K)).mean()  # KL(u || p)

  gradients = jax.vmap(jax.grad(divergence), in_axes=(None, 0))(
    jnp.asarray(WEIGHTS, jnp.float32), jnp.asarray(FEATURES, jnp.float32)
  )
  wanted = np.abs(np.asarray(gradients)).sum((1, 2))
  np.testing.assert_allclose(metrics.gradnorm(FEATURES, LOGITS), wanted, rtol=1e-4)


def test_react_against_a_loop():
  wanted = [
    special.logsumexp(
      [sum(min(f, 1.2) * w for f, w in zip(row, column)) + b for column, b in zip(WEIGHTS.T, BIAS)]
    )
    for row in FEATURES
  ]
  np.testing.assert_allclose(metrics.react(FEATURES, (WEIGHTS, BIAS), 1.2), wanted)
  np.testing.assert_allclose(
    metrics.react(FEATURES, (WEIGHTS, BIAS), np.inf), metrics.energy(LOGITS)
  )
  with pytest.raises(UserError, match=r"W \[D, K\] and b \[K\] for features"):
    metrics.react(FEATURES, (WEIGHTS.T, BIAS), 1)


def test_vim_against_scikit_learn():
  fitted = metrics.Vim.fit(TRAIN, (WEIGHTS, BIAS), 2)
  origin = -np.linalg.lstsq(WEIGHTS.T, BIAS, rcond=None)[0]
  np.testing.assert_allclose(origin @ WEIGHTS + BIAS, 0, atol=1e-12)  # all logits are zero there
  # Of centred pairs ±x scikit-learn's mean is zero, so that its components are those around origin.
  both = np.concatenate([TRAIN - origin, origin - TRAIN])
  principal = decomposition.PCA(2).fit(both).components_

  def beside(x):
    centred = x - origin
    return np.linalg.norm(centred - centred @ principal.T @ principal, axis=1)

  alpha = TRAIN_LOGITS.max(1).mean() / beside(TRAIN).mean()
  assert fitted.alpha == pytest.approx(alpha)
  wanted = special.logsumexp(LOGITS, 1) - alpha * beside(FEATURES)
  np.testing.assert_allclose(fitted.score(FEATURES, LOGITS), wanted)
  # The virtual class's probability among all K + 1 falls where the score rises.
  virtual = special.softmax(np.column_stack([LOGITS, alpha * beside(FEATURES)]), 1)[:, -1]
  np.testing.assert_array_equal(np.argsort(wanted), np.argsort(-virtual))


def test_vims_dimensions_are_those_of_the_released_code():
  for width, wanted in ((2048, 1000), (768, 512), (512, 256), (64, 32)):
    train = RANDOM.normal(size=(20, width)).astype(np.float32)
    fitted = metrics.Vim.fit(train, (RANDOM.normal(size=(width, 3)), np.zeros(3)))
    assert fitted.residual.shape == (width, width - wanted)
  with pytest.raises(UserError, match=r"in 0..5, got 6"):
    metrics.Vim.fit(TRAIN, (WEIGHTS, BIAS), 6)
  with pytest.raises(UserError, match="outside of 2 directions"):
    metrics.Vim.fit(np.zeros((4, 3)), (np.eye(3), np.zeros(3)), 2)
