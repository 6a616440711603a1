"""A second run in the same folder is refused where that can be told."""

import itertools
import json
import subprocess
import sys
import time

import pytest

from apr_jax import files
from apr_jax.errors import UserError
from apr_jax.run import claim
from apr_jax.run.claim import CLAIM, Claim


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
  monkeypatch.setattr(claim, "RENEW", 0.2)
  monkeypatch.setattr(claim, "PATIENCE", 3.0)


def take(folder, said=None):
  held = Claim(folder, "training", (said if said is not None else []).append)
  held.take()
  return held


def test_on_disk_one_holds_the_folder_and_leaves_nothing(tmp_path):
  with take(tmp_path) as first:
    first.take()  # again is nothing
    with pytest.raises(UserError, match=f"another training is at work in {tmp_path}; wait until"):
      take(tmp_path)
  with take(tmp_path):
    assert list(tmp_path.iterdir()) == []
  with take(tmp_path / "none"):
    assert not (tmp_path / "none").exists()


def test_on_disk_the_lock_of_a_killed_process_is_gone_with_it(tmp_path):
  code = """
import json, pathlib, sys, time
from apr_jax.run import claim
held = claim.Claim(pathlib.Path(sys.argv[1]), "training", print)
held.take()
print(json.dumps(claim._machine()), flush=True)
time.sleep(100)
"""
  command = [sys.executable, "-c", code, str(tmp_path)]
  with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
    assert json.loads(process.stdout.readline()) == claim._machine()  # it runs where this one does
    with pytest.raises(UserError, match="another training is at work"):
      take(tmp_path)
    process.kill()
    process.wait()
    with take(tmp_path):
      assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("days", [1, -1, 0], ids=["set forward", "set back", "stands still"])
def test_in_a_store_a_living_claim_is_respected_whatever_the_clocks_say(bucket, monkeypatch, days):
  asked = itertools.count(1e9, 86400.0 * days)
  monkeypatch.setattr(time, "time", lambda: next(asked))  # by another machine each time
  folder, said = files.path(bucket), []
  with take(folder), pytest.raises(UserError, match="another training is at work in gs://.*on"):
    take(folder, said)
  assert len(said) == 1 and "waits 3 s for a sign of life" in said[0]
  assert files.entries(folder) == []
  with take(folder, said):
    assert [name for name, _ in files.entries(folder)] == [CLAIM]
  assert len(said) == 1  # nobody to wait for


def of_killed(folder, **changes):
  """The claim of a process that was killed."""
  process = subprocess.Popen([sys.executable, "-S", "-c", ""])
  process.wait(timeout=100)
  values = {"token": "other", "written": 7, "time": time.time(), "process": process.pid}
  files.write_json(folder / CLAIM, values | claim._machine() | changes)


def test_the_claim_of_a_killed_process_is_taken_over(bucket):
  folder, said = files.path(bucket), []
  of_killed(folder)
  with take(folder, said):
    assert not said  # it ran on this machine, where it can be seen that it is gone
  of_killed(folder, host="another")
  with take(folder, said):
    assert len(said) == 1


def test_a_run_whose_folder_was_taken_over_is_told(bucket):
  folder = files.path(bucket)
  with take(folder) as first:
    first.check()
    of_killed(folder, host="another")
    first._renewing.join(10)
    with pytest.raises(UserError, match=r"another training, process \d+ on another, has taken"):
      first.check()
  assert json.loads((folder / CLAIM).read_text())["host"] == "another"  # and it stays
