"""The two scores of the corruption benchmarks, by hand."""

import numpy as np
import pytest

from apr_jax import corruptions, metrics
from apr_jax.errors import UserError
from apr_jax.metrics.corruption import ALEXNET_ERRORS

# Mean AlexNet errors in the order of the benchmark, as its authors publish them.
PUBLISHED = (
  0.886428,
  0.894468,
  0.922640,
  0.819880,
  0.826268,
  0.785948,
  0.798360,
  0.866816,
  0.826572,
  0.819324,
  0.564592,
  0.853204,
  0.646056,
  0.717840,
  0.606500,
)


def alexnet(factor=1.0):
  """AlexNet's errors in percent, times `factor`."""
  return {
    name: [100 * factor * error] * 5 for name, error in zip(corruptions.CORRUPTIONS, PUBLISHED)
  }


def test_mean_error_by_hand():
  assert metrics.mean_error(
    {"fog": [1, 2, 3, 4, 5], "snow": [10, 10, 10, 10, 60]}
  ) == pytest.approx((3 + 20) / 2)
  assert metrics.mean_error({"fog": [7.5]}) == 7.5


def test_mean_error_weighs_corruptions_equally():
  assert metrics.mean_error({"fog": [0, 0, 0, 0, 0], "snow": [30]}) == pytest.approx(15)


def test_alexnets_table_is_the_published_one():
  assert tuple(ALEXNET_ERRORS.items()) == tuple(zip(corruptions.CORRUPTIONS, PUBLISHED))


def test_mce_of_alexnet_is_100():
  assert metrics.mce(alexnet()) == pytest.approx(100, abs=1e-9)
  assert metrics.mce(alexnet(0.5)) == pytest.approx(50, abs=1e-9)


def test_mce_divides_the_sums_over_severities():
  errors = alexnet()
  # Severities may differ as long as their sum stays.
  errors["fog"] = [100 * ALEXNET_ERRORS["fog"] + shift for shift in (-20, -10, 0, 10, 20)]
  assert metrics.mce(errors) == pytest.approx(100, abs=1e-9)
  errors["brightness"] = [0] * 5
  assert metrics.mce(errors) == pytest.approx(100 * 14 / 15, abs=1e-9)


def test_mce_is_not_the_mean_error():
  errors = {name: [40.0] * 5 for name in corruptions.CORRUPTIONS}
  assert metrics.mean_error(errors) == pytest.approx(40)
  assert metrics.mce(errors) == pytest.approx(40 * np.mean(1 / np.array(PUBLISHED)))


def test_mce_does_not_depend_on_the_order_of_the_corruptions():
  errors = {
    name: list(range(position, position + 5))
    for position, name in enumerate(corruptions.CORRUPTIONS)
  }
  assert metrics.mce(dict(reversed(errors.items()))) == metrics.mce(errors)


@pytest.mark.parametrize(
  "change, words",
  [
    (lambda errors: errors.pop("fog"), "missing ['fog']"),
    (lambda errors: errors.update(saturate=[1] * 5), "unknown ['saturate']"),
    (lambda errors: errors.update(fog=[1] * 4), "fog needs the errors of 5 severities, got 4"),
  ],
)
def test_mce_refuses_other_sets_of_corruptions(change, words):
  errors = alexnet()
  change(errors)
  with pytest.raises(UserError) as error:
    metrics.mce(errors)
  assert words in str(error.value)
