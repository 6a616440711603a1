"""Calibration errors, proper scores and the temperature: by hand, by loops, and against
scikit-learn.
"""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

import apr_jax
from apr_jax import metrics
from apr_jax.errors import UserError


def of_confidence(confidence, correct):
  """Probabilities [N, 10] whose largest, for class 0, is the confidence, and labels."""
  confidence = np.array(confidence, np.float64)
  rest = np.repeat((1 - confidence)[:, None] / 9, 9, axis=1)
  return np.concatenate([confidence[:, None], rest], axis=1), np.where(correct, 0, 1)


def random_logits(seed, n, k, scale=2.0, right=1.5):
  random = np.random.default_rng(seed)
  labels = random.integers(0, k, n)
  logits = scale * random.normal(size=(n, k))
  logits[np.arange(n), labels] += right
  return logits, labels


def looped(probs, labels, bins, place):
  """ECE and RMS straight from their definitions; `place` puts a confidence into a bin."""
  members = {b: [] for b in range(bins)}
  confidences = [max(row) for row in probs.tolist()]
  for row, label in zip(probs.tolist(), labels):
    confidence = max(row)
    members[place(confidence, confidences)].append((confidence, row.index(confidence) == label))
  absolute = squared = 0.0
  for inside in members.values():
    if inside:
      gap = np.mean([correct for _, correct in inside]) - np.mean(
        [confidence for confidence, _ in inside]
      )
      absolute += len(inside) / len(labels) * abs(gap)
      squared += len(inside) / len(labels) * gap**2
  return {"ece": absolute, "rms": squared**0.5}


def equal_width(bins):
  """The first bin whose upper edge is not below the confidence."""
  return lambda confidence, _: next(b for b in range(bins) if confidence <= (b + 1) / bins)


def equal_mass(bins):
  return lambda confidence, all_of_them: (
    bins * sum(other < confidence for other in all_of_them) // len(all_of_them)
  )


def test_by_hand():
  # Bins of 0.2: three images in (0.4, 0.6] with mean confidence 0.5, one right; one in (0.8, 1]
  # with 0.9, right.
  probs, labels = of_confidence([0.45, 0.5, 0.55, 0.9], [True, False, False, True])
  result = apr_jax.metrics.calibration(probs, labels, bins=5)
  gaps = np.array([1 / 3 - 0.5, 1 - 0.9])
  assert result == pytest.approx(
    {
      "ece": 0.75 * abs(gaps[0]) + 0.25 * gaps[1],
      "rms": (0.75 * gaps[0] ** 2 + 0.25 * gaps[1] ** 2) ** 0.5,
    },
    abs=1e-12,
  )
  with np.errstate(all="raise"):  # nothing is divided by the count of an empty bin
    diagram = metrics.reliability(probs, labels, 5)
  assert diagram["count"].tolist() == [0, 0, 3, 0, 1]
  np.testing.assert_allclose(diagram["confidence"], [np.nan, np.nan, 0.5, np.nan, 0.9])
  np.testing.assert_allclose(diagram["accuracy"], [np.nan, np.nan, 1 / 3, np.nan, 1])


@pytest.mark.parametrize("bins", [1, 2, 10, 15])
@pytest.mark.parametrize("rounded", [False, True])
def test_equal_to_a_loop_over_images(bins, rounded):
  logits, labels = random_logits(bins, 90, 4)
  # rounded, so that confidences tie
  probs = metrics.softmax(np.round(logits) if rounded else logits)
  assert metrics.calibration(probs, labels, bins) == pytest.approx(
    looped(probs, labels, bins, equal_width(bins)), abs=1e-12
  )
  assert metrics.calibration(probs, labels, bins, equal_mass=True) == pytest.approx(
    looped(probs, labels, bins, equal_mass(bins)), abs=1e-12
  )


@pytest.mark.parametrize("mass, strategy", [(False, "uniform"), (True, "quantile")])
def test_reliability_is_scikit_learns_curve(mass, strategy):
  logits, labels = random_logits(3, 120, 5)
  probs = metrics.softmax(logits)
  accuracy, confidence = calibration_curve(
    probs.argmax(1) == labels, probs.max(1), n_bins=15, strategy=strategy
  )
  diagram = metrics.reliability(probs, labels, 15, equal_mass=mass)
  there = diagram["count"] > 0
  np.testing.assert_allclose(diagram["accuracy"][there], accuracy, atol=1e-12)
  np.testing.assert_allclose(diagram["confidence"][there], confidence, atol=1e-12)
  assert diagram["count"].sum() == 120 and (not mass or set(diagram["count"]) == {8})


def test_a_confidence_at_an_edge_belongs_to_the_bin_below():
  confidences = [0.2, np.nextafter(0.2, 1), 0.6, 1.0]
  for bins in (5, 15):
    probs, labels = of_confidence(confidences, [True] * 4)
    count = metrics.reliability(probs, labels, bins)["count"]
    expected = np.zeros(bins, int)
    for place in (bins // 5 - 1, bins // 5, 3 * bins // 5 - 1, bins - 1):
      expected[place] += 1
    assert count.tolist() == expected.tolist()


def test_equal_confidences_stay_in_one_bin_of_equal_mass_whatever_their_order():
  confidences = [0.3, 0.5, 0.5, 0.5, 0.9, 0.95]
  probs, labels = of_confidence(confidences, [False, True, False, True, True, True])
  # Fewer are less confident than: 0, 1, 1, 1, 4, 5 of six; thirds begin at 0, 2 and 4.
  diagram = metrics.reliability(probs, labels, 3, equal_mass=True)
  assert diagram["count"].tolist() == [4, 0, 2]
  assert diagram["confidence"][0] == pytest.approx(0.45) and diagram["accuracy"][0] == 0.5
  order = np.random.default_rng(0).permutation(6)
  again = metrics.reliability(probs[order], labels[order], 3, equal_mass=True)
  for key in diagram:
    np.testing.assert_allclose(again[key], diagram[key])


@pytest.mark.parametrize("mass", [False, True])
@pytest.mark.parametrize(
  "confidences, correct, gap",
  [
    ([0.7] * 5, [True, True, True, False, False], -0.1),  # all equal
    ([1.0] * 4, [True, True, True, False], -0.25),
    ([1.0], [True], 0),
    ([0.4], [False], -0.4),
  ],
)
def test_one_bin_has_one_gap(confidences, correct, gap, mass):
  result = metrics.calibration(*of_confidence(confidences, correct), equal_mass=mass)
  assert result == pytest.approx({"ece": abs(gap), "rms": abs(gap)}, abs=1e-12)


def test_one_class_is_calibrated_and_has_no_loss():
  probs, labels = np.ones((3, 1)), np.zeros(3, int)
  assert metrics.calibration(probs, labels) == {"ece": 0, "rms": 0}
  assert metrics.brier(probs, labels) == metrics.nll(5 * probs, labels) == 0
  assert metrics.fit_temperature(5 * probs, labels) == 1


def test_float32_probabilities_are_accepted_as_they_are():
  logits, labels = random_logits(0, 200, 1000)
  probs = metrics.softmax(logits)
  for dtype, tolerance in ((np.float32, 1e-5), (np.float16, 2e-3)):
    assert metrics.calibration(probs.astype(dtype), labels) == pytest.approx(
      metrics.calibration(probs, labels), abs=tolerance
    )


@pytest.mark.parametrize("k", [2, 3, 10])
def test_proper_scores_are_scikit_learns(k):
  logits, labels = random_logits(k, 150, k)
  probs = metrics.softmax(logits)
  np.testing.assert_allclose(
    probs, np.exp(logits) / np.exp(logits).sum(1, keepdims=True), rtol=1e-12
  )
  assert metrics.nll(logits, labels) == pytest.approx(
    sklearn_metrics.log_loss(labels, probs), abs=1e-12
  )
  assert metrics.brier(probs, labels) == pytest.approx(
    np.mean(np.sum((probs - np.eye(k)[labels]) ** 2, 1)), abs=1e-12
  )
  if k == 2:  # scikit-learn's, in all its versions, is of the probability of one of two classes
    assert metrics.brier(probs, labels) == pytest.approx(
      2 * sklearn_metrics.brier_score_loss(labels, probs[:, 1]), abs=1e-12
    )


def test_proper_scores_by_hand_and_where_probabilities_underflow():
  probs, labels = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]]), np.array([1, 1])
  assert metrics.brier(probs, labels) == pytest.approx((0.25 + 0.5625 + 0.0625) / 2)
  assert metrics.nll(np.log([[0.5, 0.25, 0.25]]), labels[:1]) == pytest.approx(np.log(4))
  far = np.array([[0.0, 1000.0]], np.float32)
  assert metrics.softmax(far)[0, 0] == 0 and metrics.nll(far, np.array([0])) == 1000
  assert metrics.nll(far, np.array([0]), temperature=0.01) == pytest.approx(1e5)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0, 1.7, 30.0])
def test_a_temperature_is_found_again(temperature):
  """Labels in exact proportion to the probabilities: these probabilities then have the least loss
  of all.
  """
  shares = np.array([[8, 4, 3, 1], [1, 10, 2, 3], [4, 4, 2, 6]]) / 16
  logits = temperature * np.log(np.repeat(shares, 16, axis=0))
  labels = np.concatenate(
    [np.repeat(np.arange(4), np.round(16 * row).astype(int)) for row in shares]
  )
  assert metrics.fit_temperature(logits, labels) == pytest.approx(temperature, rel=1e-6)
  assert metrics.fit_temperature((logits + 7).astype(np.float32), labels) == pytest.approx(
    temperature, rel=1e-3
  )


def test_the_temperature_has_the_least_loss():
  optimize = pytest.importorskip("scipy.optimize")
  logits, labels = random_logits(1, 300, 6, scale=4.0)
  fitted = metrics.fit_temperature(logits, labels)
  reference = optimize.minimize_scalar(
    lambda log: sklearn_metrics.log_loss(labels, metrics.softmax(logits, np.exp(log))),
    bounds=(-3, 3),
    method="bounded",
    options={"xatol": 1e-9},
  )
  assert 1.5 < fitted == pytest.approx(np.exp(reference.x), rel=1e-5)
  best = metrics.nll(logits, labels, fitted)
  assert best < min(metrics.nll(logits, labels, fitted * factor) for factor in (0.999, 1.001))


def test_degenerate_temperatures():
  logits, labels = random_logits(0, 40, 3)
  low, high = metrics.TEMPERATURE_BOUNDS
  # all correct: the surer the better
  assert metrics.fit_temperature(logits, logits.argmax(1)) == low
  assert metrics.fit_temperature(logits, logits.argmin(1)) == high  # worse than guessing
  assert metrics.fit_temperature(np.full((5, 3), 2.0), labels[:5]) == 1  # T changes nothing
  assert metrics.fit_temperature(1e30 * logits, logits.argmax(1)) == low  # nothing overflows


PROBS, LABELS = np.full((4, 2), 0.5), np.zeros(4, int)


@pytest.mark.parametrize(
  "change, words",
  [
    ({"probs": PROBS * 1.01}, "each row of probs must sum to 1, row 0 sums to 1.01"),
    ({"probs": np.array([[0.5, 0.5], [0.2, 0.2]]), "labels": LABELS[:2]}, "row 1 sums to 0.4"),
    ({"probs": np.array([[0.5, 0.5], [0.9, 0.6]]), "labels": LABELS[:2]}, "row 1 sums to 1.5"),
    (
      {"probs": np.array([[-0.5, 1.5]]), "labels": LABELS[:1]},
      "probs must be 0 or more, got -0.5; are these logits?",
    ),
    (
      {"probs": np.where(np.eye(4, 2), np.nan, PROBS)},
      "probs must be finite; 2 of 8 values are not",
    ),
    ({"probs": PROBS[0]}, "probs must be float [N, K] with N, K > 0, got float64 [2]"),
    ({"probs": PROBS[:0], "labels": LABELS[:0]}, "with N, K > 0, got float64 [0, 2]"),
    ({"probs": np.eye(2, dtype=int), "labels": LABELS[:2]}, "must be float [N, K]"),
    ({"labels": LABELS[:3]}, "labels must be integers [N] with the N of probs, 4, got int64 [3]"),
    ({"labels": LABELS / 1}, "got float64 [4]"),
    ({"labels": LABELS + 2}, "labels must lie in 0..1, got 2..2"),
    ({"labels": LABELS - 1}, "labels must lie in 0..1, got -1..-1"),
    ({"bins": 0}, "bins must be 1 or more, got 0"),
  ],
)
def test_unusable_input_is_refused(change, words):
  with pytest.raises(UserError) as error:
    metrics.calibration(**{"probs": PROBS, "labels": LABELS} | change)
  assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("function", [metrics.nll, metrics.fit_temperature])
def test_unusable_logits_are_refused(function):
  with pytest.raises(UserError, match="logits must be finite; 1 of 8"):
    function(np.where(np.arange(8).reshape(4, 2) == 3, np.inf, PROBS), LABELS)
  with pytest.raises(UserError, match="with the N of logits, 4"):
    function(PROBS, LABELS[:2])
