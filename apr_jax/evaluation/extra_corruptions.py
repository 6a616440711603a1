"""Errors under the 4 extra corruptions, which stand apart: they are in no benchmark's mean."""

from apr_jax.corruptions import EXTRA_CORRUPTIONS
from apr_jax.evaluation import corruptions
from apr_jax.evaluation.suite import Parts, Task


def parts(task: Task) -> Parts:
  """The 4 corruptions beside the benchmark's; see `corruptions.parts_of`."""
  return corruptions.parts_of(task, EXTRA_CORRUPTIONS)


def summarise(results: dict) -> dict:
  """As for the 15 corruptions."""
  return corruptions.summarise(results)


def lines(summary: dict) -> list[str]:
  """As for the 15 corruptions."""
  return corruptions.lines(summary, "extra corruptions")
