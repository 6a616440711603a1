"""Scores, as plain functions of arrays; nothing here knows a network or a data set."""

from apr_jax.metrics.calibration import TEMPERATURE_BOUNDS
from apr_jax.metrics.calibration import brier
from apr_jax.metrics.calibration import calibration
from apr_jax.metrics.calibration import fit_temperature
from apr_jax.metrics.calibration import nll
from apr_jax.metrics.calibration import reliability
from apr_jax.metrics.calibration import softmax
from apr_jax.metrics.classification import accuracy_and_error
from apr_jax.metrics.corruption import ALEXNET_ERRORS
from apr_jax.metrics.corruption import mce
from apr_jax.metrics.corruption import mean_error
from apr_jax.metrics.ood import ood_metrics
from apr_jax.metrics.ood import oscr
from apr_jax.metrics.ood import roc

__all__ = ["ALEXNET_ERRORS", "TEMPERATURE_BOUNDS", "accuracy_and_error", "brier", "calibration", "fit_temperature",
           "mce", "mean_error", "nll", "ood_metrics", "oscr", "reliability", "roc", "softmax"]
