"""The sums between two lines of the logs: means, and steps that are not finite."""

import math

import numpy as np
import pytest

from apr_jax.errors import UserError
from apr_jax.training.window import Window


def sums(loss, correct=1, examples=4, nonfinite=0):
  values = {"loss": loss, "correct": correct, "examples": examples, "nonfinite": nonfinite}
  return {name: np.float32(value) for name, value in values.items()}


def filled(*all_sums, skips=False):
  window = Window(skips)
  for number, each in enumerate(all_sums):
    window.add(each, 10 + number)
  return window


def check(window, saved=None):
  window.check_finite(lambda: 0.25, lambda: saved)


def test_means_are_over_examples():
  window = filled(sums(8.0), sums(2.0, correct=3))
  check(window)
  assert window.take_means() == {"loss": 10 / 8, "accuracy": 50.0}
  assert not window


@pytest.mark.parametrize(
  "bad, words",
  [
    (sums(math.nan, nonfinite=1), "the loss is nan, first in step 11, at learning rate 0.25"),
    (sums(math.inf, nonfinite=1), "the loss is inf, first in step 11"),
    (sums(1.0, nonfinite=1), "a gradient is not finite, first in step 11"),
  ],
)
def test_a_step_that_is_not_finite_ends_the_training(bad, words):
  window = filled(sums(1.0), bad, bad)
  with pytest.raises(UserError) as error:
    check(window, saved=8)
  assert words in str(error.value) and "the checkpoint of step 8 is good" in str(error.value)
  with pytest.raises(UserError, match="nothing was saved"):
    check(window)


def test_skipped_steps_are_counted_and_no_part_of_the_means():
  skipped = sums(0.0, correct=0, examples=0, nonfinite=1)
  window = filled(sums(8.0), skipped, skipped, skips=True)
  check(window)
  assert window.take_means() == {"loss": 2.0, "accuracy": 25.0, "skipped_steps": 2.0}
  with pytest.raises(UserError, match="no step since the last line has a finite loss"):
    check(filled(skipped, skipped, skips=True))
