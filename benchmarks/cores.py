"""A benchmark on one core by CPU time, then on all cores by the clock, in a process each: JAX keeps
the threads that it starts with.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable


def restrict(cores: int | None) -> None:
  """Leaves this process so many of its cores; before JAX starts. None: all."""
  if cores:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])


def clock(cores: int | None) -> Callable[[], float]:
  """Of one core CPU time, of which other processes take hardly any; else the clock on the wall."""
  return time.process_time if cores == 1 else time.perf_counter


def on_each_number(module: str, path: str | None) -> int:
  """This command again with `--cores 1`, and with all of them.

  Args:
    module: of the command, which takes --cores and --json.
    path: file for the numbers, those of one core and, under "cores", all; None: none is written.

  Returns:
    the exit code.
  """
  found, failed = {}, 0
  with tempfile.TemporaryDirectory() as folder:
    for cores in sorted({1, len(os.sched_getaffinity(0))}):
      part = pathlib.Path(folder, f"{cores}.json")
      command = [sys.executable, "-m", module, *sys.argv[1:]]
      # The last of a flag that is given twice counts.
      command += ["--cores", str(cores), "--json", str(part)]
      failed |= subprocess.run(command).returncode
      if not part.exists():
        return failed
      found[str(cores)] = json.loads(part.read_text())
  if path:
    text = json.dumps(found["1"] | {"cores": found}, indent=2)
    pathlib.Path(path).write_text(text + "\n")
  return failed
