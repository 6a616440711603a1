"""All scores of out-of-distribution detection through the evaluator, on a linear classifier whose
features are eight pixels.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from apr_jax import FromFunction, metrics
from apr_jax.corruptions import CORRUPTIONS
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation.ood import Ood
from apr_jax.evaluation.ood_scores import SCORES, odin
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.suites import SUITES
from apr_jax.evaluation.task import Task
from apr_jax.report import ood as section
from apr_jax.report.results import all_metrics

SIDE, D, K = 8, 8, 3
RANDOM = np.random.RandomState(1)
WEIGHTS = RANDOM.normal(size=(D, K)).astype(np.float32)
BIAS = RANDOM.normal(size=K).astype(np.float32)


def features(images):
  return images[:, 0, :, 0].astype(np.float32) / 255


def logits(images):
  return features(images) @ WEIGHTS + BIAS


def jax_logits(images):
  return images[:, 0, :, 0] @ WEIGHTS + BIAS


def images_of(seed, count, highest=256):
  random = np.random.RandomState(seed)
  images = random.randint(0, highest, (count, SIDE, SIDE, 3), dtype=np.uint8)
  return ArrayData(images, random.randint(0, K, count).astype(np.int32), K, "planted")


TEST, TRAIN, OUTSIDE = images_of(2, 75), images_of(3, 90), images_of(4, 20, 128)
ABLE = FromFunction(
  logits,
  K,
  SIDE,
  name="linear",
  jax_logits=jax_logits,
  features=features,
  last_layer=(WEIGHTS, BIAS),
)


def task_of(classifier=ABLE, train=TRAIN, limit=0, **settings):
  def load(name, split, *, sample=0, **where):
    if name == "near":
      return OUTSIDE
    if split == "test":
      return TEST
    if train is None:
      raise UserError("DIR/cifar10: no such folder")
    return train.spread(sample)

  return Task(classifier, Settings("cifar10", limit=limit, ood_sets=("near",), **settings), load)


def run_suite(suite, task):
  return suite.summarise({name: compute() for name, compute in suite.parts(task)})


def direct(data):
  """Each score of a data set, from the arithmetic alone."""
  of, to = features(data.images), logits(data.images)
  train, train_logits = features(TRAIN.images), logits(TRAIN.images)
  mahalanobis = metrics.Mahalanobis.fit(train, TRAIN.labels)
  return {
    "max_softmax": metrics.max_softmax(to),
    "max_logit": metrics.max_logit(to),
    "energy": metrics.energy(to),
    "odin": odin(jax_logits, data.images),
    "gradnorm": metrics.gradnorm(of, to),
    "react": metrics.react(of, (WEIGHTS, BIAS), np.percentile(train, 90)),
    "kl_matching": metrics.kl_matching(to, metrics.class_templates(train_logits)),
    "knn": metrics.nearest_neighbour(of, train, 50),
    "mahalanobis": mahalanobis.score(of),
    "relative_mahalanobis": mahalanobis.relative_score(of),
    "vim": metrics.Vim.fit(train, (WEIGHTS, BIAS)).score(of, to),
  }


def test_all_scores_of_a_classifier_that_has_everything():
  results = run_suite(SUITES["ood_scores"], task_of())
  inside, outside = direct(TEST), direct(OUTSIDE)
  assert list(inside) == list(SCORES)
  for name in SCORES:
    wanted = metrics.ood_metrics(inside[name], outside[name])
    found = results["near"] if name == "max_softmax" else results["near"][name]
    assert {key: found[key] for key in wanted} == pytest.approx(wanted), name
  assert [score["name"] for score in results["scores"]] == list(SCORES)
  assert "left_out" not in results
  lines = SUITES["ood_scores"].lines(results)
  assert lines[0].startswith("OOD AUROC, all scores") and any("by kNN" in line for line in lines)


def test_tables_and_the_report_show_every_score():
  summary = run_suite(SUITES["ood_scores"], task_of())
  results = {"ood_scores": summary, "meta": {}}
  shown = {name: metric.read(results) for name, metric in all_metrics().items()}
  assert {f"ood_auroc_{name}" for name in SCORES} <= shown.keys()
  assert shown["ood_auroc_knn"] == summary["near"]["knn"]["auroc"]
  assert all_metrics()["ood_auroc_vim"].title == "OOD AUROC % by ViM"
  assert shown["ood_auroc"] is None and shown["full_spectrum_auroc_vim"] is None
  page = section.all_scores({"linear": results})
  assert all(name in page for name in SCORES)
  assert section.usual_scores({"linear": results}) == ""


def test_odin_of_a_linear_classifier_by_hand():
  temperature, epsilon = 10.0, 0.02
  found = odin(jax_logits, TEST.images, temperature, epsilon)
  floats = TEST.images.astype(np.float64) / 255
  wanted = []
  for image in floats:
    row = image[0, :, 0]
    p = special.softmax((row @ WEIGHTS + BIAS) / temperature)
    # d ln p_y / dx = (w_y - sum_k p_k w_k) / T
    slope = WEIGHTS[:, p.argmax()] - WEIGHTS @ p
    changed = np.clip(row + epsilon * np.sign(slope), 0, 1)
    wanted.append(special.softmax((changed @ WEIGHTS + BIAS) / temperature).max())
  np.testing.assert_allclose(found, wanted, rtol=1e-5)
  assert (found >= metrics.max_softmax(logits(TEST.images) / temperature) - 1e-7).all()


def test_a_score_without_its_training_images_is_left_out_in_one_line():
  results = run_suite(SUITES["ood_scores"], task_of(train=None))
  left_out = {score["name"]: score["why"] for score in results["left_out"]}
  assert left_out.keys() == {name for name, score in SCORES.items() if score.train}
  why = "it needs the training images of cifar10: DIR/cifar10: no such folder"
  assert set(left_out.values()) == {why}
  assert f"  left out: kNN: {why}" in SUITES["ood_scores"].lines(results)
  page = section.all_scores({"linear": {"ood_scores": results, "meta": {}}})
  assert f"knn is left out: {why}." in page
  # What is there later is scored anew: the parts have other names.
  names, later = (
    {name for name, _ in SUITES["ood_scores"].parts(task)}
    for task in (task_of(train=None), task_of())
  )
  assert not names & later


def test_a_score_without_its_ability_is_left_out_in_one_line():
  bare = FromFunction(logits, K, SIDE, name="bare")
  results = run_suite(SUITES["ood_scores"], task_of(bare))
  left_out = {score["name"]: score["why"] for score in results["left_out"]}
  assert left_out.keys() == {name for name, score in SCORES.items() if score.needs}
  assert left_out["odin"].startswith("it needs jax_logits, which 'bare' lacks: ")
  assert left_out["vim"].startswith("it needs features, which 'bare' lacks: ")
  assert all("\n" not in why for why in left_out.values())
  with pytest.raises(UserError, match="the score knn: it needs features, which 'bare' lacks"):
    list(Ood(("knn",)).parts(task_of(bare)))


def test_too_few_training_images_have_no_neighbours():
  with pytest.raises(UserError, match="needs 50 neighbours among 40 training images"):
    list(Ood(("knn",)).parts(task_of(limit=40)))
  with pytest.raises(UserError, match="needs 50 neighbours among 30 training images"):
    list(Ood(("knn",), train_images=30).parts(task_of()))
  near = run_suite(Ood(("knn",), train_images=30, neighbours=3), task_of())["near"]
  train = features(TRAIN.images[np.arange(30) * 3])  # evenly spaced
  inside, outside = (
    metrics.nearest_neighbour(features(data.images), train, 3) for data in (TEST, OUTSIDE)
  )
  assert near["auroc"] == pytest.approx(metrics.ood_metrics(inside, outside)["auroc"])


def test_corrupted_images_are_in_distribution_in_the_full_spectrum(tmp_path):
  # Of each corruption and severity the images say by their first row which they are.
  folder = tmp_path / "CIFAR-10-C"
  folder.mkdir()
  labels = TEST.labels[::-1].copy()
  np.save(folder / "labels.npy", np.tile(labels, 5))
  stored = {}
  for number, name in enumerate(CORRUPTIONS):
    stored[name] = images_of(10 + number, 5 * 75).images
    np.save(folder / f"{name}.npy", stored[name])
  task = task_of(data_dir=tmp_path)
  suite = Ood(("energy",), full_spectrum=True, headline="full_spectrum_auroc")
  near = run_suite(suite, task)["near"]
  # Image i under corruption i // 5 at severity i % 5 + 1.
  corrupted = np.stack([stored[CORRUPTIONS[i // 5]][75 * (i % 5) + i] for i in range(75)])
  inside = metrics.energy(logits(np.concatenate([TEST.images, corrupted])))
  outside = metrics.energy(logits(OUTSIDE.images))
  assert near["auroc"] == pytest.approx(metrics.ood_metrics(inside, outside)["auroc"])
  correct = logits(np.concatenate([TEST.images, corrupted])).argmax(1) == np.concatenate(
    [TEST.labels, labels]
  )
  assert near["oscr"] == pytest.approx(metrics.oscr(inside, correct, outside))
  assert near["inside"] == "75 test images and 75 under corruptions (published)"
  name, _ = next(suite.parts(task))
  assert "published corruptions are in-distribution" in name and "corruption_source" in suite.reads
  assert list(suite.headlines) == ["full_spectrum_auroc"]


def test_features_that_are_not_finite_are_refused():
  broken = FromFunction(logits, K, SIDE, name="broken")
  broken.features = lambda images: np.full((len(images), 2), np.nan)
  with pytest.raises(UserError, match="features of 'broken' must be finite floats"):
    run_suite(Ood(("knn",)), task_of(broken))


def test_the_last_layer_must_fit():
  for layer, message in (
    ((WEIGHTS.T, BIAS), r"W \[D, 3\], got \[3, 8\]; of PyTorch's weight give weight.T"),
    ((WEIGHTS, BIAS[:2]), r"\(W \[D, 3\], b \[3\]\)"),
    (WEIGHTS, r"must be \(W \[D, K\], b \[K\]\)"),
  ):
    with pytest.raises(UserError, match=message):
      FromFunction(logits, K, SIDE, name="x", features=features, last_layer=layer)
  assert jnp.allclose(
    ABLE.features(TEST.images) @ ABLE.last_layer[0] + ABLE.last_layer[1],
    ABLE.logits(TEST.images),
    atol=1e-5,
  )
