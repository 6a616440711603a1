"""Out-of-distribution metrics against scikit-learn, against brute force, and by hand."""

import itertools

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from apr_jax import metrics
from apr_jax.errors import UserError

NAMES = {"auroc", "tnr95", "dtacc", "aupr_in", "aupr_out"}


def brute_force(inside, outside):
  """tnr95, dtacc and auroc in percent, straight from their definitions."""
  thresholds = [*np.unique(np.concatenate([inside, outside])), np.inf]
  accepted = [np.mean(inside >= threshold) for threshold in thresholds]
  rejected = [np.mean(outside < threshold) for threshold in thresholds]
  pairs = np.sign(np.subtract.outer(inside, outside))
  return {
    "tnr95": 100 * max(r for a, r in zip(accepted, rejected) if a >= 0.95),
    "dtacc": 100 * max((a + r) / 2 for a, r in zip(accepted, rejected)),
    "auroc": 100 * np.mean((pairs + 1) / 2),
  }


def scores(seed, n, m, levels=None, shift=1.0):
  random = np.random.default_rng(seed)
  inside, outside = random.normal(shift, 1, n), random.normal(0, 1, m)
  if levels is not None:  # rounded, so that many scores tie
    inside, outside = np.round(inside * levels), np.round(outside * levels)
  return inside, outside


CASES = {
  "smooth": scores(0, 60, 45),
  "ties": scores(1, 50, 70, levels=2),
  "mostly ties": scores(2, 40, 40, levels=0.4),
  "worse than chance": scores(3, 30, 30, shift=-1.0),
  "one each": (np.array([2.0]), np.array([1.0])),
  "exactly 95 % accepted": (np.arange(20.0), np.arange(-5.0, 15.0)),
  "float32": tuple(part.astype(np.float32) for part in scores(4, 33, 44)),
  "all equal": (np.full(5, 0.3), np.full(3, 0.3)),
  "one inside": (np.array([0.5]), np.array([0.1, 0.5, 0.9])),
  "one outside": (np.array([0.1, 0.5, 0.9]), np.array([0.5])),
  "one each, equal": (np.array([1.0]), np.array([1.0])),
}


@pytest.mark.parametrize("name", CASES)
def test_equal_to_scikit_learn(name):
  inside, outside = CASES[name]
  result = metrics.ood_metrics(inside, outside)
  assert result.keys() == NAMES
  both = np.concatenate([inside, outside])
  positive = np.arange(len(both)) < len(inside)
  assert result["auroc"] == pytest.approx(
    100 * sklearn_metrics.roc_auc_score(positive, both), abs=1e-9
  )
  assert result["aupr_in"] == pytest.approx(
    100 * sklearn_metrics.average_precision_score(positive, both), abs=1e-9
  )
  assert result["aupr_out"] == pytest.approx(
    100 * sklearn_metrics.average_precision_score(~positive, -both), abs=1e-9
  )


@pytest.mark.parametrize("name", CASES)
def test_equal_to_brute_force_over_thresholds(name):
  inside, outside = CASES[name]
  result = metrics.ood_metrics(inside, outside)
  for key, value in brute_force(inside, outside).items():
    assert result[key] == pytest.approx(value, abs=1e-9), key


def correctness(name):
  return np.random.default_rng(len(name)).random(len(CASES[name][0])) < 0.7


@pytest.mark.parametrize("name", CASES)
def test_oscr_is_a_mean_over_pairs(name):
  inside, outside = CASES[name]
  correct = correctness(name)
  total = 0.0
  for score, right in zip(inside, correct):
    for other in outside:
      total += right * (1.0 if score > other else 0.5 if score == other else 0.0)
  assert metrics.oscr(inside, correct, outside) == pytest.approx(
    100 * total / (len(inside) * len(outside)), abs=1e-9
  )


@pytest.mark.parametrize("name", CASES)
def test_oscr_is_the_area_under_the_curve_over_thresholds(name):
  inside, outside = CASES[name]
  correct = correctness(name)
  thresholds = [np.inf, *np.unique(np.concatenate([inside, outside]))[::-1]]
  rates = [
    (np.mean(outside >= threshold), np.mean(correct & (inside >= threshold)))
    for threshold in thresholds
  ]
  area = sum(
    (right - left) * (low + high) / 2 for (left, low), (right, high) in itertools.pairwise(rates)
  )
  assert metrics.oscr(inside, correct, outside) == pytest.approx(100 * area, abs=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_oscr_lies_below_auroc_and_accuracy_and_reaches_them(name):
  inside, outside = CASES[name]
  correct = correctness(name)
  auroc = metrics.ood_metrics(inside, outside)["auroc"]
  assert metrics.oscr(inside, correct, outside) <= min(auroc, 100 * correct.mean()) + 1e-9
  assert metrics.oscr(inside, np.ones(len(inside), bool), outside) == pytest.approx(auroc, abs=1e-9)
  assert metrics.oscr(inside, correct, outside - 100) == pytest.approx(100 * correct.mean())


def test_oscr_of_four_images_by_hand():
  # Accepting 3 and then 2: the images at 3 (right) and 2 (wrong) inside, the one at 2 outside, then
  # the one at 1.
  result = metrics.oscr(np.array([3.0, 2.0]), np.array([True, False]), np.array([2.0, 1.0]))
  # the correct classification rate is 1/2 from the first threshold on
  assert result == pytest.approx(50)
  swapped = metrics.oscr(np.array([3.0, 2.0]), np.array([False, True]), np.array([2.0, 1.0]))
  # it rises with the tie, then stays at 1/2
  assert swapped == pytest.approx(100 * (1 / 2 * 1 / 4 + 1 / 2 * 1 / 2))
  equal = metrics.oscr(np.ones(4), np.array([True, True, True, False]), np.ones(2))
  assert equal == pytest.approx(100 * 3 / 8)


@pytest.mark.parametrize("correct", [np.array([True]), np.array([1, 0]), np.array([[True, False]])])
def test_oscr_needs_one_bool_per_image(correct):
  with pytest.raises(UserError, match=r"in_correct must be bool \[2\]"):
    metrics.oscr(np.array([1.0, 2.0]), correct, np.array([0.0]))


@pytest.mark.parametrize("name", CASES)
def test_a_short_roc_is_scikit_learns(name):
  inside, outside = CASES[name]
  positive = np.arange(len(inside) + len(outside)) < len(inside)
  fpr, tpr, _ = sklearn_metrics.roc_curve(positive, np.concatenate([inside, outside]))
  curve = metrics.roc(inside, outside)
  np.testing.assert_array_equal(curve["fpr"], fpr)
  np.testing.assert_array_equal(curve["tpr"], tpr)


@pytest.mark.parametrize("points", [2, 3, 50, 200])
def test_a_long_roc_keeps_exact_points_and_nearly_its_area(points):
  inside, outside = scores(7, 3000, 2000)
  curve = metrics.roc(inside, outside, points)
  assert len(curve["fpr"]) == len(curve["tpr"]) <= points
  assert (curve["fpr"][0], curve["tpr"][0], curve["fpr"][-1], curve["tpr"][-1]) == (0, 0, 1, 1)
  thresholds = np.concatenate([inside, outside])
  rates = {
    (np.mean(outside >= threshold), np.mean(inside >= threshold)) for threshold in thresholds
  } | {(0, 0)}
  assert set(zip(curve["fpr"].tolist(), curve["tpr"].tolist())) <= rates
  area = np.trapezoid(curve["tpr"], curve["fpr"])
  if points >= 50:
    assert 100 * area == pytest.approx(metrics.ood_metrics(inside, outside)["auroc"], abs=0.2)


def test_a_small_case_with_ties_by_hand():
  result = metrics.ood_metrics(np.array([3.0, 2.0, 2.0]), np.array([2.0, 1.0]))
  # Of the six pairs four are in order and two tie; above 1 all inside and half of the outside are
  # accepted.
  assert result["auroc"] == pytest.approx(100 * 5 / 6)
  assert result["tnr95"] == pytest.approx(50)
  assert result["dtacc"] == pytest.approx(75)
  # From the top: precision 1 at recall 1/3, then 3/4 at recall 1.
  assert result["aupr_in"] == pytest.approx(100 * (1 / 3 + 2 / 3 * 3 / 4))
  # From the bottom: precision 1 at recall 1/2, then 1/2 at recall 1, where three inside tie with
  # one outside.
  assert result["aupr_out"] == pytest.approx(100 * (1 / 2 + 1 / 2 * 2 / 4))


@pytest.mark.parametrize(
  "inside, outside, auroc, tnr95, dtacc",
  [
    ([1.0] * 5, [1.0] * 4, 50, 0, 50),
    ([2.0, 3.0], [0.0, 1.0, 1.0], 100, 100, 100),
    ([0.0, 1.0], [2.0, 3.0, 3.0], 0, 0, 50),
  ],
)
def test_no_perfect_and_reversed_separation(inside, outside, auroc, tnr95, dtacc):
  result = metrics.ood_metrics(np.array(inside), np.array(outside))
  assert [result[name] for name in ("auroc", "tnr95", "dtacc")] == pytest.approx(
    [auroc, tnr95, dtacc]
  )


def test_scores_of_float32_are_not_rounded_together():
  # In float32 these two differ by one unit in the last place.
  low, high = np.float32(0.99999994), np.float32(1.0)
  assert metrics.ood_metrics(np.array([high]), np.array([low]))["auroc"] == 100


@pytest.mark.parametrize(
  "inside, outside, words",
  [
    ([1.0, np.nan], [0.0], "1 of 3"),
    ([1.0, 2.0], [np.inf, -np.inf], "2 of 4"),
    ([], [0.0], "N, M > 0"),
    ([1.0], [], "N, M > 0"),
    ([[1.0]], [0.0], "(1, 1)"),
  ],
)
def test_unusable_scores_are_refused(inside, outside, words):
  with pytest.raises(UserError) as error:
    metrics.ood_metrics(np.array(inside), np.array(outside))
  assert words in str(error.value)
