"""The two scores of the common-corruption benchmarks, which are not to be confused.

`mean_error` is the plain mean over corruptions and severities; CIFAR-10-C and CIFAR-100-C are
scored so. `mce` divides each corruption's errors by AlexNet's; ImageNet-C is scored so.

Reference: Hendrycks and Dietterich, Benchmarking Neural Network Robustness, ICLR 2019
(https://arxiv.org/abs/1903.12261).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from apr_jax.errors import UserError

# Mean over the five severities of AlexNet's error (a fraction) on each corruption of ImageNet-C.
ALEXNET_ERRORS = {
  "gaussian_noise": 0.886428,
  "shot_noise": 0.894468,
  "impulse_noise": 0.922640,
  "defocus_blur": 0.819880,
  "glass_blur": 0.826268,
  "motion_blur": 0.785948,
  "zoom_blur": 0.798360,
  "snow": 0.866816,
  "frost": 0.826572,
  "fog": 0.819324,
  "brightness": 0.564592,
  "contrast": 0.853204,
  "elastic_transform": 0.646056,
  "pixelate": 0.717840,
  "jpeg_compression": 0.606500,
}


def mean_error(errors: Mapping[str, Sequence[float]]) -> float:
  """Mean over corruptions of the mean over severities, in the unit of `errors`: {corruption: [error
  per severity]}.

  Examples:
    >>> mean_error({"fog": [10.0, 20.0], "snow": [30.0, 40.0]})
    25.0
  """
  return float(np.mean([np.mean(by_severity) for by_severity in errors.values()]))


def mce(errors: Mapping[str, Sequence[float]]) -> float:
  """Mean corruption error of ImageNet-C: the mean over corruptions of Σ_s E_{c,s} / Σ_s
  E^AlexNet_{c,s}.

  Args:
    errors: {corruption: [error of severity 1, ..., 5]} in percent, for exactly the 15 corruptions.

  Returns:
    mCE in percent; 100 is AlexNet.

  Raises:
    UserError: corruptions are missing or unknown, or one does not have five severities.

  Examples:
    >>> alexnet = {name: [100 * error] * 5 for name, error in ALEXNET_ERRORS.items()}
    >>> round(mce(alexnet), 6)
    100.0
  """
  if errors.keys() != ALEXNET_ERRORS.keys():
    missing = sorted(ALEXNET_ERRORS.keys() - errors.keys())
    extra = sorted(errors.keys() - ALEXNET_ERRORS.keys())
    raise UserError(
      f"mCE is defined on the 15 corruptions of ImageNet-C; missing {missing}, unknown {extra}"
    )
  for corruption, by_severity in errors.items():
    if len(by_severity) != 5:
      raise UserError(f"{corruption} needs the errors of 5 severities, got {len(by_severity)}")
  return float(np.mean([np.mean(errors[name]) / ALEXNET_ERRORS[name] for name in ALEXNET_ERRORS]))
