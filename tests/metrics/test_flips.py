"""Flip probabilities against the definition, pair by pair."""

import numpy as np
import pytest

from apr_jax.errors import UserError
from apr_jax.metrics import flip_probability


def pair_by_pair(predictions, noise):
  flips = []
  for frames in predictions:
    before = frames[0]
    for frame in frames[1:]:
      flips.append(frame != before)
      before = before if noise else frame
  return 100 * sum(flips) / len(flips)


@pytest.mark.parametrize("noise", [False, True])
def test_against_the_definition(noise):
  predictions = np.random.RandomState(0).randint(0, 3, (20, 7))
  assert flip_probability(predictions, noise) == pytest.approx(pair_by_pair(predictions, noise))


def test_one_frame_has_no_pairs():
  with pytest.raises(UserError, match=r"F ≥ 2 frames, got \[3, 1\]"):
    flip_probability(np.zeros((3, 1), int))
