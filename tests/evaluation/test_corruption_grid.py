"""The picture of one image under all corruptions."""

import numpy as np
from PIL import Image

from apr_jax import corruptions
from apr_jax.evaluation import corruption_grid

NAMES = ("contrast", "pixelate")


def test_the_grid_holds_each_corruption_at_each_severity(photographs, tmp_path):
  grid = corruption_grid.corrupted_grid(photographs[0], NAMES)
  assert grid.shape == (2, 5, 32, 32, 3) and grid.dtype == np.uint8
  key = corruption_grid.jax.random.key(0)
  for row, name in enumerate(NAMES):
    np.testing.assert_array_equal(grid[row, 4], corruptions.corrupt(key, photographs[:1], name, 5)[0])
  contrast = grid[0].astype(float).std(axis=(1, 2)).mean(axis=1)  # per channel
  assert (np.diff(contrast) < 0).all()

  corruption_grid.save_corruption_grid(photographs[0], tmp_path / "grid.png", NAMES)
  with Image.open(tmp_path / "grid.png") as picture:
    pixels = np.asarray(picture.convert("RGB"))
  # The clean image is drawn once per column, undistorted in colour: its colours are in the picture.
  colours = {tuple(colour) for colour in photographs[0].reshape(-1, 3)}
  drawn = {tuple(colour) for colour in pixels.reshape(-1, 3)}
  assert len(colours & drawn) > 0.9 * len(colours)
