"""Whether a training comes out the same to the bit: again, compiled anew, stopped and continued,
and on other numbers of threads and devices.

    python -m benchmarks.determinism [--config FILE] [--threads 1,4] [--devices 2] [FLAG ...]

Each row is a run of train.py in a process and a folder of its own; FLAGs, such as
`--config.epochs=2`, go to all of them. XLA_FLAGS of the environment count, so `XLA_FLAGS=... python
-m benchmarks.determinism` tells what a flag does. Compared are parameters, statistics, optimizer
and key of the last checkpoint, and metrics.jsonl but for the speed. `--threads` and `--devices` are
of CPUs. The exit code is 1 if one of the first three rows differs.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from absl import logging

from apr_jax.run import checkpoint
from apr_jax.run.metrics import METRICS, read_metrics
from benchmarks.crash_state import leaves_of, metrics_of

ROOT = pathlib.Path(__file__).parents[1]


class Runs:
  """Trainings with one configuration.

  Args:
    folder: where they are.
    flags: of train.py, for all.
  """

  def __init__(self, folder: pathlib.Path, flags: Sequence[str]):
    self._folder, self._flags = folder, flags

  def train(
    self, name: str, environment: Mapping[str, str] | None = None, stop: int = 0
  ) -> pathlib.Path:
    """The folder of a finished run.

    Args:
      name: of its folder.
      environment: variables that it has beside ours.
      stop: SIGTERM after so many logged windows, before the same command continues; 0 = never.
    """
    workdir = self._folder / name
    variables = {"JAX_COMPILATION_CACHE_DIR": str(self._folder / "cache")} | (environment or {})
    command = [sys.executable, str(ROOT / "train.py"), f"--workdir={workdir}", *self._flags]
    for ends in (stop, 0) if stop else (0,):
      with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | variables, stdout=subprocess.DEVNULL
      ) as process:
        while ends and process.poll() is None and len(read_metrics(workdir / METRICS)) < ends:
          time.sleep(0.01)
        if ends:
          process.send_signal(signal.SIGTERM)
      expected = 128 + signal.SIGTERM if ends else 0
      if process.returncode != expected:
        raise SystemExit(f"train.py ended with {process.returncode}, not {expected}")
    return workdir


def differences(expected: pathlib.Path, found: pathlib.Path) -> tuple[int, int, float, int]:
  """(arrays that differ, arrays, largest difference of a parameter or statistic relative to the
  largest value of its array, lines of metrics that differ).
  """
  first, second = leaves_of(expected), leaves_of(found)
  if first.keys() != second.keys():
    raise SystemExit("the checkpoints hold different arrays")
  differ, largest = 0, 0.0
  for name, a in first.items():
    b = second[name]
    differ += a.tobytes() != b.tobytes()
    if name.startswith(checkpoint.MODEL):
      largest = max(largest, np.abs(a - b).max() / max(np.abs(a).max(), np.finfo(a.dtype).tiny))
  lines = metrics_of(expected), metrics_of(found)
  if len(lines[0]) != len(lines[1]):
    raise SystemExit("the runs logged different numbers of lines")
  return differ, len(first), largest, sum(a != b for a, b in zip(*lines))


def on_cpu(devices: int) -> dict[str, str]:
  """The environment of a run on so many virtual devices."""
  given = os.environ.get("XLA_FLAGS", "")
  return {"XLA_FLAGS": f"{given} --xla_force_host_platform_device_count={devices}"}


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--config", default="configs/digits_apr_sp.py", help="a file of configs/")
  for name, what in (("threads", "threads"), ("devices", "virtual devices")):
    parser.add_argument(f"--{name}", default="", help=f"numbers of {what} of a CPU to try")
  arguments, flags = parser.parse_known_args()
  logging.set_verbosity(logging.ERROR)  # Orbax misses files that it does not need
  numbers = {
    name: [int(number) for number in getattr(arguments, name).split(",") if number]
    for name in ("threads", "devices")
  }

  with tempfile.TemporaryDirectory() as folder:
    runs = Runs(pathlib.Path(folder), [f"--config={arguments.config}", *flags])
    first = runs.train("first")
    print(f"{arguments.config} {' '.join(flags)}, jax {jax.__version__}\n")
    print("| the same command | arrays that differ | by at most | lines of metrics that differ |")
    print("|---|---|---|---|")
    cases = {
      "again": {},
      "compiled anew": {
        "environment": {"JAX_COMPILATION_CACHE_DIR": str(pathlib.Path(folder) / "another cache")}
      },
      "stopped halfway, continued": {"stop": max(1, len(read_metrics(first / METRICS)) // 2)},
    }
    must = len(cases)
    for threads in numbers["threads"]:
      cases[f"{threads} thread(s)"] = {"environment": {"NPROC": str(threads)}}
    for devices in numbers["devices"]:
      cases[f"{devices} device(s)"] = {"environment": on_cpu(devices)}
    failed = False
    for place, (name, how) in enumerate(cases.items()):
      differ, arrays, largest, lines = differences(first, runs.train(str(place), **how))
      failed |= place < must and bool(differ or lines)
      print(f"| {name} | {differ} of {arrays} | {largest:.1e} | {lines} |", flush=True)
  return int(failed)


if __name__ == "__main__":
  sys.exit(main())
