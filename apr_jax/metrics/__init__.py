"""Scores, as plain functions of arrays; nothing here knows a network or a data set."""

from apr_jax.metrics.calibration import (
  TEMPERATURE_BOUNDS,
  brier,
  calibration,
  fit_temperature,
  nll,
  reliability,
  softmax,
)
from apr_jax.metrics.classification import accuracy_and_error
from apr_jax.metrics.corruption import ALEXNET_ERRORS, mce, mean_error
from apr_jax.metrics.ood import ood_metrics, oscr, roc

__all__ = [
  "ALEXNET_ERRORS",
  "TEMPERATURE_BOUNDS",
  "accuracy_and_error",
  "brier",
  "calibration",
  "fit_temperature",
  "mce",
  "mean_error",
  "nll",
  "ood_metrics",
  "oscr",
  "reliability",
  "roc",
  "softmax",
]
