"""Accuracy and error of predictions."""

import numpy as np


def accuracy_and_error(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
  """Top-1 accuracy and error.

  Args:
    logits: float `[N, K]`; the prediction is the first of the largest.
    labels: int `[N]`.

  Returns:
    "accuracy" and "error", in percent; they sum to 100.

  Examples:
    >>> accuracy_and_error(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0]))
    {'accuracy': 50.0, 'error': 50.0}
  """
  wrong = int(np.sum(np.argmax(logits, axis=1) != labels))
  return {"accuracy": 100 * (len(labels) - wrong) / len(labels), "error": 100 * wrong / len(labels)}
