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
from apr_jax.metrics.flips import flip_probability
from apr_jax.metrics.ood import ood_metrics, oscr, roc
from apr_jax.metrics.ood_scores import (
  Mahalanobis,
  Vim,
  class_templates,
  energy,
  gradnorm,
  kl_matching,
  max_logit,
  max_softmax,
  nearest_neighbour,
  react,
)

__all__ = [
  "ALEXNET_ERRORS",
  "TEMPERATURE_BOUNDS",
  "Mahalanobis",
  "Vim",
  "accuracy_and_error",
  "brier",
  "calibration",
  "class_templates",
  "energy",
  "fit_temperature",
  "flip_probability",
  "gradnorm",
  "kl_matching",
  "max_logit",
  "max_softmax",
  "mce",
  "mean_error",
  "nearest_neighbour",
  "nll",
  "ood_metrics",
  "oscr",
  "react",
  "reliability",
  "roc",
  "softmax",
]
