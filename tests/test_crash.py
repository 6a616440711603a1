"""A short version of the crash matrix, `benchmarks.crash`, in which nothing may be lost."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.slow
def test_nothing_is_lost(tmp_path):
  command = [
    *(sys.executable, "-m", "benchmarks.crash", "--kills=5", "--epochs=40", "--evaluations=1"),
    "--only=training,evaluation",
  ]
  # One device, and every program kept for the next process.
  one = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=1"
  kept = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "XLA_FLAGS": one}
  ended = subprocess.run(
    command,
    cwd=ROOT,
    env=os.environ | {"TMPDIR": str(tmp_path), "JAX_PLATFORMS": "cpu"} | kept,
    text=True,
    capture_output=True,
    timeout=1200,
  )
  assert ended.returncode == 0, ended.stdout + ended.stderr
  rows = [line.split("|")[1].strip() for line in ended.stdout.splitlines() if line[:1] == "|"][2:]
  assert [row.partition(":")[0] for row in rows] == ["training", "evaluation"]
  assert all("kill -9" in row for row in rows)
