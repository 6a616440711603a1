"""Batch statistics adapted to the corrupted images, beside the plain score."""

import numpy as np
import pytest

from apr_jax import FromFunction
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation.corruptions import Corruptions
from apr_jax.evaluation.runner import evaluate
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.task import Task
from apr_jax.report.results import Scores, all_metrics
from apr_jax.report.sections import corruptions
from tests.evaluation.test_suites import write_published

NAMES = ("fog", "contrast")
WRONG = {"fog": [0, 1, 2, 3, 4], "contrast": [1, 1, 1, 1, 2]}


def planted_logits(images):
  return np.eye(5, dtype=np.float32)[np.minimum(images[:, 0, 0, 0], 4)]


def classifier(seen=None):
  """The first pixel names the class; with adapted statistics, the one after it."""

  def adapted(images, prior):
    if seen is not None:
      seen.append((images[:, 0, 0, 0].tolist(), prior))
    return np.roll(planted_logits(images), 1, axis=1)

  return FromFunction(planted_logits, 5, 10, name="planted", adapted_logits=adapted)


def test_the_adapted_score_stands_beside_the_plain_one(tmp_path):
  write_published(tmp_path, WRONG)
  seen = []
  labels = np.arange(4, dtype=np.int32)
  test = ArrayData(np.zeros((4, 10, 10, 3), np.uint8), labels, 5, "planted")
  task = Task(classifier(seen), Settings("cifar10", data_dir=tmp_path), lambda *args, **where: test)
  suite = Corruptions(NAMES, adapt=True, adapt_batch=3, prior=7)
  results = {name: compute() for name, compute in suite.parts(task)}
  summary = suite.summarise(results)
  assert summary["mean_error"] == pytest.approx(40)
  # One off is wrong, but for the images that were one behind.
  stored = {name: np.load(tmp_path / f"{name}.npy")[:, 0, 0, 0].reshape(5, 4) for name in NAMES}
  wanted = {
    name: [100 * np.mean((block + 1) % 5 != labels) for block in blocks]
    for name, blocks in stored.items()
  }
  assert summary["adapted"]["by_corruption"] == wanted
  assert summary["adapted"]["mean_error"] == pytest.approx(np.mean(list(wanted.values())))
  assert (summary["adapted"]["batch"], summary["adapted"]["prior"]) == (2, 7)
  # Four images in two batches, in the order of a fixed permutation.
  first, second = np.split(np.random.RandomState(0).permutation(4), 2)
  assert [batch for batch, _ in seen[:2]] == [
    stored["fog"][0][first].tolist(),
    stored["fog"][0][second].tolist(),
  ]
  assert {prior for _, prior in seen} == {7} and len(seen) == 20
  lines = suite.lines(summary)
  assert lines[1].startswith("  adapted statistics   100.00 %   (of 2 corrupted images a batch")


def test_what_cannot_adapt_says_so(tmp_path):
  plain = FromFunction(planted_logits, 5, 10, name="plain")
  with pytest.raises(UserError, match="the suite corruptions needs adapted_logits, which 'plain'"):
    evaluate(plain, Settings("digits"), {"corruptions": Corruptions(NAMES, adapt=True)}, tmp_path)
  with pytest.raises(UserError, match="adapt_batch must be 1 or more"):
    list(Corruptions(NAMES, adapt_batch=0).parts(None))


def test_tables_keep_the_plain_score_comparable():
  usual = {"names": [*Corruptions.names], "evaluator": "Corruptions"}
  section = {
    "mean_error": 20.0,
    "by_corruption": {"fog": [10.0, 30.0]},
    "source": "published",
    "examples": 10_000,
    "adapted": {
      "mean_error": 15.0,
      "by_corruption": {"fog": [5.0, 25.0]},
      "batch": 500,
      "prior": 0,
    },
  }

  def scores(**options):
    meta = {"examples": "all", "settings": {"data": "cifar10"}, "config": None, "classifier": {}}
    meta["suites"] = {"corruptions": usual | {"severities": [1, 2, 3, 4, 5]} | options}
    return Scores(None, {"corruptions": section, "meta": meta})

  adapted = scores(adapt=True)
  assert adapted.value("mean_error") == 20 and adapted.value("adapted_mean_error") == 15
  assert adapted.value("adapted_mce") is None
  assert "adapted" in all_metrics()["adapted_mean_error"].title
  assert adapted.not_comparable("mean_error") is None
  assert "other options" in scores(severities=[1]).not_comparable("mean_error")
  page = corruptions({"run": scores(severities=[1, 2]).results})
  assert "batch statistics of 500 corrupted images at a time" in page and "25.0" in page
