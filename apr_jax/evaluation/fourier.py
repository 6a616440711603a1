"""Error rate under each frequency: the Fourier heat map.

The image of one frequency, `spectrum.fourier_basis`, is added to every channel with norm v and a
random sign per image and channel; the sum is clipped to [0, 1] and rounded to uint8, as any image
that the network sees. A frequency and its mirror have the same image, so half of them are computed.

Reference: Yin et al., A Fourier Perspective on Model Robustness in Computer Vision, NeurIPS 2019
(https://arxiv.org/abs/1906.08988), and google-research/frequency_analysis, where v is the norm in
each channel.
"""

import dataclasses
import functools
import io
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import metrics, spectrum
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation.evaluator import Evaluator, Parts
from apr_jax.evaluation.task import Task
from apr_jax.files import write_bytes

MAP = "fourier.npy"
"""The map as an array, beside the results."""

CHUNK_BYTES = 2**23
"""Bytes of the perturbed images that are held at a time; changes no result."""


@dataclasses.dataclass(frozen=True)
class Fourier(Evaluator):
  """The error under each Fourier basis image.

  Attributes:
    examples: test images at most: evenly spaced, so that all classes of a sorted set are among
      them.
    largest_map: rows and columns at most; of larger images only the lowest frequencies.
    norm: of what is added to one channel, for images in [0, 1]; None = `norm_of` the size.
    seed: of the signs: all classifiers see the same perturbations.
  """

  examples: int = 1000
  largest_map: int = 63
  norm: float | None = None
  seed: int = 0

  def parts(self, task: Task) -> Parts:
    """The clean images, "clean", then one part per computed row of the map, "row/-16" to "row/0" at
    32 pixels.
    """
    test, positions = self._chosen(task.test)
    yield "clean", lambda: self._about(task, test)
    for row in self._frequencies(test.image_size[0]):
      if row <= 0:
        yield (
          f"row/{row}",
          functools.partial(self._row_of_errors, task, test, positions, row),
        )

  def summarise(self, results: dict) -> dict:
    """The "map" of the error under each frequency, its "mean_error" and the "clean_error", all in
    percent.

    "map" is a list of rows, with the zero frequency in the centre; its first entry is that of
    "first_frequency", [row, column] in cycles per image. "norm" is that of the perturbation of one
    channel, "examples" the number of images.
    """
    about = results["clean"]
    rows, columns = (self._frequencies(size) for size in about["image_size"])
    computed = {row: dict(zip(columns, results[f"row/{row}"])) for row in rows if row <= 0}
    errors = [
      [
        computed[row][column] if row <= 0 else computed[-row][_mirror(column, columns)]
        for column in columns
      ]
      for row in rows
    ]
    return {
      "mean_error": float(np.mean(errors)),
      "clean_error": about["error"],
      "norm": about["norm"],
      "examples": about["examples"],
      "first_frequency": [rows[0], columns[0]],
      "map": errors,
    }

  def lines(self, summary: dict) -> list[str]:
    """The mean over the map."""
    rows, columns = np.shape(summary["map"])
    return [
      f"Fourier mean error     {summary['mean_error']:6.2f} %   ({rows} × {columns} frequencies, "
      f"norm {summary['norm']:.3g}, {summary['examples']} images)"
    ]

  def write(self, folder: pathlib.Path, summary: dict | None) -> None:
    """Makes `folder/fourier.npy` the map, or no file where there is none."""
    if summary is None:
      (folder / MAP).unlink(missing_ok=True)
      return
    content = io.BytesIO()
    np.save(content, np.array(summary["map"]))
    write_bytes(folder / MAP, content.getvalue())

  def _chosen(self, test: ArrayData) -> tuple[ArrayData, np.ndarray]:
    """The images that are scored, and their positions in the split."""
    count = min(self.examples, len(test.labels))
    positions = np.arange(count) * len(test.labels) // count
    chosen = ArrayData(test.images[positions], test.labels[positions], test.num_classes, test.name)
    return chosen, positions

  def _norm(self, image_size: tuple[int, int]) -> float:
    return norm_of(image_size) if self.norm is None else self.norm

  def _about(self, task: Task, test: ArrayData) -> dict:
    return {
      "error": metrics.accuracy_and_error(task.logits(test.images), test.labels)["error"],
      "examples": len(test.labels),
      "image_size": list(test.image_size),
      "norm": self._norm(test.image_size),
    }

  def _frequencies(self, size: int) -> range:
    """Those of the map along one axis of so many pixels, with 0 in the centre."""
    size = min(size, self.largest_map)
    return range(-(size // 2), (size + 1) // 2)

  def _row_of_errors(
    self, task: Task, test: ArrayData, positions: np.ndarray, row: int
  ) -> list[float]:
    """Errors in percent under all frequencies of a row of the map."""
    columns = self._frequencies(test.image_size[1])
    own_mirror = 2 * row % test.image_size[0] == 0
    to_compute = [column for column in columns if column <= 0 or not own_mirror]
    signs = signs_of(positions, test.images.shape[-1], self.seed)
    norm = self._norm(test.image_size)
    errors: dict[int, float] = {}
    # Several frequencies in one call, for the padding of its last batch is computed as well.
    per_call = max(1, CHUNK_BYTES // test.images.nbytes)
    for start in range(0, len(to_compute), per_call):
      called = to_compute[start : start + per_call]
      images = np.concatenate(
        [perturbed(test.images, signs, row, column, norm) for column in called]
      )
      wrong = task.logits(images).argmax(1).reshape(len(called), -1) != test.labels
      errors |= zip(called, (100 * wrong.mean(1)).tolist())
    return [errors[column] if column in errors else errors[-column] for column in columns]


def norm_of(image_size: tuple[int, int]) -> float:
  """The L2 norm v of the perturbation of one channel, for images in [0, 1] of (H, W) pixels.

  The published norms are 4 at 32 pixels and 15.7 at 224, a root mean square of 0.125 and 0.070 per
  pixel. As with the corruptions, the first holds for smaller images too, the second for larger
  ones, and between them it moves linearly with the shorter side. At 8 pixels that is a norm of 1,
  at 64 of 7.4.
  """
  root_mean_square = np.interp(min(image_size), (32, 224), (4 / 32, 15.7 / 224))
  return float(root_mean_square * math.sqrt(math.prod(image_size)))


def fourier_map(results: dict) -> np.ndarray:
  """The map of a `results.json`: errors in percent, float64 `[rows, columns]`, the zero frequency
  in the centre.

  Raises:
    UserError: the suite is not in the results.
  """
  if "fourier" not in results:
    raise UserError("these results hold no Fourier map; run evaluate.py with --suites fourier")
  return np.array(results["fourier"]["map"])


@functools.partial(jax.jit, static_argnames="norm")
def perturbed(images: jax.Array, signs: jax.Array, row: int, column: int, norm: float) -> jax.Array:
  """Images with one frequency added; compiled once for all frequencies.

  Args:
    images: uint8 `[N, H, W, C]`.
    signs: float32 `[N, C]`, 1 or -1.
    row, column: the frequency, in cycles per image.
    norm: of what is added to each channel, in units of [0, 1].

  Returns:
    uint8 `[N, H, W, C]`.
  """
  wave = 255 * norm * spectrum.fourier_basis(row, column, *images.shape[1:3])
  return jnp.round(jnp.clip(images + signs[:, None, None] * wave[..., None], 0, 255)).astype(
    jnp.uint8
  )


def signs_of(positions: np.ndarray, channels: int, seed: int = 0) -> np.ndarray:
  """Fair signs float32 `[N, channels]`, 1 or -1, of the images at some positions int `[N]` of the
  test split.
  """
  key = jax.random.key(seed)

  def draw(position):
    return jax.random.rademacher(jax.random.fold_in(key, position), (channels,), jnp.float32)

  return np.asarray(jax.vmap(draw)(positions))


def _mirror(frequency: int, frequencies: range) -> int:
  """The highest frequency of an even size is its own mirror."""
  return -frequency if -frequency in frequencies else frequency
