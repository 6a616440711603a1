"""Seconds from the start of train.py to its first finished step, without and with compiled programs
on disk.

    python -m benchmarks.startup

Runs configs/digits_apr_sp.py twice in fresh folders, with a compilation cache that is empty before
the first run. The first step is finished when its line stands in metrics.jsonl. Exit code 1 if the
second start misses its bar, which holds on CPU.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import jax

ROOT = pathlib.Path(__file__).parent.parent
BAR = 15.0


def seconds_to_first_step(config: str, workdir: pathlib.Path, cache: pathlib.Path) -> float:
  """Trains for an epoch; the seconds from its start to its first logged step."""
  metrics = workdir / "metrics.jsonl"
  command = [
    sys.executable,
    str(ROOT / "train.py"),
    "--config",
    config,
    "--workdir",
    str(workdir),
    "--config.epochs=1",
    "--config.log_every_steps=1",
  ]
  start = time.perf_counter()
  process = subprocess.Popen(
    command,
    cwd=ROOT,
    env=os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)},
    stdout=subprocess.DEVNULL,
  )
  while not (metrics.exists() and metrics.stat().st_size):
    if process.poll() is not None:
      raise SystemExit(f"train.py ended before its first step, with exit code {process.returncode}")
    time.sleep(0.02)
  elapsed = time.perf_counter() - start
  if process.wait():  # to the end: what it compiles later belongs into the cache too
    raise SystemExit(f"train.py failed with exit code {process.returncode}")
  return elapsed


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--config", default="configs/digits_apr_sp.py", help="a file of configs/")
  arguments = parser.parse_args()

  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    first, second = (
      seconds_to_first_step(arguments.config, folder / name, folder / "cache")
      for name in ("first", "second")
    )
  on_cpu = jax.default_backend() == "cpu"
  verdict = ("PASS" if second < BAR else "FAIL") if on_cpu else "on CPU only"
  print(
    f"{arguments.config}, jax {jax.__version__} on {jax.default_backend()}, "
    f"{os.cpu_count()} CPU cores\n"
  )
  print("| start | seconds to the first step | bar |\n|---|---|---|")
  print(f"| first, nothing compiled | {first:.1f} | none |")
  print(f"| second | {second:.1f} | under {BAR:.0f}, {verdict} |")
  return int(on_cpu and second >= BAR)


if __name__ == "__main__":
  sys.exit(main())
