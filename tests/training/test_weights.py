"""Runs that start from weights, and runs that keep an average of them, from training to tables."""

import json
import shutil

import jax
import numpy as np
import pytest

import apr_jax
import evaluate as evaluate_command
from apr_jax import compare, data
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.errors import UserError
from apr_jax.run import checkpoint
from apr_jax.training import loop

AVERAGED = {"optimizer__average_decay": 0.5, "augment__afa__strength": 5.0, "name": "averaged"}


@pytest.fixture(scope="module")
def averaged(digits, tmp_path_factory):
  """A run of two epochs with an average, and with a route of its own for a view."""
  workdir = tmp_path_factory.mktemp("weights") / "averaged"
  loop.train(digits(**AVERAGED), workdir, quiet=True)
  return workdir


def leaves(variables):
  return {
    jax.tree_util.keystr(path): np.asarray(leaf)
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables)
  }


def test_the_average_is_logged_and_loaded_beside_the_weights(averaged):
  entries = [json.loads(line) for line in (averaged / "metrics.jsonl").read_text().splitlines()]
  (*_, last) = (entry for entry in entries if entry["kind"] == "eval")
  own, average = (apr_jax.load_classifier(averaged, average=which) for which in (False, True))
  test = data.load("digits", "test")
  for classifier, name in ((own, "clean_error"), (average, "average_clean_error")):
    wrong = classifier.logits(test.images).argmax(1) != test.labels
    assert last[name] == pytest.approx(100 * wrong.mean(), abs=1e-9)
  assert own.keeps_average and average.name == f"{own.name}, averaged weights"
  assert own.fingerprint != average.fingerprint
  # neither shows the route that trained with the waves
  assert not [name for name in leaves(own.variables) if "auxiliary" in name]
  assert leaves(own.variables).keys() == leaves(average.variables).keys()


def test_a_run_goes_on_with_its_average(digits, averaged, tmp_path):
  again = tmp_path / "again"
  shutil.copytree(averaged, again)
  shutil.rmtree(again / "checkpoints" / "8")
  loop.train(digits(**AVERAGED), again, quiet=True)
  for average in (False, True):
    first, second = (
      leaves(LoadedClassifier(folder, average=average).variables) for folder in (averaged, again)
    )
    for name, value in first.items():
      np.testing.assert_array_equal(value, second[name], err_msg=name)


def test_both_are_evaluated_and_named_in_results_and_tables(averaged):
  evaluate_command.FLAGS(
    ["evaluate.py", f"--workdir={averaged}", "--suites=clean", "--limit=60", "--noreport"]
  )
  evaluate_command.main()
  own, average = (
    json.loads((averaged / folder / "results.json").read_text())
    for folder in ("eval", "eval-average")
  )
  assert own["meta"]["classifier"]["name"] == "averaged"
  assert average["meta"]["classifier"]["name"] == "averaged, averaged weights"
  assert own["meta"]["weights"] != average["meta"]["weights"]
  rows = compare.compare([str(averaged), str(averaged / "eval-average")]).splitlines()
  assert [row.split("|")[1].split("(")[0].strip() for row in rows[2:4]] == [
    "averaged",
    "averaged, averaged weights",
  ]


def test_a_run_without_an_average_says_so(digits, tmp_path):
  loop.train(digits(epochs=1), tmp_path / "plain", quiet=True)
  with pytest.raises(UserError, match=r"keeps no moving average .* optimizer\.average_decay"):
    LoadedClassifier(tmp_path / "plain", average=True)


def test_a_training_starts_from_the_weights_of_another(digits, averaged, tmp_path):
  still = {"optimizer__learning_rate": 1e-12, "optimizer__weight_decay": 0.0, "epochs": 1}
  loop.train(digits(model__weights=str(averaged), **still), tmp_path / "tuned", quiet=True)
  start, end = (leaves(LoadedClassifier(f).variables) for f in (averaged, tmp_path / "tuned"))
  for name, value in start.items():
    if name.startswith("['params']"):
      np.testing.assert_allclose(end[name], value, atol=1e-6, err_msg=name)
  # a route of its own starts as the main one, and so does an average
  loop.train(
    digits(model__weights=str(averaged), **still, **AVERAGED), tmp_path / "dual", quiet=True
  )
  with checkpoint.Checkpoints(tmp_path / "dual") as checkpoints:
    shapes = leaves(jax.tree.map(lambda x: 0, checkpoints.describe_variables()))
  assert [name for name in shapes if "auxiliary_scale" in name]
  average = leaves(LoadedClassifier(tmp_path / "dual", average=True).variables)
  for name, value in start.items():
    if name.startswith("['params']"):
      np.testing.assert_allclose(average[name], value, atol=1e-6, err_msg=name)


def test_weights_that_do_not_fit_are_refused_before_anything_is_written(digits, averaged, tmp_path):
  other = digits(model__weights=str(averaged), model__name="wide_resnet_10_1")
  with pytest.raises(UserError, match=r"model\.weights=.* is of another network: .* there, "):
    loop.train(other, tmp_path / "other", quiet=True)
  with pytest.raises(UserError, match=r"holds no run|no folder|is no"):
    loop.train(digits(model__weights="nowhere"), tmp_path / "other", quiet=True)
  modulated = digits(model__weights=str(averaged), model__first_layer__kind="modulation")
  modulated.model.name = "wide_resnet_10_1"
  with pytest.raises(UserError, match=r"model\.weights are those of a plain network"):
    loop.train(modulated, tmp_path / "other", quiet=True)
  assert not (tmp_path / "other").exists()
