"""Processes for the crash benchmark: forks of one that has imported JAX and opened no device, so
that a start costs a second, and that die as any process does.

A network of one linear layer, `linear`, is known in them: its programs compile in no time.
"""

import os
import pathlib
import runpy
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import linen as nn

from apr_jax.models.layers import head, mark_last_map
from apr_jax.models.zoo import NETWORKS

ROOT = pathlib.Path(__file__).parents[1]


class Linear(nn.Module):
  """The classes see the mean of patches of 4 pixels."""

  num_classes: int
  dtype: Any = jnp.float32
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images, train: bool):
    del train
    x = mark_last_map(self, nn.avg_pool(images, (4, 4), strides=(4, 4)))
    return head(x.reshape(len(x), 1, 1, -1), self.num_classes)


NETWORK = "linear"
NETWORKS[NETWORK] = Linear


class Ended(NamedTuple):
  """How a process ended.

  Attributes:
    code: its exit code; of a signal, minus its number.
    err: what it wrote to stderr.
    out: what it wrote to stdout.
  """

  code: int
  err: str
  out: str

  @property
  def line(self) -> str:
    """The last line of stderr."""
    return (self.err.strip().splitlines() or [""])[-1]


class Process:
  """A command of the repository in a process group of its own.

  Args:
    command: the name of a script, or of a module behind "-m", and its arguments; or a function.
    log: beginning of the paths of its output.
  """

  def __init__(self, command: Sequence[str] | Callable[[], None], log: pathlib.Path):
    self._log = log
    self.started = time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # of forking, which is safe here: no device is open
      self.pid = os.fork()
    if not self.pid:
      self._run(command)

  def _run(self, command: Sequence[str] | Callable[[], None]) -> None:
    code = 1
    try:
      os.setsid()
      for suffix, descriptor in ((".out", 1), (".err", 2)):
        path = self._log.with_suffix(suffix)
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
      if callable(command):
        command()
      elif command[0] == "-m":
        sys.argv = list(command[1:])
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
      else:
        sys.argv = list(command)
        runpy.run_path(str(ROOT / command[0]), run_name="__main__")
      code = 0
    except SystemExit as error:
      code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:
      traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

  def is_alive(self) -> bool:
    """Whether it has not ended; it stays to be waited for."""
    return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

  def send(self, number: int) -> None:
    """Sends a signal to it and its children."""
    try:
      os.killpg(self.pid, number)
    except ProcessLookupError:  # it has not made its group yet
      os.kill(self.pid, number)

  def kill_after(self, seconds: float) -> bool:
    """Kills it so long after its start; False if it has ended before."""
    while time.monotonic() < self.started + seconds:
      if not self.is_alive():
        return False
      time.sleep(0.002)
    self.send(signal.SIGKILL)
    return True

  def wait_for(self, condition: Callable[[], bool], seconds: float = 120.0) -> bool:
    """Waits until it is true; False if the process ends before, or it takes longer."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
      if condition():
        return True
      if not self.is_alive():
        return condition()
      time.sleep(0.001)
    return False

  def wait(self) -> Ended:
    """Waits for its end."""
    _, status = os.waitpid(self.pid, 0)
    read = [self._log.with_suffix(suffix) for suffix in (".err", ".out")]
    err, out = (file.read_text(errors="replace") if file.exists() else "" for file in read)
    return Ended(os.waitstatus_to_exitcode(status), err, out)
