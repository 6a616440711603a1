"""Errors under common corruptions, and their mean."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from apr_jax import metrics
from apr_jax.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS, SEVERITIES
from apr_jax.errors import UserError, lookup
from apr_jax.evaluation.corruption_sources import CorruptionSource, open_source
from apr_jax.evaluation.evaluator import Evaluator, Headline, Parts
from apr_jax.evaluation.task import Task

_KNOWN = dict.fromkeys((*CORRUPTIONS, *EXTRA_CORRUPTIONS))
_HEADLINES = {
  "mean_error": Headline("mean corruption error %", lambda summary: summary["mean_error"]),
  "mce": Headline("mCE %", lambda summary: summary["mce"]),
}


@dataclasses.dataclass(frozen=True)
class Corruptions(Evaluator):
  """The error under each corruption and severity.

  Attributes:
    names: of the corruptions, of `apr_jax.corruptions`.
    severities: of 1..5.
    title: of the mean, for a terminal.
  """

  names: tuple[str, ...] = CORRUPTIONS
  severities: tuple[int, ...] = tuple(SEVERITIES)
  title: str = "mean corruption error"

  @property
  def benchmark(self) -> bool:
    """Whether these are the 15 corruptions at 5 severities, over which the benchmarks' means are
    taken.
    """
    return (self.names, self.severities) == (CORRUPTIONS, tuple(SEVERITIES))

  @property
  def headlines(self) -> Mapping[str, Headline]:
    """The benchmark's scores; other corruptions are in no benchmark's mean."""
    return _HEADLINES if self.benchmark else {}

  def parts(self, task: Task) -> Parts:
    """One part per corruption and severity, "name/severity"."""
    check_corruptions(self.names, self.severities)
    source = open_source(task, self.names)
    for name in self.names:
      for severity in self.severities:
        yield f"{name}/{severity}", functools.partial(_score, task, source, name, severity)

  def summarise(self, results: dict) -> dict:
    """The errors "mean_error" and "by_corruption" {name: [error per severity]} in percent; the
    "source" of the images; the number of "examples" per set.

    On ImageNet's published files also "mce", the AlexNet-normalised score, which is defined on them
    alone.
    """
    first = next(iter(results.values()))
    errors = {
      name: [result["error"] for result in sets] for name, sets in by_corruption(results).items()
    }
    summary = {
      "mean_error": metrics.mean_error(errors),
      "by_corruption": errors,
      "source": first["source"],
      "examples": first["examples"],
    }
    published_imagenet = (first["data"], first["source"]) == ("imagenet2012", "published")
    if published_imagenet and self.benchmark:
      summary["mce"] = metrics.mce(errors)
    return summary

  def lines(self, summary: dict) -> list[str]:
    """The mean error and, where it is defined, the mCE."""
    sets = f"{len(summary['by_corruption'])} × {len(self.severities)} sets"
    text = [
      f"{self.title:<22} {summary['mean_error']:6.2f} %   "
      f"({summary['source']}, {sets} of {summary['examples']} images)"
    ]
    if "mce" in summary:
      text.append(
        f"mCE                    {summary['mce']:6.2f} %   (errors relative to AlexNet's)"
      )
    return text


def check_corruptions(names: Sequence[str], severities: Sequence[int] = SEVERITIES) -> None:
  """Refuses corruptions that cannot be scored.

  Raises:
    UserError: there is none, a name is unknown, or a severity is none of 1..5.
  """
  if not names or not severities:
    raise UserError("no corruptions are named, or no severities; give at least one of each")
  for name in names:
    lookup(_KNOWN, name, "corruption")
  for severity in severities:
    if severity not in SEVERITIES:
      raise UserError(f"the severities of corruptions are 1 to 5, got {severity!r}")


def by_corruption(results: dict) -> dict[str, list]:
  """{corruption: the results of its parts "name/severity", in order}."""
  grouped: dict[str, list] = {}
  for part, result in results.items():
    grouped.setdefault(part.split("/")[0], []).append(result)
  return grouped


def _score(task: Task, source: CorruptionSource, name: str, severity: int) -> dict:
  logits, labels = source.logits(task, name, severity)
  return {
    "error": metrics.accuracy_and_error(logits, labels)["error"],
    "examples": len(labels),
    "data": task.settings.data,
    "source": source.name,
  }
