"""TensorBoard events of a run: what `metrics.jsonl` holds, and images."""

import pathlib
import sys
import types
from typing import cast

import numpy as np


class TensorBoard:
  """Writes the events of one workdir.

  Args:
    workdir: folder of the run.
    step: steps done before; events of later steps, from an earlier start, are hidden.
  """

  def __init__(self, workdir: pathlib.Path, step: int):
    self._writer = _tensorboardx().SummaryWriter(str(workdir), purge_step=step + 1)

  def write(self, kind: str, step: int, epoch: float, values: dict[str, float]) -> None:
    """Adds each value as KIND/NAME; as `run.metrics.MetricsFile.write`."""
    del epoch
    for name, value in values.items():
      self._writer.add_scalar(f"{kind}/{name}", value, step)

  def image(self, step: int, name: str, pixels: np.ndarray) -> None:
    """Adds an image uint8 `[H, W, 3]`."""
    self._writer.add_image(name, pixels, step, dataformats="HWC")

  def close(self) -> None:
    """Writes what waits, and closes the file."""
    self._writer.close()


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
