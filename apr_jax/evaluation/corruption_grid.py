"""One image under every corruption at every severity, as a picture."""

import pathlib

import jax
import numpy as np
from matplotlib.figure import Figure

from apr_jax import corruptions
from apr_jax.corruptions import SEVERITIES


def corrupted_grid(image: np.ndarray, names: tuple[str, ...] = corruptions.CORRUPTIONS) -> np.ndarray:
  """The image under each corruption (first axis) at each severity (second axis).

  Args:
    image: uint8 `[H, W, 3]`.
    names: corruptions.

  Returns:
    uint8 `[len(names), 5, H, W, 3]`.
  """
  key = jax.random.key(0)
  return np.stack([[np.asarray(corruptions.corrupt(key, image[None], name, severity))[0] for severity in SEVERITIES]
                   for name in names])


def save_corruption_grid(image: np.ndarray, path: pathlib.Path,
                         names: tuple[str, ...] = corruptions.CORRUPTIONS) -> None:
  """Writes the picture: one column per corruption, the clean image on top, severities downwards.

  Args:
    image: uint8 `[H, W, 3]`.
    path: of the PNG file; its folder must exist.
    names: corruptions.
  """
  grid = corrupted_grid(image, names)
  figure = Figure(figsize=(1.1 * len(names), 6.9), layout="constrained")
  axes = figure.subplots(1 + len(SEVERITIES), len(names), squeeze=False)
  for row, title in enumerate(["clean", *(f"severity {severity}" for severity in SEVERITIES)]):
    axes[row, 0].set_ylabel(title, fontsize=9)
    for column, name in enumerate(names):
      cell = axes[row, column]
      cell.imshow(image if row == 0 else grid[column, row - 1], interpolation="nearest")
      cell.set(xticks=[], yticks=[])
      cell.spines[:].set_visible(False)
      if row == 0:
        cell.set_title(name.replace("_", "\n"), fontsize=8)
  figure.savefig(path, dpi=100)
