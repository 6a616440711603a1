"""Accuracy on the test split as it is."""

from apr_jax import metrics
from apr_jax.evaluation.suite import Parts, Task


def parts(task: Task) -> Parts:
  """One part, the whole test split."""
  yield (
    "clean",
    lambda: (
      metrics.accuracy_and_error(task.test_logits, task.test.labels)
      | {"examples": len(task.test.labels)}
    ),
  )


def summarise(results: dict) -> dict:
  """ "accuracy" and "error" in percent, "examples"."""
  return results["clean"]


def lines(summary: dict) -> list[str]:
  """The error."""
  return [f"clean error            {summary['error']:6.2f} %   ({summary['examples']} images)"]
