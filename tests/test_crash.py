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
    *(sys.executable, "-m", "benchmarks.crash", "--kills=5", "--evaluations=1"),
    "--only=training,evaluation",
  ]
  ended = subprocess.run(
    command,
    cwd=ROOT,
    env=os.environ | {"TMPDIR": str(tmp_path), "JAX_PLATFORMS": "cpu"},
    text=True,
    capture_output=True,
    timeout=1200,
  )
  assert ended.returncode == 0, ended.stdout + ended.stderr
  rows = [line.split("|")[1].strip() for line in ended.stdout.splitlines() if line[:1] == "|"][2:]
  assert [row.partition(":")[0] for row in rows] == ["training", "evaluation"]
  assert all("kill -9" in row for row in rows)
