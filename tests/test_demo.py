"""The demonstration, of two copied trainings: what it writes and names, and what a second start
repeats.
"""

import functools
import json
import os
import pathlib
import shutil
import subprocess

import pytest

import demo
from apr_jax import corruptions, data, experiment
from apr_jax.evaluation import part_store, runner
from apr_jax.report import panels
from apr_jax.run import configuration
from apr_jax.training import loop

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def small(run, tmp_path, monkeypatch):
  """The folder of a demonstration of seconds: the first training is a copied run; a few scores and
  no pictures.
  """
  for _, config in demo.NETWORKS.values():
    monkeypatch.setattr(config, "get_config", lambda: configuration.read_config(run))
  train = loop.train

  def copy_or_train(config, folder):
    if not folder.exists():
      shutil.copytree(run, folder)
      configuration.adopt_config(folder, experiment.resolve(config, data.load("digits", "train")))
    else:
      train(config, folder)

  monkeypatch.setattr(loop, "train", copy_or_train)
  monkeypatch.setattr(runner, "evaluate", functools.partial(runner.evaluate, limit=48, quiet=True))
  monkeypatch.setattr(corruptions, "CORRUPTIONS", ("brightness",))
  monkeypatch.setattr(panels, "PANELS", {})
  monkeypatch.setattr(demo, "SUITES", ("clean", "corruptions", "ood"))
  monkeypatch.setattr(demo, "FOLDER", tmp_path / "demo")
  return tmp_path / "demo"


def contents(folder):
  return {
    path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
  }


@pytest.mark.slow
def test_the_demo_ends_by_naming_its_reports_and_a_second_start_too(small, monkeypatch, capsys):
  named = [
    small / "standard" / "eval" / "report.html",
    small / "apr_sp" / "eval" / "report.html",
    small / "compare.html",
  ]
  ending = "\n".join(["", "Look at the reports:", *(f"  {path}" for path in named), ""])
  demo.main()
  first = capsys.readouterr().out
  assert (
    first.endswith(ending)
    and " seconds. Lower errors" in first
    and "nothing left to do" not in first
  )
  assert all("Configuration and versions" in path.read_text() for path in named)
  summary = json.loads((small / "summary.json").read_text())
  assert demo.table(summary) in first and summary.keys() == demo.NETWORKS.keys()
  for name, scores in summary.items():
    results = json.loads((small / name / "eval" / "results.json").read_text())
    assert scores == {
      "clean_error": results["clean"]["error"],
      "mean_error": results["corruptions"]["mean_error"],
      "mean_auroc": results["ood"]["mean_auroc"],
    }

  before = contents(small)
  for path in [*named, small / "summary.json"]:
    path.write_text("damaged")
  monkeypatch.setattr(
    part_store.PartStore, "put", lambda *_: pytest.fail("a finished part is computed again")
  )
  demo.main()
  second = capsys.readouterr().out
  assert second.endswith(ending) and second.count("nothing left to do") == 2
  assert " seconds, not counting what an earlier start had finished. Lower errors" in second
  after = contents(small)
  assert after.keys() == before.keys()
  assert [path for path in before if before[path] != after[path] and path.suffix != ".html"] == []
  assert all("Configuration and versions" in path.read_text() for path in named)


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_demo_ends_with_the_demo():
  # of `make test`
  environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
  done = subprocess.run(
    ["make", "--dry-run", "demo"],
    cwd=ROOT,
    env=environment,
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout.splitlines()[-1] == ".venv/bin/python demo.py"
