"""Calibration of planted logits, worked out with the metrics on sets made by hand."""

import json

import numpy as np
import pytest

from apr_jax import metrics
from apr_jax.data import ArrayData
from apr_jax.evaluation import calibration, corruption_sources
from apr_jax.evaluation.calibration import Calibration
from apr_jax.evaluation.corruptions import Corruptions

NAMES = ("fog", "contrast")
SUITE = Calibration(NAMES)
SCORES = {"ece", "rms", "ece_equal_mass", "rms_equal_mass", "nll", "brier"}


def planted_set(predictions, confidences, labels=None):
  images = np.full((len(predictions), 10, 10, 3), 7, np.uint8)
  images[:, 0, 0, 0], images[:, 0, 0, 1] = predictions, confidences
  return images, np.arange(len(predictions)) % 5 if labels is None else np.array(labels)


def random_set(seed, n=60, share=0.7):
  """`share` of the images is predicted correctly, with confidences of all sizes."""
  random = np.random.default_rng(seed)
  labels = np.arange(n) % 5
  predictions = np.where(random.random(n) < share, labels, (labels + 1) % 5)
  return planted_set(predictions, random.integers(0, 60, n))


def dataset(images, labels):
  return ArrayData(images, labels.astype(np.int32), 5, "planted")


@pytest.fixture
def published(tmp_path):
  """Ten sets in CIFAR-10-C's layout; {(name, severity): images}. The labels repeat those of the
  clean set.
  """
  sets = {
    (name, severity): random_set(10 * row + severity, share=0.8 - 0.1 * severity)[0]
    for row, name in enumerate(NAMES)
    for severity in range(1, 6)
  }
  for name in NAMES:
    np.save(
      tmp_path / f"{name}.npy", np.concatenate([sets[name, severity] for severity in range(1, 6)])
    )
  np.save(tmp_path / "labels.npy", np.tile(np.arange(60) % 5, 5))
  return sets


def run_suite(task):
  return SUITE.summarise({name: compute() for name, compute in SUITE.parts(task)})


def expected(logits, labels, temperature=1.0):
  probs = metrics.softmax(logits, temperature)
  mass = metrics.calibration(probs, labels, 15, equal_mass=True)
  return metrics.calibration(probs, labels, 15) | {
    "ece_equal_mass": mass["ece"],
    "rms_equal_mass": mass["rms"],
    "brier": metrics.brier(probs, labels),
    "nll": metrics.nll(logits / temperature, labels),
  }


def test_the_whole_suite_on_planted_logits(planted, published, tmp_path):
  images, labels = random_set(0, share=0.6)
  task = planted({"cifar10": dataset(images, labels)}, data_dir=tmp_path)
  results = run_suite(task)
  assert json.loads(json.dumps(results)) == results
  assert results.keys() == {"clean", "corruptions", "temperature", "bins"} and results["bins"] == 15

  fitted, scored = np.split(np.random.RandomState(0).permutation(60), 2)
  logits = task.logits(images)
  temperature = metrics.fit_temperature(logits[fitted], labels[fitted])
  assert results["temperature"]["value"] == temperature and 1.2 < temperature < 10
  assert results["temperature"]["at_bound"] is False
  assert (
    "first half" in results["temperature"]["fitted_on"]
    and "second half" in results["temperature"]["scored_on"]
  )

  clean = results["clean"]
  assert {score: clean[score] for score in SCORES} == pytest.approx(expected(logits, labels))
  assert clean["scored_half"]["before"] == pytest.approx(expected(logits[scored], labels[scored]))
  assert clean["scored_half"]["after"] == pytest.approx(
    expected(logits[scored], labels[scored], temperature)
  )
  assert (clean["examples"], clean["scored_half"]["examples"]) == (60, 30)
  for diagram, chosen, t in (
    (clean["reliability"], slice(None), 1),
    (clean["scored_half"]["reliability"], scored, temperature),
  ):
    reference = metrics.reliability(metrics.softmax(logits[chosen], t), labels[chosen], 15)
    for key in ("count", "confidence", "accuracy"):
      np.testing.assert_allclose(np.array(diagram[key], float), reference[key])

  section = results["corruptions"]
  assert (section["source"], section["examples"], section["same_order"]) == ("published", 60, True)
  assert list(section["by_corruption"]) == list(NAMES)
  for name in NAMES:
    for severity in range(1, 6):
      logits = task.logits(published[name, severity])
      found = section["by_corruption"][name]

      def at(scores, severity=severity):
        return {score: scores[score][severity - 1] for score in SCORES}

      assert at(found) == pytest.approx(expected(logits, labels))
      assert at(found["scored_half"]["before"]) == pytest.approx(
        expected(logits[scored], labels[scored])
      )
      assert at(found["scored_half"]["after"]) == pytest.approx(
        expected(logits[scored], labels[scored], temperature)
      )
  for score in SCORES:
    assert section["mean"][score] == pytest.approx(
      np.mean([section["by_corruption"][name][score] for name in NAMES])
    )
    assert section["mean"]["scored_half"]["after"][score] == pytest.approx(
      np.mean([section["by_corruption"][name]["scored_half"]["after"][score] for name in NAMES])
    )


def test_bins_are_pooled_over_the_corruptions_of_a_severity(planted, published, tmp_path):
  images, labels = random_set(0)
  task = planted({"cifar10": dataset(images, labels)}, data_dir=tmp_path)
  section = run_suite(task)["corruptions"]
  for severity, diagram in enumerate(section["reliability"], 1):
    together = np.concatenate([published[name, severity] for name in NAMES])
    reference = metrics.reliability(metrics.softmax(task.logits(together)), np.tile(labels, 2), 15)
    for key in ("count", "confidence", "accuracy"):
      np.testing.assert_allclose(np.array(diagram[key], float), reference[key])
  assert None in section["reliability"][0]["confidence"]  # an empty bin: no confidence is below 1/5


def test_the_images_that_are_fitted_are_not_scored(planted):
  """Logits of 3: e³/(e³ + 4) sure. Right on three in four of the fitted half, which fixes T; never
  on the other.
  """
  labels = np.arange(80) % 5
  fitted, scored = calibration.halves(80)
  assert sorted([*fitted, *scored]) == list(range(80)) and len(fitted) == 40
  predictions = (labels + 1) % 5
  predictions[fitted[:30]] = labels[fitted[:30]]
  images, _ = planted_set(predictions, np.full(80, 30))
  task = planted({"digits": dataset(images, labels)}, source="regenerated")
  result = SUITE.parts(task)
  name, compute = next(result)
  clean = compute()
  # e^(3/T) / (e^(3/T) + 4) = 3/4, so 3/T = ln 12.
  assert name == "clean" and clean["temperature"] == pytest.approx(3 / np.log(12))
  assert clean["scored_half"]["after"]["ece"] == pytest.approx(0.75)
  assert clean["scored_half"]["before"]["ece"] == pytest.approx(np.exp(3) / (np.exp(3) + 4))
  assert clean["ece"] == pytest.approx(np.exp(3) / (np.exp(3) + 4) - 30 / 80)


def without_temperature(results):
  section = results["corruptions"]
  every = (section["mean"], *section["by_corruption"].values())
  return all(scores["scored_half"]["after"] is None for scores in every)


def test_sets_of_another_order_are_not_scored_with_the_temperature(planted, published, tmp_path):
  images, labels = random_set(0)
  order = np.random.default_rng(0).permutation(60)
  same = run_suite(planted({"cifar10": dataset(images, labels)}, data_dir=tmp_path))
  results = run_suite(
    planted({"cifar10": dataset(images[order], labels[order])}, data_dir=tmp_path)
  )
  assert json.loads(json.dumps(results)) == results
  assert results["corruptions"]["same_order"] is False and without_temperature(results)
  assert same["corruptions"]["same_order"] is True and not without_temperature(same)
  # What needs no temperature does not depend on the clean images.
  found, expected_scores = results["corruptions"]["mean"], same["corruptions"]["mean"]
  assert all(found[key] == expected_scores[key] for key in SCORES)
  assert found["scored_half"]["before"] == expected_scores["scored_half"]["before"]
  assert results["clean"]["scored_half"]["after"].keys() == SCORES
  assert SUITE.lines(results)[1].endswith(
    "(not with that temperature: perhaps in another order, with copies of fitted images)"
  )


def test_sorted_labels_tell_no_order(planted, tmp_path, monkeypatch):
  labels = np.repeat(np.arange(5), 4)
  images, _ = planted_set(labels, np.arange(20) + 10)
  for name in NAMES:
    np.save(tmp_path / f"{name}.npy", np.tile(images, (5, 1, 1, 1)))
  np.save(tmp_path / "labels.npy", np.tile(labels, 5))
  results = run_suite(planted({"cifar10": dataset(images, labels)}, data_dir=tmp_path))
  assert results["corruptions"]["same_order"] is False and without_temperature(results)
  # Images that are corrupted here are in order whatever their labels.
  monkeypatch.setattr(
    corruption_sources, "regenerate", lambda images, name, severity: iter([images])
  )
  results = run_suite(planted({"cifar10": dataset(images, labels)}, source="regenerated"))
  assert results["corruptions"]["same_order"] is True and not without_temperature(results)


@pytest.mark.parametrize("examples, at_bound", [(1, False), (2, True), (3, True)])
def test_very_few_images_and_no_errors(planted, published, tmp_path, examples, at_bound):
  images, labels = planted_set(np.arange(60) % 5, np.full(60, 20))
  results = run_suite(
    planted({"cifar10": dataset(images, labels)}, data_dir=tmp_path, limit=examples)
  )
  # Of one image nothing is fitted; of a half without errors T falls to its bound.
  assert results["temperature"]["value"] == (metrics.TEMPERATURE_BOUNDS[0] if at_bound else 1)
  assert results["temperature"]["at_bound"] is at_bound
  assert results["clean"]["scored_half"]["examples"] == examples - examples // 2
  assert (", the bound of its fit)" in SUITE.lines(results)[0]) is at_bound


def test_summary_lines(planted, published, tmp_path):
  images, labels = random_set(0)
  results = run_suite(planted({"cifar10": dataset(images, labels)}, data_dir=tmp_path))
  clean, corrupted = SUITE.lines(results)
  assert clean.startswith(
    f"calibration error      {100 * results['clean']['ece']:6.2f} %   (clean; "
  )
  assert f"{100 * results['corruptions']['mean']['ece']:6.2f} %" in corrupted


def test_corruptions_and_calibration_ask_for_the_same_parts_and_once_for_their_logits(
  planted, published, tmp_path
):
  images, labels = random_set(0)
  calls = []
  plain = planted({"cifar10": dataset(images, labels)}).logits
  task = planted(
    {"cifar10": dataset(images, labels)},
    data_dir=tmp_path,
    logits=lambda images: calls.append(len(images)) or plain(images),
  )
  errors, scores = dict(Corruptions(NAMES).parts(task)), dict(SUITE.parts(task))
  assert list(scores) == ["clean", *errors]
  for name in errors:
    error, score = errors[name](), scores[name]()
    wrong = plain(published[name.split("/")[0], int(name[-1])]).argmax(1) != labels
    assert error["error"] == pytest.approx(100 * wrong.mean()) and score["examples"] == 60
  assert len(calls) == 10 + 1  # the ten sets, and the clean images for the temperature


def test_bins_and_seed_are_options(planted, published, tmp_path):
  images, labels = random_set(0, share=0.6)
  task = planted({"cifar10": dataset(images, labels)}, data_dir=tmp_path)
  other = Calibration(("fog",), bins=4, seed=3)
  results = other.summarise({name: compute() for name, compute in other.parts(task)})
  assert results["bins"] == 4 and len(results["clean"]["reliability"]["count"]) == 4
  assert list(results["corruptions"]["by_corruption"]) == ["fog"]
  fitted, scored = np.split(np.random.RandomState(3).permutation(60), 2)
  logits = task.logits(images)
  temperature = metrics.fit_temperature(logits[fitted], labels[fitted])
  assert results["temperature"]["value"] == temperature
  expected_ece = metrics.calibration(metrics.softmax(logits[scored]), labels[scored], 4)["ece"]
  assert results["clean"]["scored_half"]["before"]["ece"] == pytest.approx(expected_ece)
