"""Two small out-of-distribution test sets that need no download: pieces of photographs, and pure
noise.

Neither has classes: every label is 0, and there is a "test" split only.
"""

import numpy as np

from apr_jax.data.array_data import ArrayData
from apr_jax.data.unlabelled import test_only, unlabelled

_SIDE = 32
_NOISE_EXAMPLES = 500


def load_photo_patches(split: str) -> ArrayData:
  """All whole 32 x 32 tiles, row by row, of the two photographs bundled with scikit-learn.

  Args:
    split: "test".

  Returns:
    images uint8 `[520, 32, 32, 3]`: 13 x 20 tiles of each 427 x 640 photograph; labels all 0.

  Raises:
    UserError: `split` is not "test".
  """
  test_only(split, "photo_patches")
  from sklearn.datasets import load_sample_images

  return unlabelled(
    np.concatenate([_tiles(photo) for photo in load_sample_images().images]), "photo_patches"
  )


def load_uniform_noise(split: str) -> ArrayData:
  """Images whose values are independent and uniform over 0..255, always the same ones.

  Args:
    split: "test".

  Returns:
    images uint8 `[500, 32, 32, 3]`; labels all 0.

  Raises:
    UserError: `split` is not "test".
  """
  test_only(split, "uniform_noise")
  # RandomState, because NumPy promises that its stream never changes; default_rng's may.
  noise = np.random.RandomState(0).randint(
    0, 256, (_NOISE_EXAMPLES, _SIDE, _SIDE, 3), dtype=np.uint8
  )
  return unlabelled(noise, "uniform_noise")


def _tiles(photo: np.ndarray) -> np.ndarray:
  rows, columns = photo.shape[0] // _SIDE, photo.shape[1] // _SIDE
  whole = photo[: rows * _SIDE, : columns * _SIDE]
  grid = whole.reshape(rows, _SIDE, columns, _SIDE, 3).swapaxes(1, 2)
  return grid.reshape(-1, _SIDE, _SIDE, 3)
