"""A second run in the same folder is refused where that can be told."""

import json

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


def test_in_a_store_a_living_claim_is_respected(bucket):
  folder, said = files.path(bucket), []
  with take(folder), pytest.raises(UserError, match="another training is at work in gs://.*on"):
    take(folder, said)
  assert len(said) == 1 and "waits 3 s for a sign of life" in said[0]
  assert files.entries(folder) == []
  with take(folder, said):
    assert [name for name, _ in files.entries(folder)] == [CLAIM]
  assert len(said) == 1  # nobody to wait for


@pytest.fixture
def of_killed(forks):
  """Writes the claim of a process that was killed."""
  code = "import json, os; from apr_jax.run import claim; print(json.dumps(claim._machine()))"
  process = forks.start(["-c", code])
  machine = json.loads(process.communicate(100)[0])
  values = {"token": "other", "process": process.pid} | machine

  def write(folder, **changes):
    files.write_json(folder / CLAIM, values | {"time": claim.time.time()} | changes)

  return write


def test_the_claim_of_a_killed_process_is_taken_over(bucket, of_killed):
  folder, said = files.path(bucket), []
  of_killed(folder)
  with take(folder, said):
    assert not said  # it ran on this machine, where it can be seen that it is gone
  of_killed(folder, host="another")
  with take(folder, said):
    assert len(said) == 1
  of_killed(folder, host="another", time=0.0)
  with take(folder, said):
    assert len(said) == 1  # so long ago that nobody waits


def test_a_run_whose_folder_was_taken_over_is_told(bucket, of_killed):
  folder = files.path(bucket)
  with take(folder) as first:
    first.check()
    of_killed(folder, host="another")
    first._renewing.join(10)
    with pytest.raises(UserError, match=r"another training, process \d+ on another, has taken"):
      first.check()
  assert json.loads((folder / CLAIM).read_text())["host"] == "another"  # and it stays
