"""Scores, as plain functions of arrays; nothing here knows a network or a data set."""

from apr_jax.metrics.classification import accuracy_and_error
from apr_jax.metrics.corruption import ALEXNET_ERRORS
from apr_jax.metrics.corruption import mce
from apr_jax.metrics.corruption import mean_error
from apr_jax.metrics.ood import ood_metrics

__all__ = ["ALEXNET_ERRORS", "accuracy_and_error", "mce", "mean_error", "ood_metrics"]
