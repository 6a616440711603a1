"""Reports of planted results: parts of an evaluation, classifiers of all kinds, damaged files."""

import copy
import json
import re
import types

import numpy as np
import pytest

from apr_jax import compare, config_files
from apr_jax.corruptions import CORRUPTIONS
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation.evaluator import options
from apr_jax.evaluation.runner import Evaluation
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.suites import SUITES
from apr_jax.evaluation.swap import Swap
from apr_jax.evaluation.task import Task
from apr_jax.report import curves, sections, write
from apr_jax.report.html import page
from apr_jax.report.results import Scores
from configs import cifar10_apr_p

ROC = {"fpr": [0.0, 0.0, 1.0], "tpr": [0.0, 1.0, 1.0]}
OOD_SCORES = {
  "auroc": 90.0,
  "tnr95": 50.0,
  "dtacc": 80.0,
  "aupr_in": 91.0,
  "aupr_out": 89.0,
  "oscr": 85.0,
  "examples": 7,
  "roc": ROC,
}
SIX = ("ece", "rms", "ece_equal_mass", "rms_equal_mass", "nll", "brier")
HALF = {"before": dict.fromkeys(SIX, 0.2), "after": dict.fromkeys(SIX, 0.1), "examples": 5}
BINS = {"count": [1, 0], "confidence": [0.4, None], "accuracy": [1.0, None]}


def calibration_of(**temperature):
  scores = dict.fromkeys(SIX, 0.3) | {"scored_half": HALF}
  return {
    "bins": 2,
    "clean": scores | {"reliability": BINS},
    "temperature": {"value": 2.5} | temperature,
    "corruptions": {"mean": copy.deepcopy(scores), "reliability": [BINS] * 5},
  }


def results_of(suites, **changes):
  config = cifar10_apr_p.get_config()
  config.update_from_flattened_dict(
    {"name": "cifar10_apr_p", "model.num_classes": 3, "model.image_size": (8, 8), **changes}
  )
  return json.loads(
    json.dumps(
      suites
      | {
        "meta": {
          "classifier": {"name": config.name},
          "settings": {"data": config.data.name},
          "suites": {suite: options(evaluator) for suite, evaluator in SUITES.items()},
          "config": config.to_dict(),
          "seed": config.seed,
          "step": 5,
          "examples": "all",
          "git": None,
          "device": "cpu",
          "versions": {"apr_jax": "0", "jax": "0", "flax": "0"},
        }
      }
    )
  )


def images(count=6, seed=0):
  pixels = np.random.RandomState(seed).randint(0, 256, (count, 8, 8, 3)).astype(np.uint8)
  return ArrayData(pixels, np.arange(count, dtype=np.int32) % 3, 3, "planted")


def missing(name, *_, **__):
  raise UserError(f"the data set {name} is not there")


def answers(batch):
  return np.zeros((len(batch), 3), np.float32)


def function(**abilities):
  """A classifier with these abilities and no others."""
  return types.SimpleNamespace(
    name="planted",
    num_classes=3,
    image_size=(8, 8),
    fingerprint="",
    logits=answers,
    **abilities,
  )


def trained(**changes):
  """A classifier with a configuration that has `changes`, and with Grad-CAM."""
  config = cifar10_apr_p.get_config()
  config.update_from_flattened_dict({"model.num_classes": 3, **changes})
  return function(config=config, grad_cam=lambda batch: np.zeros(batch.shape[:3]))


def evaluation_of(folder, results, load=missing, classifier=None):
  """The evaluation that has these results, whose data sets `load` reads."""
  classifier = classifier or trained()
  task = Task(classifier, Settings("planted", ood_sets=("other",)), load)
  return Evaluation(results, task, classifier, folder, SUITES)


def report_of(folder, results, load=missing, classifier=None):
  """The page's text, and its titles."""
  write.write_report(evaluation_of(folder, results, load, classifier))
  text = (folder / write.REPORT).read_text()
  return plain(text), re.findall("<h2>([^<]*)</h2>", text)


def plain(text):
  return re.sub(
    r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", text, flags=re.S))
  )


def test_clean_alone_and_no_clean_images_for_the_panels(tmp_path):
  text, titles = report_of(tmp_path, results_of({"clean": {"error": 12.345, "examples": 9}}))
  assert titles == ["Scores", "Clean images", "Training augmentation", "Configuration and versions"]
  assert "12.35" in text or "12.34" in text
  assert "Not shown: the data set planted is not there." in text


def test_every_panel_without_clean_images_is_a_sentence(tmp_path):
  errors = {name: [1.0] * 5 for name in CORRUPTIONS}
  text, titles = report_of(
    tmp_path,
    results_of(
      {
        "corruptions": {
          "mean_error": 1.0,
          "by_corruption": errors,
          "source": "published",
          "examples": 9,
        }
      }
    ),
  )
  assert {"Common corruptions", "Corruptions by eye", "Where the network looks"} <= set(titles)
  assert text.count("Not shown: the data set planted is not there.") == 3


def test_swap_shows_pairs_with_sets_that_are_gone(tmp_path):
  outside = images(4, seed=1)
  task = evaluation_of(
    tmp_path, {}, lambda name, *_, **__: outside if name == "other" else images()
  ).task
  section = Swap().summarise({name: compute() for name, compute in Swap().parts(task)})
  loaded = []

  def later(name, *_, **__):
    loaded.append(name)
    return images()

  text, titles = report_of(tmp_path, results_of({"swap": section}), later)
  assert "Amplitude and phase by eye" in titles and "Pairs of a test image and one of other" in text
  assert loaded == ["planted"]


def test_incomplete_protocols_have_their_means_over_what_is_there(tmp_path):
  protocols = [
    {
      "name": "openood_near",
      "sets": ["a", "b"],
      "missing": {},
      "mean_auroc": 77.77,
      "mean_over_present": 77.77,
      "present": 2,
    },
    {
      "name": "openood_far",
      "sets": ["c", "d", "e", "f"],
      "missing": {"e": "looked in X", "f": "looked in Y"},
      "mean_auroc": None,
      "mean_over_present": 66.66,
      "present": 2,
    },
  ]
  text, _ = report_of(
    tmp_path,
    results_of(
      {"ood": {"a": OOD_SCORES, "mean_auroc": None, "score": "max_softmax", "protocols": protocols}}
    ),
  )
  assert (
    "mean: openood_near max_softmax 77.77" in text and "mean: openood_far max_softmax –" in text
  )
  sentence = "openood_far: incomplete, 2 of 4 sets; mean AUROC over those 66.66 %."
  assert text.count(sentence) == 2 and text.index(sentence) < text.index(
    "Out-of-distribution detection"
  )
  assert "openood_near: incomplete" not in text and "e is missing: looked in X." in text


def test_temperature_at_its_bound_and_withheld_scores():
  text = plain(
    sections.calibration({"run": results_of({"calibration": calibration_of(at_bound=True)})})
  )
  assert (
    text.count("temperature 2.50 (a bound)") == 2 and "The temperature stands at a bound" in text
  )
  assert "copies of fitted ones" not in text

  text = plain(
    sections.calibration({"run": results_of({"calibration": calibration_of(at_bound=False)})})
  )
  assert "a bound" not in text and text.count("temperature 2.50") == 2

  section = copy.deepcopy(calibration_of(at_bound=False))
  section["corruptions"]["mean"]["scored_half"]["after"] = None
  text = plain(sections.calibration({"run": results_of({"calibration": section})}))
  assert text.count("temperature 2.50") == 1 and "copies of fitted ones" in text


def test_damaged_metrics(tmp_path):
  assert curves.curves(tmp_path) == curves.curves(None) == ""
  whole = [
    json.dumps({"kind": "train", "step": step, "epoch": step / 2, "loss": 1.0 / step})
    for step in (1, 2, 3)
  ]
  (tmp_path / "metrics.jsonl").write_text(
    "\n".join([*whole[:2], "[1]", '{"step": 1}', '"text"', whole[2][:20]])
  )
  text = curves.curves(tmp_path)
  assert text.count("<img") == 1 and "training loss" in text


def test_the_accuracy_under_pgd_has_a_curve(tmp_path):
  lines = [
    json.dumps({"kind": "pgd", "step": 4 * epoch, "epoch": epoch, "pgd_accuracy": 40.0 + epoch})
    for epoch in (1, 2)
  ]
  (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
  assert "training accuracy under PGD (%) over the epochs" in curves.curves(tmp_path)


@pytest.mark.parametrize(
  "changes, said",
  [
    ({}, ["One coin switches apr_p on or off"]),
    ({"augment.apr_p.prob": 0.0}, []),
    (
      {"data.stream": True, "adversary.steps": 10},
      ["One coin", "random resized crops", "adversarial attacks"],
    ),
  ],
)
def test_the_caption_of_the_augmentation(tmp_path, changes, said):
  text, _ = report_of(tmp_path, results_of({}), lambda *_, **__: images(), trained(**changes))
  found = [
    phrase
    for phrase in ("One coin", "random resized crops", "adversarial attacks")
    if phrase in text
  ]
  assert len(found) == len(said) and all(phrase in text for phrase in said)


def of_function(results):
  """The same results, of a classifier that was not trained here."""
  meta = {
    key: value for key, value in results["meta"].items() if key not in ("config", "seed", "step")
  }
  return results | {"meta": meta | {"classifier": {"name": "my <resnet>"}}}


def test_a_function_has_a_report_without_what_it_cannot_do(tmp_path):
  results = of_function(results_of({"clean": {"error": 12.345, "examples": 9}}))
  text, titles = report_of(tmp_path, results, lambda *_, **__: images(), function())
  assert titles == ["Scores", "Clean images", "Configuration and versions"]
  page = (tmp_path / write.REPORT).read_text()
  assert "<title>my &lt;resnet&gt;: evaluation</title>" in page and "Not shown" not in text


def test_a_function_stands_on_the_page_of_a_comparison(tmp_path):
  run = Scores(tmp_path / "a", results_of({}))
  other = Scores(tmp_path / "b", of_function(results_of({})))
  twin = Scores(tmp_path / "c", of_function(results_of({})))
  page = write.comparison_page([run, other, twin], [])
  titles = re.findall("<summary>([^<]*)</summary>", page)
  assert titles == [
    "cifar10_apr_p",
    f"my &lt;resnet&gt; ({tmp_path / 'b'})",
    f"my &lt;resnet&gt; ({tmp_path / 'c'})",
  ]


def planted_folder(folder, results):
  folder.mkdir()
  (folder / "results.json").write_text(json.dumps(results))
  return folder


def test_a_folder_is_no_page(tmp_path):
  folder = planted_folder(tmp_path / "run", results_of({"clean": {"error": 5.0}}))
  for out in (".", str(tmp_path)):
    with pytest.raises(UserError, match="it is a folder"):
      compare.compare([str(folder)], out)


def test_runs_are_called_after_what_tells_them_apart(tmp_path):
  def run(folder, **changes):
    return Scores(tmp_path / folder, results_of({}, **changes))

  def titles(*runs):
    return re.findall("<summary>([^<]*)</summary>", write.comparison_page(runs, []))

  assert titles(run("a"), run("b", seed=1)) == ["cifar10_apr_p (seed 0)", "cifar10_apr_p (seed 1)"]
  assert titles(run("a"), run("b", **{"model.name": "resnet18_cifar"}), run("c", name="other")) == [
    "cifar10_apr_p (wide_resnet_40_2)",
    "cifar10_apr_p (resnet18_cifar)",
    "other",
  ]
  assert titles(run("a"), run("b")) == [f"cifar10_apr_p ({tmp_path / folder})" for folder in "ab"]


def test_changed_runs_are_not_the_published_experiment(tmp_path, monkeypatch):
  results = results_of({"clean": {"error": 5.0, "examples": 9}}, epochs=1)
  with monkeypatch.context() as elsewhere:  # installed, without the configurations beside it
    elsewhere.setattr(config_files, "FOLDER", tmp_path)
    report_of(tmp_path, results)
  unknown = plain((tmp_path / write.REPORT).read_text())
  assert "cifar10_apr_p (changes unknown)" in unknown and "not comparable" in unknown
  evaluation = evaluation_of(tmp_path, results)
  write.write_report(evaluation, cifar10_apr_p.get_config().to_dict())
  assert "cifar10_apr_p (epochs=1)" in plain((tmp_path / write.REPORT).read_text())


def test_a_page_of_nothing_is_a_page():
  assert "</html>" in page("t", [section({}) for section in sections.SECTIONS])
