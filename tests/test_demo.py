"""The demonstration, of two copied trainings: what it writes and names, and what a second start
repeats.
"""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

import demo
from apr_jax import data, experiment
from apr_jax.evaluation import part_store
from apr_jax.evaluation.corruptions import Corruptions
from apr_jax.evaluation.suites import SUITES
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
  monkeypatch.setattr(demo, "LIMIT", 48)
  monkeypatch.setattr(panels, "PANELS", {})
  few = {"corruptions": Corruptions(("brightness",))}
  monkeypatch.setattr(demo, "SUITES", {"clean": SUITES["clean"], "ood": SUITES["ood"]} | few)
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
  assert demo.table(summary) in first
  assert summary.keys() == {*demo.NETWORKS, "seconds", "counts_earlier_starts"}
  assert f"; {summary['seconds']:.0f} seconds. Lower" in first
  assert summary["counts_earlier_starts"] is True
  for name in demo.NETWORKS:
    scores = summary[name]
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
  changed = {path.name for path in before if before[path] != after[path]}
  assert changed <= {"report.html", "compare.html", "summary.json"}
  again = json.loads((small / "summary.json").read_text())
  assert again.pop("counts_earlier_starts") is False and again.pop("seconds") > 0
  assert again == {name: summary[name] for name in demo.NETWORKS}
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
