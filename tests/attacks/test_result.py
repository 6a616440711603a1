"""Accuracies after each attack, by hand, and results of blocks put together."""

import dataclasses

import numpy as np
import pytest

from apr_jax.attacks import Result, join

RESULT = Result(
  attacks=("apgd-ce", "square"),
  gradient_free=("square",),
  epsilon=0.1,
  broken_by=("clean", "apgd-ce", None, "apgd-ce", None, None, None, None),
  adversarial=np.zeros((8, 2, 2, 3), np.float32),
  observations=("one",),
)


def test_accuracies_count_all_images():
  assert RESULT.by_attack == {"clean": 87.5, "apgd-ce": 62.5, "square": 62.5}
  assert list(RESULT.by_attack) == ["clean", "apgd-ce", "square"]
  assert (RESULT.clean_accuracy, RESULT.robust_accuracy) == (87.5, 62.5)
  np.testing.assert_array_equal(RESULT.robust, [0, 0, 1, 0, 1, 1, 1, 1])
  assert RESULT.warnings == ("one",)


def test_square_helping_is_suspicious():
  helped = dataclasses.replace(RESULT, broken_by=("apgd-ce", "square", *[None] * 6))
  assert len(helped.warnings) == 2
  assert "square uses no gradient and lowers the accuracy by 12.50 points" in helped.warnings[1]
  # it is not where no attack before it used gradients
  alone = dataclasses.replace(helped, attacks=("square",), broken_by=("square", *[None] * 7))
  assert alone.warnings == ("one",)


def test_little_help_is_not():
  broken_by = ("square", "square", *[None] * 998)
  assert dataclasses.replace(RESULT, broken_by=broken_by).warnings == ("one",)
  assert len(dataclasses.replace(RESULT, broken_by=("square", *broken_by)).warnings) == 2


def test_blocks_are_joined():
  other = dataclasses.replace(RESULT, broken_by=("square",) * 8, observations=("two", "one"))
  both = join([RESULT, other])
  assert both.broken_by == RESULT.broken_by + other.broken_by
  assert both.adversarial.shape == (16, 2, 2, 3)
  assert both.observations == ("one", "two")
  assert both.by_attack["square"] == pytest.approx(100 * 5 / 16)
  assert join([RESULT, dataclasses.replace(other, adversarial=None)]).adversarial is None


def test_results_of_other_attacks_are_not_joined():
  with pytest.raises(AssertionError, match="other attacks"):
    join([RESULT, dataclasses.replace(RESULT, epsilon=0.2)])
