"""TensorBoard events of a run: what `metrics.jsonl` holds, and images.

The events of a run in an object store are written to a temporary folder here and copied there as a
whole, at most once in `COPY_EVERY` seconds and at the end. A disk that takes no more of them stops
no training: that is said once, in a line.
"""

import contextlib
import pathlib
import shutil
import sys
import tempfile
import time
import types
from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np

from apr_jax import files
from apr_jax.errors import one_line

COPY_EVERY = 60.0
_PREFIX = "apr_jax"  # of folders whose files of events are ours
_lost: dict[str, OSError] = {}  # {folder: why its events are given up}


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
    place = f"{_PREFIX}:{self._here or workdir}"
    self._writer = _tensorboardx().SummaryWriter(place, purge_step=step + 1)
    self._copied = time.monotonic()

  def write(self, kind: str, step: int, epoch: float, values: dict[str, float]) -> None:
    """Adds each value as KIND/NAME; as `run.metrics.MetricsFile.write`."""
    del epoch
    self._say_if_lost()
    for name, value in values.items():
      self._writer.add_scalar(f"{kind}/{name}", value, step)
    self._copy_if_due()

  def image(self, step: int, name: str, pixels: np.ndarray) -> None:
    """Adds an image uint8 `[H, W, 3]`."""
    self._writer.add_image(name, pixels, step, dataformats="HWC")
    self._copy_if_due()

  def close(self, *, failed: bool = False) -> None:
    """Writes what waits, and closes the file.

    Args:
      failed: whether the training ends with an error, beside which nothing of these is said.
    """
    self._writer.close()
    if not failed:
      self._say_if_lost()
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
      _say_lost(self._workdir, error)

  def _say_if_lost(self) -> None:
    """Where the training goes on; what ends it is a line of its own."""
    error = _lost.pop(str(self._here or self._workdir), None)
    if error is not None:
      _say_lost(self._workdir, error)


class _EventFile:
  """The file of events, for tensorboardX, whose thread would die of an OSError without a word, and
  then let the training wait for it for ever.
  """

  def __init__(self, path: pathlib.Path):
    self._path = path
    self._file: BinaryIO | None = None
    with self._given_up():
      # Appended to: tensorboardX names files by the second, and two starts may be in the same one.
      self._file = path.open("ab")

  def write(self, data: bytes) -> None:
    if self._file is not None:
      with self._given_up():
        self._file.write(data)

  def flush(self) -> None:
    if self._file is not None:
      with self._given_up():
        self._file.flush()

  def close(self) -> None:
    if self._file is not None:
      with self._given_up():
        self._file.close()

  @contextlib.contextmanager
  def _given_up(self) -> Iterator[None]:
    try:
      yield
    except OSError as error:
      if self._file is not None:
        with contextlib.suppress(OSError):
          self._file.close()  # tries to write once more
      self._file = None
      _lost.setdefault(str(self._path.parent), error)


class _EventFiles:
  """Opens them for tensorboardX, in folders called PREFIX:PATH."""

  @staticmethod
  def open(place: str) -> _EventFile:
    return _EventFile(pathlib.Path(place.partition(":")[2]))

  @staticmethod
  def directory_check(place: str) -> None:
    del place  # the folder of a run is there


def _say_lost(folder: pathlib.Path, error: OSError) -> None:
  print(
    f"TensorBoard events cannot be written to {folder} ({one_line(error)}); metrics.jsonl there "
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
  from tensorboardX.record_writer import register_writer_factory

  register_writer_factory(_PREFIX, _EventFiles())
  return tensorboardX
