"""A run whose folder lies in a store: killed, continued, evaluated, reported."""

import json
import os
import pathlib
import shutil
import sys
import time

import jax
import numpy as np
import pytest

from apr_jax import compare, files, make_corruptions, models
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.data import ArrayData
from apr_jax.evaluation import runner
from apr_jax.evaluation.settings import Settings
from apr_jax.report.write import write_report
from apr_jax.run import checkpoint
from apr_jax.run.metrics import METRICS, read_metrics
from apr_jax.sweep import plan, process

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = """
import jax.numpy as jnp
from flax import linen as nn

from apr_jax import models
from configs import digits_base


class Linear(nn.Module):
  num_classes: int
  dtype: object = jnp.float32
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images, train):
    x = images.reshape(len(images), 4, 8, 4, 8, 3).mean((2, 4)).reshape(len(images), -1)
    return nn.Dense(self.num_classes, name="fc")(x) if self.num_classes else x


models.NETWORKS["linear"] = Linear


def get_config():
  config = digits_base.get_config()
  config.update_from_flattened_dict({
    "epochs": 16, "batch_size": 32, "log_every_steps": 2, "eval_every_epochs": 4,
    "data.limit": 64, "model.name": "linear", "schedule.name": "constant",
    "schedule.warmup_epochs": 0.0, "checkpoint.keep": 1,
  })
  return config
"""


@pytest.fixture
def command(tmp_path, forks):
  (tmp_path / "tiny.py").write_text(CONFIG)
  environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
  environment["XLA_FLAGS"] = environment["XLA_FLAGS"].replace("count=4", "count=1")

  def start(workdir):
    given = [f"--config={tmp_path}/tiny.py", f"--workdir={workdir}"]
    return forks.start([str(ROOT / "train.py"), *given], cwd=tmp_path, env=environment)

  return start


def finish(started):
  out, err = started.communicate(timeout=300)
  assert started.returncode == 0, err
  return out


def kill_when(started, seen):
  while not seen():
    assert started.poll() is None, started.communicate()[1][:2000]
    time.sleep(0.02)
  started.kill()
  started.communicate()


def steps_begun(folder):
  return [int(name) for name, _ in files.entries(folder / checkpoint.FOLDER) if name.isdigit()]


@pytest.fixture
def linear(monkeypatch):
  """The network of CONFIG, in this process too."""
  monkeypatch.setitem(models.NETWORKS, "linear", None)  # so that it is taken out again
  exec(CONFIG.partition("def get_config")[0], {})


def evaluated(workdir):
  """The parameters of a run, and its scores, which are written into its folder with a report."""
  classifier = LoadedClassifier(workdir)
  settings = Settings.of(classifier, limit=40)
  out = files.path(workdir) / "eval"
  evaluation = runner.evaluate(classifier, settings, ("clean", "ood"), out, quiet=True)
  write_report(evaluation)
  stored = json.loads((out / "results.json").read_text())
  assert (out / "report.html").read_text().startswith("<!doctype html>")
  return classifier.variables["params"], {suite: stored[suite] for suite in ("clean", "ood")}


def without_speed(lines):
  return [
    {key: value for key, value in line.items() if key != "images_per_second"} for line in lines
  ]


@pytest.mark.slow
def test_a_run_that_was_killed_twice_ends_as_one_that_was_not(bucket, tmp_path, command, linear):
  folder = files.path(bucket) / "run"
  # After a whole checkpoint; and while one is written, which leaves objects that do not count.
  kill_when(command(folder), lambda: (checkpoint.latest_step(folder) or 0) >= 6)
  kill_when(
    command(folder),
    lambda: max(steps_begun(folder), default=0) > max(16, checkpoint.latest_step(folder) or 0),
  )
  between = checkpoint.latest_step(folder)
  assert 6 <= between < max(steps_begun(folder)) <= 32
  assert f"continues at step {between}" in finish(command(folder))
  assert checkpoint.latest_step(folder) == 32 and steps_begun(folder) == [32]

  finish(command(tmp_path / "undisturbed"))
  killed, scores = evaluated(folder)
  undisturbed, same_scores = evaluated(tmp_path / "undisturbed")
  assert len(jax.tree.leaves(killed)) == 2
  jax.tree.map(np.testing.assert_array_equal, killed, undisturbed)
  assert scores == same_scores
  lines = without_speed(read_metrics(folder / METRICS))
  assert lines == without_speed(read_metrics(tmp_path / "undisturbed" / METRICS))
  assert len(lines) == 16 + 4
  names = [entry.name for entry in files.entries(folder)]
  assert "claim.json" not in names and "config.json" in names
  assert any(name.startswith("events.out.tfevents") for name in names)
  compare.compare([str(folder), str(tmp_path / "undisturbed")], f"{bucket}/compare.html")
  assert "Comparison of 2 runs" in (files.path(bucket) / "compare.html").read_text()


def test_corrupted_sets_are_made_there(bucket, tmp_path):
  images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
  test = ArrayData(images, np.arange(3, dtype=np.int32), 3, "mine")
  for folder in (files.path(bucket) / "c", tmp_path / "c"):
    for _ in range(2):  # the second finds everything there
      make_corruptions.make(test, folder, names=("brightness",), quiet=True)
  for name in ("brightness.npy", "labels.npy", "regenerated.json"):
    assert (files.path(bucket) / "c" / name).read_bytes() == (tmp_path / "c" / name).read_bytes()
  shutil.rmtree(tmp_path / "c")


def test_the_log_of_a_sweeps_run_is_kept_there(bucket):
  run = plan.Run("mine.py", (), None, "", files.path(bucket) / "run")
  with process.only_sweep(files.path(bucket)) as lock:
    assert lock is None
    assert (files.path(bucket) / "claim.json").exists()
    for line, code in (("first", 0), ("error: second", 2)):
      command = (sys.executable, "-S", "-E", "-c", f"print({line!r}); raise SystemExit({code})")
      failure = process.execute(run, ("clean",), lock, command)
      assert failure == (None if code == 0 else "second")
  assert (run.folder / "log.txt").read_text() == "first\nerror: second\n"
