"""How often a prediction changes along a sequence of frames."""

import numpy as np

from apr_jax.errors import UserError


def flip_probability(predictions: np.ndarray, noise: bool = False) -> float:
  """The share of pairs of frames that are predicted differently, in percent.

  Args:
    predictions: int `[N, F]`, the classes predicted for F ≥ 2 frames of each sequence.
    noise: whether the frames are independent draws of noise: then each is compared with the first
      one, else with the frame before it.

  Reference: Hendrycks and Dietterich, 2019 (https://arxiv.org/abs/1903.12261), Section 4.2.

  Raises:
    UserError: there are no pairs.

  Examples:
    >>> frames = np.array([[1, 1, 2, 1, 1]])
    >>> flip_probability(frames), flip_probability(frames, noise=True)
    (50.0, 25.0)
  """
  predictions = np.asarray(predictions)
  if predictions.ndim != 2 or not len(predictions) or predictions.shape[1] < 2:
    raise UserError(
      f"predictions must be [N, F] with N > 0 and F ≥ 2 frames, got {list(predictions.shape)}"
    )
  before = predictions[:, :1] if noise else predictions[:, :-1]
  return 100 * float(np.mean(predictions[:, 1:] != before))
