"""Accuracy on the test split as it is."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from apr_jax import metrics
from apr_jax.evaluation.evaluator import Evaluator, Headline, Parts
from apr_jax.evaluation.task import Task


@dataclasses.dataclass(frozen=True)
class Clean(Evaluator):
  """The error on the test images as they are."""

  headlines: ClassVar[Mapping[str, Headline]] = {
    "clean_error": Headline("clean error %", lambda summary: summary["error"])
  }

  def parts(self, task: Task) -> Parts:
    """One part, the whole test split."""
    yield "clean", lambda: _score(task)

  def summarise(self, results: dict) -> dict:
    """The scores "accuracy" and "error" in percent, and the number of "examples"."""
    return results["clean"]

  def lines(self, summary: dict) -> list[str]:
    """The error."""
    return [f"clean error            {summary['error']:6.2f} %   ({summary['examples']} images)"]


def _score(task: Task) -> dict:
  labels = task.test.labels
  return metrics.accuracy_and_error(task.test_logits, labels) | {"examples": len(labels)}
