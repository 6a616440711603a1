"""TensorBoard events of a run: what `metrics.jsonl` holds, and images.

The events of a run in an object store are written to a temporary folder here and copied there as a
whole, at most once in `COPY_EVERY` seconds and at the end.
"""

import pathlib
import shutil
import sys
import tempfile
import time
import types
from typing import cast

import numpy as np

from apr_jax import files

COPY_EVERY = 60.0


class TensorBoard:
  """Writes the events of one workdir.

  Args:
    workdir: folder of the run.
    step: steps done before; events of later steps, from an earlier start, are hidden.
  """

  def __init__(self, workdir: pathlib.Path, step: int):
    self._workdir = workdir
    self._here: pathlib.Path | None = None
    if files.is_address(workdir):
      self._here = pathlib.Path(tempfile.mkdtemp(prefix="apr_jax_events_"))
    self._writer = _tensorboardx().SummaryWriter(str(self._here or workdir), purge_step=step + 1)
    self._copied = time.monotonic()

  def write(self, kind: str, step: int, epoch: float, values: dict[str, float]) -> None:
    """Adds each value as KIND/NAME; as `run.metrics.MetricsFile.write`."""
    del epoch
    for name, value in values.items():
      self._writer.add_scalar(f"{kind}/{name}", value, step)
    self._copy_if_due()

  def image(self, step: int, name: str, pixels: np.ndarray) -> None:
    """Adds an image uint8 `[H, W, 3]`."""
    self._writer.add_image(name, pixels, step, dataformats="HWC")
    self._copy_if_due()

  def close(self) -> None:
    """Writes what waits, and closes the file."""
    self._writer.close()
    if self._here is not None:
      self._copy()
      shutil.rmtree(self._here, ignore_errors=True)

  def _copy_if_due(self) -> None:
    if self._here is not None and time.monotonic() - self._copied > COPY_EVERY:
      self._writer.flush()
      self._copy()

  def _copy(self) -> None:
    assert self._here is not None
    self._copied = time.monotonic()
    try:
      for events in self._here.iterdir():
        files.write_bytes(self._workdir / events.name, events.read_bytes())
    except OSError as error:
      self._copied = float("inf")  # said once
      print(
        f"TensorBoard events cannot be written to {self._workdir} ({error}); metrics.jsonl there "
        f"has the same numbers",
        file=sys.stderr,
      )


def _tensorboardx() -> types.ModuleType:
  """tensorboardX without PyTorch, which it would import if it is there: seconds, for tensors that
  no run has.
  """
  # None as a module makes importing it raise ImportError, which the type of sys.modules leaves out.
  modules = cast(dict[str, types.ModuleType | None], sys.modules)
  was_there, torch = "torch" in modules, modules.get("torch")
  modules["torch"] = None
  try:
    import tensorboardX
  finally:
    if was_there:
      modules["torch"] = torch
    else:
      del modules["torch"]
  return tensorboardX
