"""Errors under common corruptions, and their mean."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import ClassVar

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
  "adapted_mean_error": Headline(
    "mean corruption error %, adapted statistics", lambda summary: summary["adapted"]["mean_error"]
  ),
  "adapted_mce": Headline("mCE %, adapted statistics", lambda summary: summary["adapted"]["mce"]),
}


@dataclasses.dataclass(frozen=True)
class Corruptions(Evaluator):
  """The error under each corruption and severity.

  Attributes:
    names: of the corruptions, of `apr_jax.corruptions`.
    severities: of 1..5.
    title: of the mean, for a terminal.
    adapt: whether to score the network a second time, with batch statistics of the corrupted images
      in place of the training's.
    adapt_batch: at most so many images share them.
    prior: N, how many images the statistics of the training count as in the mixture with those of n
      test images, (N·s + n·t) / (N + n).

  Reference of the adaptation: Schneider et al., NeurIPS 2020 (https://arxiv.org/abs/2006.16971).
  """

  names: tuple[str, ...] = CORRUPTIONS
  severities: tuple[int, ...] = tuple(SEVERITIES)
  title: str = "mean corruption error"
  adapt: bool = False
  adapt_batch: int = 500
  prior: int = 0

  beside: ClassVar[tuple[str, ...]] = ("adapt", "adapt_batch", "prior")

  @property
  def needs(self) -> tuple[str, ...]:
    """What adapts, where it is asked for."""
    return ("adapted_logits",) if self.adapt else ()

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
    if self.adapt_batch < 1 or self.prior < 0:
      raise UserError(
        f"corruptions: adapt_batch must be 1 or more and prior 0 or more, got {self.adapt_batch} "
        f"and {self.prior}"
      )
    source = open_source(task, self.names)
    for name in self.names:
      for severity in self.severities:
        yield f"{name}/{severity}", functools.partial(self._score, task, source, name, severity)

  def summarise(self, results: dict) -> dict:
    """The errors "mean_error" and "by_corruption" {name: [error per severity]} in percent; the
    "source" of the images; the number of "examples" per set.

    On ImageNet's published files also "mce", the AlexNet-normalised score, which is defined on them
    alone.

    With the option `adapt` also "adapted": "mean_error", "by_corruption" and "mce" of the network
    with batch statistics of the corrupted images; the number of images that shared them, "batch";
    and the weight of the training's statistics in images, "prior".
    """
    first = next(iter(results.values()))
    published_imagenet = (first["data"], first["source"]) == ("imagenet2012", "published")
    with_mce = published_imagenet and self.benchmark
    summary = _errors(results, "error", with_mce)
    summary |= {"source": first["source"], "examples": first["examples"]}
    if self.adapt:
      summary["adapted"] = _errors(results, "adapted_error", with_mce) | {
        "batch": first["adapt_batch"],
        "prior": self.prior,
      }
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
    if "adapted" in summary:
      adapted = summary["adapted"]
      text.append(
        f"  adapted statistics   {adapted['mean_error']:6.2f} %   (of {adapted['batch']} corrupted "
        f"images a batch, prior {adapted['prior']})"
      )
      if "mce" in adapted:
        text.append(f"  adapted mCE          {adapted['mce']:6.2f} %")
    return text

  def _score(self, task: Task, source: CorruptionSource, name: str, severity: int) -> dict:
    logits, labels = source.logits(task, name, severity)
    result = {
      "error": metrics.accuracy_and_error(logits, labels)["error"],
      "examples": len(labels),
      "data": task.settings.data,
      "source": source.name,
    }
    if self.adapt:
      logits, labels = source.adapted_logits(task, name, severity, self.adapt_batch, self.prior)
      batches = -(-len(labels) // self.adapt_batch)
      result |= {
        "adapted_error": metrics.accuracy_and_error(logits, labels)["error"],
        "adapt_batch": -(-len(labels) // batches),
      }
    return result


def _errors(results: dict, key: str, with_mce: bool) -> dict:
  """The errors of all sets under that key, their mean, and if wanted the mCE."""
  errors = {name: [result[key] for result in sets] for name, sets in by_corruption(results).items()}
  found = {"mean_error": metrics.mean_error(errors), "by_corruption": errors}
  return found | ({"mce": metrics.mce(errors)} if with_mce else {})


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
