"""The results of one run or of several, as the sections of a page see them."""

from collections.abc import Mapping

Runs = Mapping[str, dict]
"""{title of the run: its results.json}."""


def sections_of(runs: Runs, suite: str) -> dict[str, dict]:
  """{title: the summary of a suite}, of the runs that have it."""
  return {name: results[suite] for name, results in runs.items() if suite in results}


def prefix(runs: Runs, name: str) -> str:
  """Names the run where there are several."""
  return f"{name}: " if len(runs) > 1 else ""
