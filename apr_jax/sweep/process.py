"""One process per run, so that a crash or a lack of memory ends that run alone."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence

from apr_jax import files
from apr_jax.errors import Stopped, UserError, one_line
from apr_jax.run.claim import Claim
from apr_jax.sweep.plan import Run

# What trains and evaluates a run.
COMMAND = (sys.executable, "-m", "apr_jax.sweep.one_run")
LOG = "log.txt"
_LOCK = "sweep.lock"
_LOOK_EVERY = 2.0  # seconds between two looks at the log, for a terminal


@contextlib.contextmanager
def only_sweep(workdir: pathlib.Path) -> Iterator[int | None]:
  """Makes the folder and holds its lock, which the runs' processes hold too: one sweep at a time.

  Yields:
    the lock's file descriptor; None in an object store, where it is a claim that is renewed, and
    each run claims its own folder.

  Raises:
    UserError: another sweep is at work there, or the folder cannot be written.
  """
  if files.is_address(workdir):
    with Claim(workdir, "sweep", print) as claim:
      claim.take()
      yield None
    return
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    lock = (workdir / _LOCK).open("ab")
  except OSError as error:
    raise UserError(
      f"the folder {workdir} cannot be written: {one_line(error)}; use another --workdir"
    ) from error
  with lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise UserError(
        f"another sweep, or a run of one that was killed, is still at work in {workdir}; wait "
        f"until it has stopped, or use another --workdir"
      ) from error
    yield lock.fileno()


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
  """Inside, SIGINT and SIGTERM raise `Stopped`."""

  def stop(number, frame):
    del frame
    raise Stopped(number, "; what is finished is saved: the same command goes on")

  before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
  try:
    yield
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)


def execute(
  run: Run, suites: Sequence[str], lock: int | None, command: Sequence[str] = COMMAND
) -> str | None:
  """Trains and evaluates a run, with its output behind that of earlier attempts in FOLDER/log.txt.

  Args:
    run: what to do.
    suites: what to evaluate.
    lock: file descriptor that the process keeps open, if any.
    command: of the process; the run follows as --config, --set, --workdir and --suites.

  Returns:
    None when all is done, else why it failed, in one line.

  Raises:
    Stopped: by a signal; the process has saved its state and is gone.
  """
  arguments = [
    *command,
    f"--config={run.file}",
    *(f"--set={override}" for override in run.overrides),
    f"--workdir={run.folder}",
    f"--suites={','.join(suites)}",
  ]
  with _log_of(run) as place:
    if isinstance(place, str):
      return place
    return _execute(arguments, place, () if lock is None else (lock,))


@contextlib.contextmanager
def _log_of(run: Run) -> Iterator[pathlib.Path | str]:
  """Where the log of a run is written, or why it cannot be; of a run in an object store that is a
  file here, which is copied there at its end.
  """
  if not files.is_address(run.folder):
    try:
      run.folder.mkdir(parents=True, exist_ok=True)
      (run.folder / LOG).open("ab").close()
    except OSError as error:
      yield f"the folder {run.folder} cannot be written: {one_line(error)}"
      return
    yield run.folder / LOG
    return
  with tempfile.TemporaryDirectory() as here:
    place = pathlib.Path(here) / LOG
    before = run.folder / LOG
    place.write_bytes(before.read_bytes() if before.exists() else b"")
    try:
      yield place
    finally:
      files.write_bytes(before, place.read_bytes())


def _execute(arguments: Sequence[str], place: pathlib.Path, kept_open: Sequence[int]) -> str | None:
  """Runs the command with its output behind what is in the log; as `execute`."""
  with place.open("ab") as log:
    start = log.tell()
    try:
      process = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=log, stderr=log, pass_fds=kept_open
      )
    except OSError as error:
      return f"its process cannot be started: {one_line(error)}"
    with process:
      try:
        code = _wait(process, place, start)
      except Stopped:
        _stop(process)
        raise
  if code == 0:
    return None
  if code < 0:
    by_the_system = " (as the system does when memory runs out)" if code == -signal.SIGKILL else ""
    return f"killed by {signal.Signals(-code).name}{by_the_system}"
  return _last_line(place, start).removeprefix("error: ")


def _wait(process: subprocess.Popen, log: pathlib.Path, start: int) -> int:
  """The exit code; meanwhile a terminal shows the log's last line."""
  terminal = sys.stdout.isatty()
  while True:
    try:
      return process.wait(_LOOK_EVERY if terminal else None)
    except subprocess.TimeoutExpired:
      line = _last_line(log, start)[: shutil.get_terminal_size().columns - 1]
      print(f"\r\033[K{line}", end="", flush=True)  # over the line before
    finally:
      if terminal and process.returncode is not None:
        print("\r\033[K", end="", flush=True)


def _stop(process: subprocess.Popen) -> None:
  """Asks the process to save its state and stop; a second signal does not wait for that."""
  process.terminate()
  try:
    process.wait()
  except Stopped:
    process.kill()
    process.wait()


def _last_line(log: pathlib.Path, start: int) -> str:
  """The last line that is not empty of what was written from byte `start` on, at most 300
  characters.
  """
  with log.open("rb") as file:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(start, size - 4096))
    lines = file.read().decode(errors="replace").split("\n")
  return one_line(next((line for line in reversed(lines) if line.strip()), "it said nothing"))
