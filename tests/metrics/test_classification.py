"""Accuracy and error."""

import numpy as np
import pytest

from apr_jax import metrics


def test_accuracy_and_error_by_hand():
  logits = np.array([[0.0, 1.0, 2.0], [5.0, 1.0, 2.0], [0.0, 3.0, 2.0], [0.0, 1.0, 9.0]])
  result = metrics.accuracy_and_error(logits, np.array([2, 0, 0, 0]))
  assert result == {"accuracy": 50.0, "error": 50.0}


def test_the_first_of_equal_logits_is_the_prediction():
  assert metrics.accuracy_and_error(np.zeros((4, 3)), np.array([0, 0, 0, 1])) == {
    "accuracy": 75.0,
    "error": 25.0,
  }


@pytest.mark.parametrize("wrong", range(8))
def test_percentages_are_exact(wrong):
  labels = np.array([1] * wrong + [0] * (7 - wrong))
  result = metrics.accuracy_and_error(np.zeros((7, 2)), labels)
  assert result == {"accuracy": 100 * (7 - wrong) / 7, "error": 100 * wrong / 7}
