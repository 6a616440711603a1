"""What a run records and shows: `metrics.jsonl`, TensorBoard events, and the console."""

import pathlib

import numpy as np

from apr_jax.run.metrics import MetricsFile
from apr_jax.training.console import Console
from apr_jax.training.tensorboard import TensorBoard


class Logs:
  """The logs of one workdir, from `step` on; a context manager that flushes and closes them.

  A run that continues from a checkpoint repeats the steps after it: their earlier lines are
  dropped.

  Args:
    workdir: folder of the run.
    step: steps done before.
    total_steps: of the run.
    batch_size: images per step.
    quiet: write the files only.
    primary: whether this process is the one of the run that writes and prints; the others do
      neither.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    step: int,
    total_steps: int,
    batch_size: int,
    *,
    quiet: bool = False,
    primary: bool = True,
  ):
    self._total_steps, self._batch_size = total_steps, batch_size
    self._metrics = self._tensorboard = self._console = None
    if primary:
      self._metrics = MetricsFile(workdir, step)
      self._tensorboard = TensorBoard(workdir, step)
    if primary and not quiet:
      self._console = Console(total_steps * batch_size, step * batch_size)

  def __enter__(self) -> "Logs":
    return self

  def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
    if self._console is not None:
      self._console.close()
    if self._tensorboard is not None:
      self._tensorboard.close(failed=kind is not None)

  def train(self, step: int, epoch: float, values: dict[str, float]) -> None:
    """Logs a window of training steps that ends at `step`: the values of `metrics.jsonl`."""
    self._write("train", step, epoch, values)
    if self._console is None:
      return
    rate = values["images_per_second"]
    seconds = (self._total_steps - step) * self._batch_size / rate if rate else None
    left = "" if seconds is None else f", {_duration(seconds)} left"
    scores = f"loss {values['loss']:.3f}, accuracy {values['accuracy']:.1f} %"
    self._console.progress(
      step * self._batch_size,
      line=f"{self._place(step, epoch)}: {scores}, {rate:.0f} images/s{left}",
      short=f"epoch {epoch:.1f}, {scores}",
    )

  def evaluation(self, step: int, epoch: float, values: dict[str, float]) -> None:
    """Logs an evaluation after `step`: the values of `metrics.jsonl`."""
    self._write("eval", step, epoch, values)
    self.say(f"{self._place(step, epoch)}: clean error {values['clean_error']:.2f} %")

  def pgd(self, step: int, epoch: float, accuracy: float) -> None:
    """Logs the accuracy under PGD in percent, of the epoch that ends after `step`."""
    self._write("pgd", step, epoch, {"pgd_accuracy": accuracy})
    self.say(f"{self._place(step, epoch)}: accuracy under PGD {accuracy:.1f} %")

  def image(self, step: int, name: str, pixels: np.ndarray) -> None:
    """Shows an image uint8 `[H, W, 3]` in TensorBoard."""
    if self._tensorboard is not None:
      self._tensorboard.image(step, name, pixels)

  def say(self, line: str) -> None:
    """Prints a line."""
    if self._console is not None:
      self._console.say(line)

  def _place(self, step: int, epoch: float) -> str:
    return f"step {step}/{self._total_steps}, epoch {epoch:.1f}"

  def _write(self, kind: str, step: int, epoch: float, values: dict[str, float]) -> None:
    for output in (self._metrics, self._tensorboard):
      if output is not None:
        output.write(kind, step, epoch, values)


def _duration(seconds: float) -> str:
  """In the unit that keeps it short."""
  if seconds < 300:
    return f"{seconds:.0f} s"
  return f"{seconds / 60:.0f} min" if seconds < 3 * 3600 else f"{seconds / 3600:.1f} h"
