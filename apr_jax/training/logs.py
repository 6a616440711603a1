"""What a run shows and records: `metrics.jsonl`, TensorBoard events, and lines or a progress bar.

TensorBoard also shows images, which `metrics.jsonl` does not hold.
"""

import json
import pathlib
import sys
import time
import types

import numpy as np
import tqdm

from apr_jax.run.metrics import METRICS, drop_after


def _tensorboardx() -> types.ModuleType:
  """tensorboardX without PyTorch, which it would import if it is there: seconds, for tensors that
  no run has.
  """
  absent = object()
  torch = sys.modules.get("torch", absent)
  sys.modules["torch"] = None  # importing it raises ImportError
  try:
    import tensorboardX
  finally:
    if torch is absent:
      del sys.modules["torch"]
    else:
      sys.modules["torch"] = torch
  return tensorboardX


class Logs:
  """The logs of one workdir, from `step` on; a context manager that flushes and closes them.

  A run that continues from a checkpoint repeats the steps after it: their earlier lines are
  dropped.

  Args:
    workdir: folder of the run.
    step: steps done before.
    total_steps: of the run.
    batch_size: images per step, for images/s.
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
    self._file = self._tensorboard = self._bar = self._input_wait = self._stopped = None
    self._total_steps, self._batch_size = total_steps, batch_size
    self._quiet = quiet or not primary
    if primary:
      drop_after(workdir / METRICS, step)
      self._file = (workdir / METRICS).open("a", encoding="utf-8")
      self._tensorboard = _tensorboardx().SummaryWriter(str(workdir), purge_step=step + 1)
    if not self._quiet and sys.stderr.isatty():
      self._bar = tqdm.tqdm(
        total=total_steps * batch_size, initial=step * batch_size, unit="img", unit_scale=True
      )
    self.restart_clock(step)

  def __enter__(self) -> "Logs":
    return self

  def __exit__(self, *_) -> None:
    for output in (self._bar, self._file, self._tensorboard):
      if output is not None:
        output.close()

  def restart_clock(self, step: int) -> None:
    """Starts the time of the next images/s here, so that evaluation and saving do not count."""
    self._since, self._since_step = time.perf_counter(), step
    self._input_wait = None if self._input_wait is None else 0.0

  def stop_clock(self) -> None:
    """What comes until `go_on` counts neither for images/s nor as waiting for images."""
    self._stopped = time.perf_counter()

  def go_on(self, steps: int) -> None:
    """Starts the stopped clock again; so many steps were done meanwhile."""
    self._since += time.perf_counter() - self._stopped
    self._since_step += steps
    self._stopped = None

  def add_input_wait(self, seconds: float | None) -> None:
    """Counts time that the devices waited for images; None for data that lie on them."""
    if seconds is not None:
      self._input_wait = (self._input_wait or 0.0) + (seconds if self._stopped is None else 0.0)

  def train(self, step: int, epoch: float, values: dict[str, float]) -> None:
    """Logs a window of training steps that ends at `step`."""
    seconds = time.perf_counter() - self._since
    rate = (
      (step - self._since_step) * self._batch_size / seconds if step > self._since_step else 0.0
    )
    waited = {} if self._input_wait is None else {"input_wait": 100 * self._input_wait / seconds}
    self._write("train", step, epoch, values | {"images_per_second": rate} | waited)
    if self._bar is not None:
      self._bar.update(step * self._batch_size - self._bar.n)
      self._bar.set_postfix_str(
        f"epoch {epoch:.1f}, loss {values['loss']:.3f}, accuracy {values['accuracy']:.1f} %"
      )
    left = (self._total_steps - step) * self._batch_size
    remaining = f", {left / rate:.0f} s left" if rate else ""
    self.say(
      f"step {step}/{self._total_steps}, epoch {epoch:.1f}: loss {values['loss']:.3f}, "
      f"accuracy {values['accuracy']:.1f} %, {rate:.0f} images/s{remaining}",
      unless_bar=True,
    )
    self.restart_clock(step)

  def evaluation(self, step: int, epoch: float, values: dict[str, float]) -> None:
    """Logs an evaluation after `step`."""
    self._write("eval", step, epoch, values)
    self.say(
      f"step {step}/{self._total_steps}, epoch {epoch:.1f}: clean error {values['clean_error']:.2f} %"
    )

  def image(self, step: int, name: str, pixels: np.ndarray) -> None:
    """Shows an image uint8 `[H, W, 3]` in TensorBoard."""
    if self._tensorboard is not None:
      self._tensorboard.add_image(name, pixels, step, dataformats="HWC")

  def say(self, line: str, unless_bar: bool = False) -> None:
    """Prints a line, above the progress bar if there is one."""
    if self._quiet or (unless_bar and self._bar is not None):
      return
    if self._bar is not None:
      self._bar.write(line)
    else:
      print(line, flush=True)

  def _write(self, kind: str, step: int, epoch: float, values: dict[str, float]) -> None:
    if self._file is None:
      return
    line = {"kind": kind, "step": step, "epoch": round(epoch, 4)} | values
    self._file.write(json.dumps(line) + "\n")
    self._file.flush()
    for name, value in values.items():
      self._tensorboard.add_scalar(f"{kind}/{name}", value, step)
