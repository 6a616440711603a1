"""Metrics against definitions that are slow and plain, ties, single images and single classes
included.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from apr_jax import metrics
from apr_jax.metrics.corruption import ALEXNET_ERRORS

# Few different values, so that there are ties.
SCORES = st.lists(st.sampled_from([-1.5, 0.0, 0.25, 0.5, 3.0]), min_size=1, max_size=12)


@st.composite
def predictions(draw):
  """Probabilities `[N, K]` and labels."""
  classes, count = draw(st.integers(1, 5)), draw(st.integers(1, 12))
  weights = st.integers(0, 4).map(float)
  rows = st.lists(weights, min_size=classes, max_size=classes).filter(any)
  probs = np.array(draw(st.lists(rows, min_size=count, max_size=count)))
  labels = draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))
  return probs / probs.sum(1, keepdims=True), np.array(labels)


def mean(values):
  values = list(values)
  return math.fsum(values) / len(values)


@given(inside=SCORES, outside=SCORES)
def test_out_of_distribution_scores(inside, outside):
  found = metrics.ood_metrics(np.array(inside), np.array(outside))
  wins = [(a > b) + (a == b) / 2 for a, b in itertools.product(inside, outside)]
  assert found["auroc"] == pytest.approx(100 * mean(wins))
  thresholds = sorted({*inside, *outside, math.inf})
  accepted = {t: mean(a >= t for a in inside) for t in thresholds}
  rejected = {t: mean(b < t for b in outside) for t in thresholds}
  assert found["tnr95"] == pytest.approx(
    100 * max(rejected[t] for t in thresholds if accepted[t] >= 0.95)
  )
  assert found["dtacc"] == pytest.approx(
    100 * max((accepted[t] + rejected[t]) / 2 for t in thresholds)
  )
  for name, positive, negative in (
    ("aupr_in", inside, outside),
    ("aupr_out", [-b for b in outside], [-a for a in inside]),
  ):
    precision, recall, area = 1.0, 0.0, 0.0
    for t in sorted({*positive, *negative}, reverse=True):
      right, wrong = sum(a >= t for a in positive), sum(b >= t for b in negative)
      precision, before, recall = right / (right + wrong), recall, right / len(positive)
      area += precision * (recall - before)
    assert found[name] == pytest.approx(100 * area)


@given(inside=SCORES, outside=SCORES, data=st.data())
def test_open_set_classification(inside, outside, data):
  correct = data.draw(st.lists(st.booleans(), min_size=len(inside), max_size=len(inside)))
  found = metrics.oscr(np.array(inside), np.array(correct), np.array(outside))
  pairs = itertools.product(zip(inside, correct), outside)
  assert found == pytest.approx(
    100 * mean(right * ((a > b) + (a == b) / 2) for (a, right), b in pairs)
  )


@given(given=predictions(), bins=st.integers(1, 20))
def test_calibration(given, bins):
  probs, labels = given
  confidence = [max(row) for row in probs]
  correct = [int(list(row).index(max(row)) == label) for row, label in zip(probs, labels)]
  gaps = []
  for number in range(bins):
    # Edges as NumPy divides them, so that a confidence at one is at it for both.
    low, high = number / bins, (number + 1) / bins
    last = number == bins - 1  # holds what rounding has brought above one
    chosen = [i for i, c in enumerate(confidence) if low < c and (c <= high or last)]
    if chosen:
      gap = mean(correct[i] for i in chosen) - mean(confidence[i] for i in chosen)
      gaps.append((len(chosen) / len(labels), gap))
  found = metrics.calibration(probs, labels, bins)
  assert found["ece"] == pytest.approx(math.fsum(w * abs(g) for w, g in gaps), abs=1e-9)
  assert found["rms"] == pytest.approx(math.sqrt(math.fsum(w * g * g for w, g in gaps)), abs=1e-9)
  squares = [
    math.fsum((p - (k == label)) ** 2 for k, p in enumerate(row))
    for row, label in zip(probs, labels)
  ]
  assert metrics.brier(probs, labels) == pytest.approx(mean(squares))


@given(given=predictions(), temperature=st.floats(0.1, 10))
def test_likelihood(given, temperature):
  probs, labels = given
  logits = np.log(probs + 0.125)
  found = metrics.nll(logits, labels, temperature)
  expected = mean(
    math.log(math.fsum(math.exp(z / temperature) for z in row)) - row[label] / temperature
    for row, label in zip(logits, labels)
  )
  assert found == pytest.approx(expected, abs=1e-9)
  best = metrics.nll(logits, labels, metrics.fit_temperature(logits, labels))
  assert best <= found + 1e-9


@given(data=st.data())
def test_corruption_errors(data):
  error = st.floats(0, 100)
  errors = {
    name: data.draw(st.lists(error, min_size=5, max_size=5), label=name) for name in ALEXNET_ERRORS
  }
  assert metrics.mean_error(errors) == pytest.approx(mean(map(mean, errors.values())))
  assert metrics.mce(errors) == pytest.approx(
    mean(sum(errors[name]) / (5 * ALEXNET_ERRORS[name]) for name in errors)
  )
