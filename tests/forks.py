"""Processes of the commands that start in a moment: forks of one that has imported what they need
and opened no device.

    server = Server(environment)
    process = server.start(["train.py", "--config=..."], cwd=folder, env=environment)

A fork runs a script, "-m" a module or "-c" a text as `python` would, from its arguments to its exit
code, in a session of its own; signals and kills meet a process like any other. Only the seconds of
the imports are shared, so what a test says of the imports themselves needs a Python of its own.
"""

import contextlib
import importlib
import json
import os
import pathlib
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from subprocess import CompletedProcess
from typing import IO

ROOT = pathlib.Path(__file__).parents[1]


class Process:
  """What `subprocess.Popen` is of a process whose output is kept: its methods of these names.

  Attributes:
    pid: of the process, which is a process group too.
    returncode: None as long as it has not been seen to have ended; of a signal, minus its number.
  """

  def __init__(self, status: IO[bytes], output: Sequence[IO[bytes]], stdin: IO[bytes] | None):
    self._status, self._output, self.stdin = status, output, stdin
    self.pid = int(status.readline())
    self.returncode: int | None = None
    self._said = ("", "")

  def __enter__(self) -> "Process":
    return self

  def __exit__(self, kind: object, *_: object) -> None:
    if self.stdin is not None:
      self.stdin.close()
    if kind is not None:
      self.kill()
    self.wait()

  def poll(self) -> int | None:
    if self.returncode is None and select.select([self._status], [], [], 0)[0]:
      said = self._status.readline()
      assert said, "the server has ended"
      self.returncode = int(said)
      self._status.close()
      self._said = (self._text(self._output[0]), self._text(self._output[1]))
    return self.returncode

  def wait(self, timeout: float | None = None) -> int:
    if self.returncode is None and not select.select([self._status], [], [], timeout)[0]:
      raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
    self.poll()
    assert self.returncode is not None
    return self.returncode

  def communicate(self, timeout: float | None = None) -> tuple[str, str]:
    """Closes its input, waits for its end, and returns what it wrote to stdout and stderr."""
    if self.stdin is not None:
      self.stdin.close()
    self.wait(timeout)
    return self._said

  def send_signal(self, number: int) -> None:
    if self.poll() is None:
      os.kill(self.pid, number)

  def terminate(self) -> None:
    self.send_signal(signal.SIGTERM)

  def kill(self) -> None:
    self.send_signal(signal.SIGKILL)

  @staticmethod
  def _text(file: IO[bytes]) -> str:
    with file:
      file.seek(0)
      return file.read().decode()


class Server:
  """The process that forks; it ends with this one, or with `close`.

  Args:
    environment: of the server, what JAX reads when it is imported included.
  """

  def __init__(self, environment: Mapping[str, str]):
    self._socket, theirs = socket.socketpair()
    with theirs:
      self._process = subprocess.Popen(
        [sys.executable, __file__, str(theirs.fileno())],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
      )

  def start(
    self,
    command: Sequence[str],
    cwd: str | os.PathLike[str] = ROOT,
    env: Mapping[str, str] | None = None,
    stdin: bool = False,
  ) -> Process:
    """Starts a process.

    Args:
      command: what would stand behind `python` on a command line.
      cwd: its working directory; names of scripts begin there.
      env: its environment, by default that of this process.
      stdin: whether it gets a pipe; otherwise it has no input.
    """
    assert self._process.poll() is None, "the server has ended"
    request, out, err = (tempfile.TemporaryFile() for _ in range(3))  # noqa: SIM115, kept open
    given = {"command": list(command), "cwd": os.fspath(cwd), "env": dict(env or os.environ)}
    request.write(json.dumps(given).encode())
    request.seek(0)
    reading, writing = os.pipe()
    source, sink = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), None)
    theirs = [request.fileno(), source, out.fileno(), err.fileno(), writing]
    socket.send_fds(self._socket, [b"+"], theirs)
    request.close()
    os.close(writing)
    os.close(source)
    status = os.fdopen(reading, "rb", buffering=0)
    return Process(status, (out, err), None if sink is None else os.fdopen(sink, "wb"))

  def run(
    self, command: Sequence[str], timeout: float = 300, **more
  ) -> subprocess.CompletedProcess:
    """As `start`, to the end."""
    with self.start(command, **more) as process:
      out, err = process.communicate(timeout)
    return CompletedProcess(list(command), process.wait(), out, err)

  def close(self) -> None:
    self._socket.close()
    self._process.wait()


# ---- In the process that forks ----

MODULES = (
  "matplotlib.figure",
  "ml_collections.config_flags",
  "sklearn.datasets",
  "sklearn.linear_model",
  "sklearn.metrics",
  "sklearn.model_selection",
  "sklearn.pipeline",
  "apr_jax.evaluation.suites",
  "apr_jax.report.write",
  "apr_jax.sweep.run_all",
  "apr_jax.training.loop",
)


def serve(requests: socket.socket) -> dict:
  """Forks for each request; returns in a fork, and there alone, what was asked for."""
  ended, woken = os.pipe()  # a byte for each child that has ended
  os.set_blocking(woken, False)
  signal.set_wakeup_fd(woken)
  signal.signal(signal.SIGCHLD, lambda *_: None)
  running: dict[int, int] = {}  # pid: where its exit code is written to
  while True:
    ready, _, _ = select.select([requests, ended], [], [])
    if ended in ready:
      os.read(ended, 4096)
      while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
          break
        # Nobody may be left to hear it.
        with contextlib.suppress(BrokenPipeError), open(running.pop(pid), "w") as said:
          said.write(f"{os.waitstatus_to_exitcode(status)}\n")
    if requests in ready:
      message, received, *_ = socket.recv_fds(requests, 1, 5)
      if not message:
        sys.exit()
      request, *streams, told = received
      pid = os.fork()
      if not pid:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        requests.close()
        for descriptor in (ended, woken, told, *running.values()):
          os.close(descriptor)
        for number, descriptor in enumerate(streams):
          os.dup2(descriptor, number)
          os.close(descriptor)
        with open(request) as asked:
          return json.load(asked)
      for descriptor in (request, *streams):
        os.close(descriptor)
      os.write(told, f"{pid}\n".encode())
      running[pid] = told


def run(command: Sequence[str]) -> None:
  """As `python` does it."""
  first, *arguments = command
  if first == "-c":
    sys.argv, sys.path[0] = ["-c", *arguments[1:]], ""
    exec(compile(arguments[0], "<string>", "exec"), {"__name__": "__main__"})
  elif first == "-m":
    sys.argv, sys.path[0] = list(arguments), os.getcwd()
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
  else:
    sys.argv, sys.path[0] = list(command), os.path.dirname(os.path.abspath(first))
    runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
  filters = list(warnings.filters)
  for module in MODULES:
    importlib.import_module(module)
  sys.modules["apr_jax.training.tensorboard"]._tensorboardx()  # which brings no PyTorch along
  warnings.filters[:] = filters
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of forking, which is safe here: no device is open
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
  os.environ.clear()
  os.environ.update(asked["env"])
  os.chdir(asked["cwd"])
  run(asked["command"])
