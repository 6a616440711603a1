"""Evaluations from end to end: of a trained run, and of a function."""

import dataclasses
import functools
import itertools
import json
import math
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

import apr_jax
from apr_jax import corruptions, data, make_corruptions, metrics
from apr_jax.classifiers import of_run
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.corruptions import whole_sets
from apr_jax.errors import UserError
from apr_jax.evaluation import corruption_sources, provenance, runner
from apr_jax.evaluation.calibration import Calibration
from apr_jax.evaluation.clean import Clean
from apr_jax.evaluation.corruptions import Corruptions
from apr_jax.evaluation.evaluator import Evaluator
from apr_jax.evaluation.ood import Ood
from apr_jax.evaluation.settings import SOURCES, Settings
from apr_jax.evaluation.suites import DEFAULT_SUITES, SUITES, choose
from apr_jax.report.results import read_scores
from apr_jax.run import checkpoint

OOD = {"auroc", "tnr95", "dtacc", "aupr_in", "aupr_out", "oscr"}
LIMIT = 48
ROOT = pathlib.Path(__file__).parents[2]
CORRUPTIONS = ("gaussian_noise", "brightness")  # quick to compile, and one of them random
FEW = {"corruptions": Corruptions(CORRUPTIONS), "calibration": Calibration(CORRUPTIONS)}


@functools.cache
def loaded(run, devices, batch_size, read):
  """One classifier with its programs for all evaluations, as long as its weights are so `read`."""
  del read
  return LoadedClassifier(run, devices, batch_size)


def evaluation_of(run, out, *, suites=DEFAULT_SUITES, devices=None, batch_size=None, **given):
  read = checkpoint.Checkpoints.restore_variables
  classifier = loaded(run, devices and tuple(devices), batch_size, read)
  settings = Settings.of(classifier, **{"limit": LIMIT} | given)
  if not isinstance(suites, dict):
    suites = {name: {**SUITES, **FEW}[name] for name in suites}
  return runner.evaluate(classifier, settings, suites, out, quiet=True)


def evaluate(run, out, **given):
  return evaluation_of(run, out, **given).results


def scores(results):
  return {suite: value for suite, value in results.items() if suite != "meta"}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
  """Where the results of all suites, evaluated on all devices, are."""
  return tmp_path_factory.mktemp("first")


@pytest.fixture(scope="module")
def results(run, first):
  return evaluate(run, first)


def test_a_data_folder_that_is_not_there_is_one_line(run, tmp_path):
  with pytest.raises(UserError, match="there is no folder .*none: correct --data_dir"):
    evaluate(run, tmp_path / "out", data_dir=str(tmp_path / "none"))
  assert not (tmp_path / "out").exists()


def test_a_process_that_has_joined_others_does_not_evaluate(tmp_path, monkeypatch):
  monkeypatch.setattr(jax, "process_count", lambda: 2)
  with pytest.raises(UserError, match="an evaluation runs in one process"):
    evaluate_function(Brightness(), tmp_path / "out")
  assert not (tmp_path / "out").exists()


def test_results_json(run, results, first):
  stored = json.loads((first / "results.json").read_text())
  assert stored == json.loads(json.dumps(results))
  assert stored.keys() == {"clean", "corruptions", "calibration", "ood", "meta"}
  assert stored["clean"].keys() == {"accuracy", "error", "examples"}
  assert stored["corruptions"].keys() == {"mean_error", "by_corruption", "source", "examples"}
  by_corruption = stored["corruptions"]["by_corruption"]
  assert list(by_corruption) == list(CORRUPTIONS) and all(
    len(x) == 5 for x in by_corruption.values()
  )
  assert stored["corruptions"]["mean_error"] == pytest.approx(np.mean(list(by_corruption.values())))
  assert stored["corruptions"]["source"] == "regenerated"
  assert stored["ood"].keys() == {"photo_patches", "uniform_noise", "mean_auroc", "score", "scores"}
  for name in ("photo_patches", "uniform_noise"):
    assert stored["ood"][name].keys() >= OOD and stored["ood"][name]["max_logit"].keys() == OOD
    assert stored["ood"][name]["examples"] == LIMIT
    assert len(stored["ood"][name]["roc"]["fpr"]) <= 200 and stored["ood"][name]["source"] == name
  assert stored["calibration"].keys() == {"clean", "corruptions", "temperature", "bins"}
  assert list(stored["calibration"]["corruptions"]["by_corruption"]) == list(CORRUPTIONS)
  assert stored["calibration"]["corruptions"]["same_order"] is True
  assert stored["calibration"]["clean"]["examples"] == LIMIT
  meta = stored["meta"]
  assert meta["data"] == "digits"
  assert meta.keys() == {
    "classifier",
    "digest",
    "settings",
    "suites",
    "config",
    "data",
    "seed",
    "step",
    "weights",
    "versions",
    "git",
    "device",
    "data_dir",
    "corruptions",
    "examples",
    "parts",
  }
  assert meta["corruptions"] == "regenerated"
  assert (meta["seed"], meta["step"], meta["examples"]) == (0, 50, f"the first {LIMIT} of each set")
  assert meta["weights"] == meta["classifier"]["fingerprint"]
  assert meta["weights"] == apr_jax.load_classifier(run).fingerprint
  assert meta["classifier"] | {"name": "", "fingerprint": ""} == {
    "name": "",
    "kind": "run",
    "num_classes": 10,
    "image_size": [32, 32],
    "fingerprint": "",
  }
  assert meta["suites"] == {
    "clean": {"evaluator": "Clean"},
    "corruptions": {
      "evaluator": "Corruptions",
      "names": list(CORRUPTIONS),
      "severities": [1, 2, 3, 4, 5],
      "title": "mean corruption error",
      "adapt": False,
      "adapt_batch": 500,
      "prior": 0,
    },
    "calibration": {
      "evaluator": "Calibration",
      "corruptions": list(CORRUPTIONS),
      "bins": 15,
      "seed": 0,
    },
    "ood": {
      "evaluator": "Ood",
      "scores": ["max_softmax", "max_logit", "energy"],
      "full_spectrum": False,
      "train_images": 50_000,
      "neighbours": 50,
      "temperature": 1000.0,
      "epsilon": 0.0014,
      "title": "mean OOD AUROC",
      "headline": "ood_auroc",
    },
  }
  assert meta["settings"]["limit"] == LIMIT and meta["settings"]["data"] == "digits"
  assert meta["config"]["model"]["num_classes"] == 10
  assert meta["versions"]["apr_jax"] == apr_jax.__version__ and meta["versions"].keys() >= {
    "jax",
    "flax",
    "python",
  }


def test_calibration_is_that_of_the_classifiers_probabilities(run, results):
  test = data.load("digits", "test")
  probs = apr_jax.load_classifier(run).predict_proba(test.images[:LIMIT])
  expected = metrics.calibration(probs, test.labels[:LIMIT])
  found = results["calibration"]["clean"]
  assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-5)
  assert 0.01 < found["ece"] < 0.9
  assert found["scored_half"]["after"]["nll"] < found["scored_half"]["before"]["nll"]


def test_the_clean_error_is_that_of_the_test_images(run, results):
  test = data.load("digits", "test")
  wrong = apr_jax.load_classifier(run).logits(test.images[:LIMIT]).argmax(1) != test.labels[:LIMIT]
  assert results["clean"]["error"] == pytest.approx(100 * wrong.mean())
  # trained, but not so well that differences would not show
  assert 0 < results["clean"]["error"] < 85


@pytest.mark.parametrize("devices, batch_size", [(1, 500), (1, 7), (2, 16), (4, 5)])
def test_metrics_do_not_depend_on_devices_and_batch_size(
  run, results, tmp_path, devices, batch_size
):
  again = evaluate(run, tmp_path / "again", devices=jax.devices()[:devices], batch_size=batch_size)
  assert scores(again) == scores(results)


def test_evaluation_leaves_the_run_alone(run, results):
  before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
  apr_jax.load_classifier(run)
  assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
  assert sorted(entry.name for entry in (run / "checkpoints").iterdir()) == ["40", "50"]


def count_calls(monkeypatch, fail_at=math.inf):
  """The numbers of images of each call of the network; the call `fail_at` dies."""
  calls = []
  original = of_run.LoadedClassifier.logits

  def logits(self, images):
    if len(calls) == fail_at:
      raise KeyboardInterrupt
    calls.append(len(images))
    return original(self, images)

  monkeypatch.setattr(of_run.LoadedClassifier, "logits", logits)
  return calls


def test_other_out_of_distribution_sets_cost_nothing_else_and_are_named(
  run, results, tmp_path, monkeypatch
):
  out = tmp_path / "out"
  suites = ("clean", "ood")
  evaluate(run, out, suites=suites, ood_sets=("uniform_noise",))
  calls = count_calls(monkeypatch)
  other = evaluate(run, out, suites=suites, ood_sets=("photo_patches",), batch_size=7)
  assert len(calls) == 2  # the set, and the test images it is held against
  assert (
    other["ood"]["photo_patches"] == results["ood"]["photo_patches"]
    and "uniform_noise" not in other["ood"]
  )
  assert other["meta"]["config"]["evaluation"]["ood_sets"] == ["photo_patches"]
  evaluate(run, out, suites=suites, ood_sets=("uniform_noise",))
  assert len(calls) == 2  # nor is it forgotten
  assert evaluate(run, out, suites=("clean",), ood_sets=("photo_patches",)).keys() == {
    "clean",
    "meta",
  }


def test_an_interrupted_evaluation_goes_on_where_it_stopped(run, results, tmp_path, monkeypatch):
  out = tmp_path / "stopped"
  with monkeypatch.context() as patch:
    calls = count_calls(patch, fail_at=5)
    with pytest.raises(KeyboardInterrupt):
      evaluate(run, out)
    # The suite that was finished is written, the other not.
    assert len(calls) == 5 and json.loads((out / "results.json").read_text()).keys() == {
      "clean",
      "meta",
    }
    (parts,) = out.glob("parts-*.jsonl")
    with parts.open("a") as file:
      file.write('["corruptions", "brigh')
  with monkeypatch.context() as patch:
    calls = count_calls(patch)
    assert scores(evaluate(run, out)) == scores(results)
    # Ten corrupted sets of which four are done, for corruptions and calibration at once; two sets
    # for OOD; and the test images again, for the temperature and the scores of OOD.
    assert len(calls) == 10 - 4 + 2 + 1
  with monkeypatch.context() as patch:
    calls = count_calls(patch)
    assert scores(evaluate(run, out)) == scores(results)
    assert not calls
    # another limit: anew
    assert evaluate(run, out, limit=LIMIT - 1, suites=("clean",)).keys() == {"clean", "meta"}
    assert calls == [LIMIT - 1]
    assert scores(evaluate(run, out)) == scores(results)  # and the first is not forgotten
    assert len(calls) == 1


def test_interrupted_extra_corruptions_go_on_where_they_stopped(
  run, results, tmp_path, monkeypatch
):
  random = np.random.default_rng(0)
  (tmp_path / "digits-c").mkdir()
  for name in corruptions.EXTRA_CORRUPTIONS:
    np.save(
      tmp_path / "digits-c" / f"{name}.npy",
      random.integers(0, 256, (5 * 360, 32, 32, 3), dtype=np.uint8),
    )
  np.save(tmp_path / "digits-c" / "labels.npy", np.tile(data.load("digits", "test").labels, 5))
  arguments = {"suites": ("clean", "extra_corruptions"), "data_dir": str(tmp_path / "digits-c")}
  whole = evaluate(run, tmp_path / "whole", **arguments)
  assert list(whole["extra_corruptions"]["by_corruption"]) == list(corruptions.EXTRA_CORRUPTIONS)
  with monkeypatch.context() as patch:
    count_calls(patch, fail_at=1 + 7)
    with pytest.raises(KeyboardInterrupt):
      evaluate(run, tmp_path / "stopped", **arguments)
  calls = count_calls(monkeypatch)
  assert scores(evaluate(run, tmp_path / "stopped", **arguments)) == scores(whole)
  assert len(calls) == 20 - 7
  (stored,) = (
    {path.name: path.read_text()} for path in (tmp_path / "stopped").glob("parts-*.jsonl")
  )
  assert stored == {
    path.name: path.read_text() for path in (tmp_path / "whole").glob("parts-*.jsonl")
  }


def test_what_is_done_for_one_of_two_suites_is_not_repeated(run, results, tmp_path, monkeypatch):
  """Killed between the two parts of one set, and corruptions alone before both suites."""
  out = tmp_path / "out"
  with monkeypatch.context() as patch:
    calls = count_calls(patch)
    evaluate(run, out, suites=("corruptions",))
    assert len(calls) == 10
    (parts,) = out.glob("parts-*.jsonl")
    lines = parts.read_text().splitlines(keepends=True)
    both = evaluate(run, out, suites=("calibration", "corruptions"))
    assert len(calls) == 10 + 10 + 1
  assert (
    both["calibration"] == results["calibration"] and both["corruptions"] == results["corruptions"]
  )
  parts.write_text("".join(lines[:4]))  # three sets of corruptions, none of calibration
  with monkeypatch.context() as patch:
    calls = count_calls(patch)
    assert scores(evaluate(run, out, suites=("corruptions", "calibration"))) == scores(both)
    assert len(calls) == 10 + 1  # three for calibration, seven for both; the clean images
  stored = [json.loads(line)[:2] for line in parts.read_text().splitlines()[1:]]
  assert len(stored) == 10 + 11 and len({tuple(part) for part in stored}) == len(stored)


def test_a_protocol_goes_on_when_its_sets_come_and_is_not_repeated(run, tmp_path, monkeypatch):
  sets = tmp_path / "sets"
  sets.mkdir()
  np.savez(sets / "LSUN_fix.npz", images=data.load("uniform_noise", "test").images)
  with monkeypatch.context() as patch:
    calls = count_calls(patch)
    arguments = {"suites": ("ood",), "ood_sets": ("apr",), "data_dir": str(sets)}
    first = evaluate(run, tmp_path / "out", **arguments)["ood"]
    assert len(calls) == 2 and first["mean_auroc"] is None and first["protocols"][0]["present"] == 1
    assert evaluate(run, tmp_path / "out", **arguments)["ood"] == first and len(calls) == 2
    np.savez(sets / "svhn.npz", images=data.load("photo_patches", "test").images)
    second = evaluate(run, tmp_path / "out", **arguments)
    assert len(calls) == 2 + 2  # the new set, and the test images for their scores
  assert (
    second["ood"]["lsun_fix"] == first["lsun_fix"] and second["ood"]["protocols"][0]["present"] == 2
  )
  text = "\n".join(runner.summary_lines(second))
  assert "mean OOD AUROC         incomplete" in text and "missing: lsun_resize: looked in" in text
  assert json.loads((tmp_path / "out" / "results.json").read_text())["ood"] == json.loads(
    json.dumps(second["ood"])
  )


@pytest.mark.parametrize("ood_set", ["lsun_fix", "apr"])
def test_a_set_that_is_replaced_elsewhere_is_scored_anew(run, tmp_path, ood_set):
  sets = tmp_path / "sets"
  sets.mkdir()
  arguments = {
    "suites": ("ood", "swap"),
    "ood_sets": (ood_set,),
    "data_dir": str(sets),
    "limit": 12,
  }
  np.savez(sets / "LSUN_fix.npz", images=data.load("uniform_noise", "test").images)
  first = evaluate(run, tmp_path / "out", **arguments)
  (sets / "LSUN_fix.npz").unlink()
  np.save(sets / "LSUN_fix.npy", data.load("photo_patches", "test").images)
  second = evaluate(run, tmp_path / "out", **arguments)
  assert scores(second) == scores(evaluate(run, tmp_path / "anew", **arguments))
  assert second["ood"]["lsun_fix"]["auroc"] != first["ood"]["lsun_fix"]["auroc"]

  def of(results):
    return results["swap"]["out_of_distribution"]["lsun_fix"]

  assert of(second) != of(first) and of(second)["pairs"] == 12
  assert second["swap"].get("missing", {}) == (
    second["ood"]["protocols"][0]["missing"] if ood_set == "apr" else {}
  )


def test_suites_add_to_the_results_of_the_same_evaluation(run, tmp_path):
  clean = evaluate(run, tmp_path, suites=("clean",))
  both = evaluate(run, tmp_path, suites=("ood",))
  assert both.keys() == {"clean", "ood", "meta"} and both["clean"] == clean["clean"]
  assert json.loads((tmp_path / "results.json").read_text()) == json.loads(json.dumps(both))


def test_results_of_other_out_of_distribution_sets_do_not_stay(run, tmp_path):
  both = evaluate(run, tmp_path, suites=("ood", "swap"), ood_sets=("uniform_noise",), limit=8)
  assert evaluate(
    run, tmp_path, suites=("clean",), ood_sets=("uniform_noise",), limit=8
  ).keys() == {"clean", "ood", "swap", "meta"}
  other = evaluate(run, tmp_path, suites=("ood",), ood_sets=("photo_patches",), limit=8)
  assert (
    other.keys() == {"clean", "ood", "meta"}
    and "uniform_noise" in both["swap"]["out_of_distribution"]
  )
  assert json.loads((tmp_path / "results.json").read_text()).keys() == other.keys()


def test_other_weights_are_scored_anew(run, results, tmp_path, monkeypatch):
  """The same configuration, seed and step, and the same folder of results."""
  out = tmp_path / "out"
  evaluate(run, out, suites=("clean", "ood"))
  with monkeypatch.context() as patch:
    restore = checkpoint.Checkpoints.restore_variables
    patch.setattr(
      checkpoint.Checkpoints,
      "restore_variables",
      lambda *given: jax.tree.map(lambda x: x * 0.9, restore(*given)),
    )
    calls = count_calls(patch)
    other = evaluate(run, out, suites=("clean",))
    # no suite of the first weights stays
    assert calls == [LIMIT] and other.keys() == {"clean", "meta"}
    other = evaluate(run, out, suites=("ood",))
    assert len(calls) == 1 + 3 and other.keys() == {"clean", "ood", "meta"}
    assert other["ood"] != results["ood"]
    meta = {name: other["meta"].pop(name) for name in ("weights", "parts", "classifier", "digest")}
  calls = count_calls(monkeypatch)
  again = evaluate(run, out, suites=("clean", "ood"))
  # nor forgotten
  assert not calls and scores(again) == {suite: results[suite] for suite in ("clean", "ood")}
  assert all(again["meta"].pop(name) != value for name, value in meta.items())
  assert again["meta"] == other["meta"]


def test_a_changed_working_tree_is_named_by_its_changes(tmp_path):
  command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]

  def git(*arguments):
    return subprocess.run(
      [*command, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()

  assert provenance.git_commit(tmp_path) is None
  (tmp_path / "file").write_text("a")
  git("init")
  git("add", "file")
  git("commit", "-m", "first")
  assert provenance.git_commit(tmp_path) == git("rev-parse", "HEAD")
  names = []
  for text in (b"b", b"c\xff", b"b"):
    (tmp_path / "file").write_bytes(text)
    names.append(provenance.git_commit(tmp_path))
  assert names[0] == names[2] != names[1] and all("+changes-" in name for name in names)


def test_what_the_last_suite_lacks_is_said_before_the_first_is_computed(run, tmp_path, monkeypatch):
  calls = count_calls(monkeypatch)
  with pytest.raises(UserError, match="no_such_set"):
    evaluate(run, tmp_path, suites=("clean", "ood"), ood_sets=("no_such_set",))
  assert not calls


def test_sets_made_here_are_not_called_published(run, tmp_path):
  make_corruptions.make(
    data.load("digits", "test"), tmp_path / "made", names=CORRUPTIONS, quiet=True
  )
  whole = {"suites": ("corruptions",), "limit": 0}
  results = evaluate(run, tmp_path / "out", data_dir=str(tmp_path / "made"), **whole)
  regenerated = evaluate(run, tmp_path / "again", **whole)
  assert results["corruptions"]["source"] == "regenerated"
  assert scores(results) == scores(regenerated)


def test_the_corruptions_of_another_data_set_are_refused(run, tmp_path):
  labels = np.tile(np.arange(10), 36)
  for name in CORRUPTIONS:
    np.save(tmp_path / f"{name}.npy", np.zeros((5 * 360, 32, 32, 3), np.uint8))
  np.save(tmp_path / "labels.npy", np.tile(labels, 5))
  with pytest.raises(
    UserError, match=r"labels.npy disagrees with the test split of digits: 36 images of class"
  ):
    evaluate(run, tmp_path / "out", suites=("corruptions",), data_dir=str(tmp_path), limit=0)


def test_outputs_that_are_not_finite_are_one_line(run, tmp_path):
  copy = tmp_path / "copy"
  shutil.copytree(run, copy)
  loaded = of_run.LoadedClassifier(copy)
  loaded._variables = jax.tree.map(lambda x: x * np.nan, loaded._variables)
  with pytest.raises(UserError, match="not finite: its training diverged"):
    loaded.logits(np.zeros((1, 32, 32, 3), np.uint8))


def test_an_interrupted_map_and_exchange_repeat_no_finished_part(run, tmp_path, monkeypatch):
  few = {"suites": ("swap", "fourier"), "limit": 3, "batch_size": 96}
  with monkeypatch.context() as patch:
    calls = count_calls(patch)
    whole = evaluate(run, tmp_path / "whole", **few)
    # Pairs one way, out of distribution also the other way, and the four images of each example.
    swap, fourier = [3, 12] + 2 * [3, 3, 12], [3] + [3 * 17] + 15 * [3 * 32] + [3 * 17]
    assert calls == swap + fourier
  with monkeypatch.context() as patch:
    calls = count_calls(patch, fail_at=len(swap) + 6)
    with pytest.raises(KeyboardInterrupt):
      evaluate(run, tmp_path / "stopped", **few)
    before = list(calls)
  with monkeypatch.context() as patch:
    calls = count_calls(patch)
    again = evaluate(run, tmp_path / "stopped", **few, devices=jax.devices()[:2])
    assert before + calls == swap + fourier
  assert scores(again) == scores(whole)
  assert (
    json.loads((tmp_path / "stopped" / "results.json").read_text())["fourier"] == whole["fourier"]
  )
  lines = runner.summary_lines(whole)
  assert lines == [
    f"Fourier mean error     {whole['fourier']['mean_error']:6.2f} %   "
    f"(32 × 32 frequencies, norm 4, 3 images)",
    f"follows phase          {whole['swap']['in_distribution']['phase']:6.2f} %   (the amplitude: "
    f"{whole['swap']['in_distribution']['amplitude']:.2f} %; 3 recombined pairs)",
  ]


# evaluate.py that ends by SIGKILL when it has written half of the line of a part, after so many
# that it finished.
KILLED = """
import glob, json, os, runpy, signal, sys
from apr_jax.evaluation.part_store import PartStore

to_finish, put = int(sys.argv.pop(1)), PartStore.put

def put_or_die(store, key, name, result):
  global to_finish
  if not to_finish:
    line = json.dumps([key, name, result])
    folder = next(word[6:] for word in sys.argv if word.startswith("--out="))
    with open(*glob.glob(f"{folder}/parts-*.jsonl"), "a") as file:
      file.write(line[:len(line) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
  to_finish -= 1
  put(store, key, name, result)

PartStore.put = put_or_die
sys.argv[0] = "evaluate.py"
runpy.run_path("evaluate.py", run_name="__main__")
"""


@pytest.mark.slow
def test_a_killed_evaluation_ends_with_the_results_of_one_that_was_not(
  run, tmp_path, script, forks
):
  """SIGKILL among the 75 sets and again in the suites after them, then the same command to its
  end.
  """
  random = np.random.default_rng(0)
  (tmp_path / "digits-c").mkdir()
  for name in metrics.ALEXNET_ERRORS:  # the names of all 15
    np.save(
      tmp_path / "digits-c" / f"{name}.npy",
      random.integers(0, 256, (100, 32, 32, 3), dtype=np.uint8),
    )
  np.save(tmp_path / "digits-c" / "labels.npy", np.tile(np.arange(20) % 10, 5))
  arguments = [
    f"--workdir={run}",
    "--limit=4",
    "--suites=clean,corruptions,calibration,ood,swap,fourier",
    "--noreport",
    f"--data_dir={tmp_path / 'digits-c'}",
  ]

  def start_and_kill(out, after):
    given = [str(after), *arguments, f"--out={tmp_path / out}"]
    return forks.run(["-c", KILLED, *given]).returncode

  def finished(out):
    """The evaluators of the parts that are on disk."""
    lines = [
      line
      for path in (tmp_path / out).glob("parts-*.jsonl")
      for line in path.read_text().split("\n")[1:-1]
    ]
    return [json.loads(line)[0] for line in lines]

  def start(out):
    script("evaluate.py", *arguments, f"--out={tmp_path / out}")

  start("whole")
  parts = finished("whole")
  assert len(parts) == 1 + 75 + 76 + 2 + 3 + 18
  later = [key.partition("-")[0] for key in parts].index("Ood")
  stops = [0, int(random.integers(1, later)), int(random.integers(later, len(parts)))]
  for before, stop in itertools.pairwise(stops):
    assert start_and_kill("killed", stop - before) == -signal.SIGKILL
    assert finished("killed") == parts[:stop], stops
  start("killed")
  assert finished("killed") == parts, stops  # in order, and none of them twice
  assert (tmp_path / "killed" / "results.json").read_text() == (
    tmp_path / "whole" / "results.json"
  ).read_text()


def test_suites_and_sets_can_be_chosen(run, tmp_path):
  results = evaluate(run, tmp_path, suites=("clean", "ood"), ood_sets=("uniform_noise",))
  assert results.keys() == {"clean", "ood", "meta"}
  assert results["ood"].keys() == {"uniform_noise", "mean_auroc", "score", "scores"}
  assert results["ood"]["mean_auroc"] == results["ood"]["uniform_noise"]["auroc"]


def test_without_a_limit_all_images_are_scored(run, tmp_path):
  results = evaluate(run, tmp_path, suites=("clean",), limit=0)
  assert results["clean"]["examples"] == 360 and results["meta"]["examples"] == "all"


def test_summary_lines(results):
  lines = runner.summary_lines(results)
  assert lines[0] == f"clean error            {results['clean']['error']:6.2f} %   ({LIMIT} images)"
  assert (
    f"{results['corruptions']['mean_error']:6.2f} %   (regenerated, 2 × 5 sets of {LIMIT} images)"
    in lines[1]
  )
  assert lines[2].startswith("calibration error") and lines[3].startswith("  under corruptions")
  assert len(lines) == 7


@pytest.mark.parametrize(
  "keywords, words",
  [
    (
      {"corruption_source": "publish"},
      "unknown source of corruptions 'publish'; did you mean 'published'?",
    ),
    ({"limit": -1}, "limit must be 0 (all images) or more, got -1"),
    (
      {"corruption_source": "published", "suites": ("corruptions",)},
      "published corruptions of digits were not found",
    ),
    ({"corruption_source": "tfds", "suites": ("corruptions",)}, "TFDS has no corrupted digits"),
    ({"ood_sets": ("npz:/no/such.npz",), "suites": ("ood",)}, "/no/such.npz"),
    ({"ood_sets": ("npz:/no/such.npz",), "suites": ("clean", "swap")}, "/no/such.npz"),
    ({"ood_sets": ("no_such_set",), "suites": ("swap",)}, "no_such_set"),
  ],
)
def test_bad_arguments_are_one_line(run, tmp_path, keywords, words):
  with pytest.raises(UserError) as error:
    evaluate(run, tmp_path / "out", **keywords)
  assert words in str(error.value) and "\n" not in str(error.value)
  assert not (tmp_path / "out" / "results.json").exists()


def test_an_out_folder_that_cannot_be_made(run, tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(UserError, match="cannot be written"):
    evaluate(run, tmp_path / "file" / "out")


@pytest.mark.parametrize(
  "suites, words",
  [
    (("clean", "corruption"), "unknown suite 'corruption'; did you mean 'corruptions'?"),
    ((), "no suites are named; give --suites, of clean, corruptions"),
    ("clean", "suites are several names, ('clean',)"),
    ({"mine": Clean}, "an evaluator is an instance of a frozen dataclass"),
    ({"clean": Ood()}, "the suite clean is one of Clean, got Ood("),
    ({"meta": Clean()}, "no suite can be called meta"),
  ],
)
def test_suites_that_are_none_are_one_line(suites, words):
  with pytest.raises(UserError) as error:
    choose(suites)
  assert words in str(error.value) and "\n" not in str(error.value)


def test_changed_options_are_computed_anew_and_the_others_reused(
  run, results, tmp_path, monkeypatch
):
  out, calls = tmp_path / "out", count_calls(monkeypatch)
  evaluate(run, out)
  before = len(calls)
  finer = {"clean": Clean(), "calibration": Calibration(CORRUPTIONS, bins=5)}
  other = evaluate(run, out, suites=finer)
  # The test images for the temperature and the scores, and the sets of calibration.
  assert len(calls) == before + 1 + 10
  assert other["calibration"]["bins"] == 5 and other["clean"] == results["clean"]
  # The corruptions of the first call are not those that the name alone stands for.
  assert other.keys() == {"clean", "calibration", "ood", "meta"}
  assert scores(evaluate(run, out)) == scores(results)  # nothing of the first is forgotten
  assert len(calls) == before + 1 + 10


def test_two_instances_of_one_evaluator_stand_beside_each_other(run, results, tmp_path):
  one, other = (Corruptions((name,), title=name) for name in CORRUPTIONS)
  evaluation = evaluation_of(run, tmp_path, suites={"noise": one, "weather": other})
  found = evaluation.results
  expected = results["corruptions"]["by_corruption"]
  assert found["noise"]["by_corruption"] == {CORRUPTIONS[0]: expected[CORRUPTIONS[0]]}
  assert found["weather"]["by_corruption"] == {CORRUPTIONS[1]: expected[CORRUPTIONS[1]]}
  assert [line.split()[0] for line in evaluation.lines()] == list(CORRUPTIONS)
  assert list(evaluate(run, tmp_path, suites=("clean",))) == ["meta", "noise", "weather", "clean"]
  # What they read of the settings is not known any more.
  changed = evaluate(run, tmp_path, suites=("clean",), ood_sets=("uniform_noise",))
  assert changed.keys() == {"clean", "meta"}


@dataclasses.dataclass(frozen=True)
class Sure(Evaluator):
  """The example of `evaluator`, shortened: the share of surely classified images."""

  threshold: float = 0.9
  needs = ("features",)

  def parts(self, task):
    yield "clean", lambda: float((task.test_logits.max(1) > self.threshold).mean())

  def summarise(self, results):
    return {"share": results["clean"]}

  def lines(self, summary):
    return [f"sure {summary['share']:.2f}"]

  def write(self, folder, summary):
    (folder / "sure.txt").write_text(str(summary))


@dataclasses.dataclass
class Brightness:
  """A classifier in NumPy: class 0 or 1 by the brightness of the image, the surer the further."""

  name: str = "brightness"
  num_classes: int = 10
  image_size: tuple[int, int] = (32, 32)
  fingerprint: str = "first"
  threshold: float = 60.0
  fail_at: float = math.inf
  calls: list[int] = dataclasses.field(default_factory=list)

  def logits(self, images):
    if len(self.calls) == self.fail_at:
      raise KeyboardInterrupt
    self.calls.append(len(images))
    logits = np.full((len(images), 10), -5, np.float32)
    means = (images.mean((1, 2, 3)) - self.threshold) / 10
    logits[:, 0], logits[:, 1] = means, -means
    return logits


OF_FUNCTIONS = Settings("digits", limit=LIMIT, ood_sets=("uniform_noise",))


def evaluate_function(classifier, out, suites=DEFAULT_SUITES):
  suites = {name: {**SUITES, **FEW}[name] for name in suites}
  return runner.evaluate(classifier, OF_FUNCTIONS, suites, out, quiet=True).results


def test_a_function_is_scored_as_by_hand(tmp_path):
  results = evaluate_function(Brightness(), tmp_path)
  test = data.load("digits", "test", image_size=32)
  images, labels = test.images[:LIMIT], test.labels[:LIMIT]
  logits = Brightness().logits(images)
  assert results["clean"]["error"] == pytest.approx(100 * (logits.argmax(1) != labels).mean())
  assert 0 < results["clean"]["error"] < 100
  expected = metrics.calibration(metrics.softmax(logits), labels)
  assert results["calibration"]["clean"]["ece"] == pytest.approx(expected["ece"])
  for severity in range(1, 6):
    corrupted = next(whole_sets.regenerate(images, "brightness", severity))
    wrong = Brightness().logits(corrupted).argmax(1) != labels
    found = results["corruptions"]["by_corruption"]["brightness"][severity - 1]
    assert found == pytest.approx(100 * wrong.mean())
  outside = data.load("uniform_noise", "test", image_size=32).images[:LIMIT]

  def surest(images):
    return metrics.softmax(Brightness().logits(images)).max(1)

  expected = metrics.ood_metrics(surest(images), surest(outside))["auroc"]
  assert results["ood"]["uniform_noise"]["auroc"] == pytest.approx(expected)
  meta = results["meta"]
  assert not meta.keys() & {"config", "seed", "step"}
  assert meta["classifier"] == {
    "name": "brightness",
    "kind": "function",
    "num_classes": 10,
    "image_size": [32, 32],
    "fingerprint": "first",
  }
  assert json.loads((tmp_path / "results.json").read_text()) == json.loads(json.dumps(results))


def test_an_interrupted_evaluation_of_a_function_goes_on_whatever_the_clock_says(
  tmp_path, set_clock
):
  whole = evaluate_function(Brightness(), tmp_path / "whole")
  stopped = Brightness(fail_at=6)
  with pytest.raises(KeyboardInterrupt):
    evaluate_function(stopped, tmp_path / "out")
  set_clock(-1, tmp_path / "out")
  again = Brightness(name="of another name")
  results = evaluate_function(again, tmp_path / "out")
  assert scores(results) == scores(whole)
  assert sum(stopped.calls) + sum(again.calls) == (1 + 10 + 1 + 1) * LIMIT
  set_clock(2, tmp_path / "out")
  assert scores(evaluate_function(again, tmp_path / "out")) == scores(whole)
  assert sum(stopped.calls) + sum(again.calls) == (1 + 10 + 1 + 1) * LIMIT  # nothing is repeated

  def text(folder):
    written = (tmp_path / folder / "results.json").read_text()
    return re.sub(r'"digest": "\w+"', "", written)  # of the name too

  assert text("out").replace("of another name", "brightness") == text("whole")
  # Other weights, which the fingerprint tells: nothing is taken.
  other = Brightness(fingerprint="second", threshold=40.0)
  assert evaluate_function(other, tmp_path / "out", ("clean",)).keys() == {"clean", "meta"}
  assert other.calls == [LIMIT]


def test_what_an_evaluator_needs_is_said_before_anything_is_computed(tmp_path):
  classifier = Brightness()
  with pytest.raises(UserError, match="the suite sure needs features, which 'brightness' lacks"):
    runner.evaluate(classifier, OF_FUNCTIONS, {"clean": Clean(), "sure": Sure()}, tmp_path / "out")
  assert not classifier.calls and not (tmp_path / "out").exists()
  classifier.features = lambda images: images
  evaluation = runner.evaluate(classifier, OF_FUNCTIONS, {"sure": Sure(2.0)}, tmp_path, quiet=True)
  assert evaluation.results["meta"]["suites"] == {"sure": {"evaluator": "Sure", "threshold": 2.0}}
  assert evaluation.lines() == [f"sure {evaluation.results['sure']['share']:.2f}"]
  assert (tmp_path / "sure.txt").read_text() == str(evaluation.results["sure"])


def test_no_classifier_is_one_line(tmp_path):
  with pytest.raises(UserError, match="a classifier has name, a text"):
    runner.evaluate(lambda images: images, OF_FUNCTIONS, ("clean",), tmp_path)


def test_the_face_of_the_package_evaluates_and_reports(tmp_path, capsys):
  with pytest.raises(UserError, match="no data set is named to evaluate on"):
    apr_jax.evaluate(Brightness(), out=tmp_path / "none")
  results = apr_jax.evaluate(
    Brightness(), "digits", suites=("clean",), limit=20, out=tmp_path, quiet=True
  )
  assert results["clean"]["examples"] == 20
  page = (tmp_path / "report.html").read_text()
  assert "<title>brightness: evaluation</title>" in page and "Training augmentation" not in page
  assert capsys.readouterr().out == ""


def test_settings_are_given_or_brought_or_the_fields():
  classifier = Brightness()
  classifier.defaults = {"data": "cifar10", "resize": 40, "batch_size": 5, "ood_sets": ["svhn"]}
  assert Settings.of(classifier) == Settings("cifar10", resize=40, ood_sets=("svhn",))
  given = Settings.of(classifier, data="digits", ood_sets=(), limit=None, data_dir="")
  assert given == Settings("digits", resize=40)
  with pytest.raises(TypeError, match="limits"):
    Settings.of(classifier, limits=3)


def test_the_sources_of_settings_are_those_of_corruptions():
  assert SOURCES.keys() == corruption_sources.SOURCES.keys()


def test_the_evaluators_need_no_orbax():
  code = "import sys, apr_jax.evaluation.suites, apr_jax.compare; assert 'orbax' not in sys.modules"
  subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=100)


def test_damaged_results_are_noticed_and_made_again(tmp_path, capfd):
  whole = evaluate_function(Brightness(), tmp_path)
  path = tmp_path / "results.json"
  error = json.dumps(whole["clean"]["error"])
  content = path.read_text()
  for damaged in (content.replace(f'"error": {error}', '"error": 1.25', 1), content[:99], "", "[]"):
    assert damaged != content
    path.write_text(damaged)
    with pytest.raises(UserError, match="cannot be read as the results"):
      read_scores(tmp_path)
    again = Brightness()
    assert evaluate_function(again, tmp_path) == whole and not again.calls  # of the parts
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{path} is damaged (" in line
    assert read_scores(tmp_path).results == json.loads(path.read_text())
  del whole["meta"]["digest"]  # of an earlier version
  path.write_text(json.dumps(whole))
  assert read_scores(tmp_path).results["clean"] == whole["clean"]


def test_a_second_evaluation_in_the_folder_is_refused(tmp_path):
  class Nested(Brightness):
    def logits(self, images):
      with pytest.raises(UserError, match=f"another evaluation is at work in {tmp_path}; .* --out"):
        evaluate_function(Brightness(), tmp_path, suites=("clean",))
      return super().logits(images)

  evaluate_function(Nested(), tmp_path, suites=("clean",))
  evaluate_function(Brightness(), tmp_path, suites=("clean",))  # let go of
