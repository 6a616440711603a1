"""evaluate.py in two processes on this machine."""

import json
import os
import pathlib
import socket
import time

import pytest

from apr_jax.classifiers import from_file
from apr_jax.evaluation import runner
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.suites import choose, configure

ROOT = pathlib.Path(__file__).parents[2]
SUITES, OPTION = ("clean", "ood", "corruptions"), "corruptions.names=('brightness', 'contrast')"
CLASSIFIER = """
import os, time
import numpy as np
import apr_jax

def linear():
  weights = np.random.default_rng(0).normal(size=(48, 10)).astype(np.float32)

  def logits(images):
    time.sleep(float(os.environ.get("SECONDS_PER_CALL", "0")))
    means = images.reshape(len(images), 4, 8, 4, 8, 3).mean((2, 4)).reshape(len(images), -1)
    return means.astype(np.float32) / 255 @ weights

  return apr_jax.FromFunction(logits, 10, (32, 32), name="linear")
"""


def start(forks, folder, seconds_per_call="0"):
  with socket.socket() as free:
    free.bind(("localhost", 0))
    address = f"localhost:{free.getsockname()[1]}"
  command = [str(ROOT / "evaluate.py"), "--classifier=mine.py:linear"]
  command += ["--data=digits", f"--suites={','.join(SUITES)}", f"--option={OPTION}", "--out=two"]
  command += ["--noreport", f"--coordinator={address}", "--num_processes=2"]
  environment = os.environ | {"SECONDS_PER_CALL": seconds_per_call, "PYTHONPATH": str(ROOT)}
  return [
    forks.start([*command, f"--process_id={number}"], cwd=folder, env=environment)
    for number in range(2)
  ]


@pytest.mark.slow
def test_two_processes_find_what_one_finds_also_when_one_of_them_is_killed(tmp_path, forks):
  (tmp_path / "mine.py").write_text(CLASSIFIER)
  classifier = from_file.load(str(tmp_path / "mine.py:linear"))
  suites = configure(choose(SUITES), [OPTION])
  one = runner.evaluate(
    classifier, Settings.of(classifier, data="digits"), suites, tmp_path / "one", quiet=True
  )
  stored = (tmp_path / "one" / "results.json").read_text()

  processes = start(forks, tmp_path, seconds_per_call="1")
  while sum(len(file.read_text().splitlines()) for file in tmp_path.glob("two/parts-*")) < 4:
    assert [process.poll() for process in processes] == [None, None]
    time.sleep(0.1)
  processes[1].kill()
  _, said = processes[0].communicate(timeout=60)
  processes[1].communicate()
  assert processes[0].returncode == 1
  assert said == (
    "process 1 of 2 has died; what is finished is saved: "
    "the same command, in all of them, goes on\n"
  )
  assert (
    not (tmp_path / "two" / "results.json").exists()
    or json.loads((tmp_path / "two" / "results.json").read_text()).keys() != one.results.keys()
  )

  processes = start(forks, tmp_path)
  outputs = [process.communicate(timeout=300) for process in processes]
  assert [process.returncode for process in processes] == [0, 0], outputs
  assert (tmp_path / "two" / "results.json").read_text() == stored
  assert "mean corruption error" in outputs[0][0] and "mean" not in outputs[1][0]
