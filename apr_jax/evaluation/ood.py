"""Detection of out-of-distribution images by the network's confidence.

The headline score is the maximum softmax probability, as in the paper; the released code's maximum
logit and the energy stand beside it. All are higher for in-distribution images.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from apr_jax import metrics
from apr_jax.data import ArrayData
from apr_jax.errors import UserError, lookup
from apr_jax.evaluation import ood_protocols
from apr_jax.evaluation.evaluator import Evaluator, Headline, Parts
from apr_jax.evaluation.task import Task


def max_softmax(logits: np.ndarray) -> np.ndarray:
  """Largest softmax probability, float64 `[N]`; in double precision, where fewer confident images
  tie at 1.
  """
  return 1 / np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True)).sum(1)


def max_logit(logits: np.ndarray) -> np.ndarray:
  """Largest logit, float32 `[N]`."""
  return logits.max(1)


def energy(logits: np.ndarray) -> np.ndarray:
  """ln Σ_k exp(z_k), float64 `[N]`: minus the energy of Liu et al., NeurIPS 2020
  (https://arxiv.org/abs/2010.03759).
  """
  return logits.max(1) - np.log(max_softmax(logits))


SCORES = {"max_softmax": max_softmax, "max_logit": max_logit, "energy": energy}
"""{name: logits float `[N, K]` → score `[N]`, higher for in-distribution images}."""


@dataclasses.dataclass(frozen=True)
class Ood(Evaluator):
  """Detection of the out-of-distribution sets of the settings.

  Attributes:
    scores: names of `SCORES`; the first is the headline.
  """

  scores: tuple[str, ...] = tuple(SCORES)

  reads: ClassVar[tuple[str, ...]] = ("ood_sets",)
  headlines: ClassVar[Mapping[str, Headline]] = {
    "ood_auroc": Headline("OOD AUROC %", lambda summary: summary["mean_auroc"])
  }

  def parts(self, task: Task) -> Parts:
    """One part per set, `ood_protocols.parts`, and one per mean of a protocol, which says over
    which sets.
    """
    for score in self.scores:
      lookup(SCORES, score, "out-of-distribution score")
    settings = task.settings
    if not settings.ood_sets:
      raise UserError(
        "no out-of-distribution sets are named; give --ood_sets, or leave ood out of --suites"
      )
    yield from ood_protocols.parts(task, functools.partial(self._score_set, task))
    for protocol in settings.ood_sets:
      if protocol not in ood_protocols.PROTOCOLS:
        continue
      for group, names in ood_protocols.expand(protocol, settings.data).items():
        yield f"mean of {group}", functools.partial(dict, name=group, sets=list(names))

  def summarise(self, results: dict) -> dict:
    """The scores of each set that is there, under its name, and their mean. The values that are
    dicts are the sets.

    Per set, by the headline score: "auroc", "tnr95", "dtacc", "aupr_in", "aupr_out", "oscr" in
    percent; the same in "max_logit" and "energy"; "roc" (see `metrics.roc`); "examples"; "source",
    the data set's name or path. Then

    - "mean_auroc": over the sets in percent, null if a protocol's set is missing.
    - "score": the headline score.
    - "protocols": if one was named, a list of {"name", "sets", "missing" {set: where it was looked
      for, or why it cannot be loaded}, "mean_auroc" (null if one is missing), "mean_over_present"
      (of AUROC; null if none is), "present" (how many are)}.
    """
    scored = ood_protocols.of_kind(results, "scores")
    absent = ood_protocols.of_kind(results, "missing")
    summary = scored | {
      "mean_auroc": None if absent else _mean_auroc(scored),
      "score": self.scores[0],
    }
    protocols = [
      _protocol(name, sets, scored, absent)
      for name, sets in ood_protocols.of_kind(results, "sets").items()
    ]
    return summary | ({"protocols": protocols} if protocols else {})

  def lines(self, summary: dict) -> list[str]:
    """The mean, each set, each protocol and what is missing."""
    text = [f"mean OOD AUROC         {_percent(summary['mean_auroc'])}   ({summary['score']})"]
    text += [
      f"  {name:<20} {result['auroc']:6.2f} %   ({result['examples']} images)"
      for name, result in scored_sets(summary).items()
    ]
    protocols = summary.get("protocols", [])
    for protocol in protocols:
      over = f"{protocol['present']} of {len(protocol['sets'])} sets"
      if protocol["missing"] and protocol["present"]:
        over += f", mean over those {protocol['mean_over_present']:.2f} %"
      title = f"mean of {protocol['name']}"
      text.append(f"  {title:<20} {_percent(protocol['mean_auroc'])}   ({over})")
    gone = {name: where for protocol in protocols for name, where in protocol["missing"].items()}
    return text + [f"  missing: {name}: {where}" for name, where in gone.items()]

  def _score_set(self, task: Task, source: str, outside: ArrayData) -> dict:
    headline, *others = self.scores
    out_logits = task.logits(outside.images)
    correct = task.test_logits.argmax(1) == task.test.labels
    by_score = {}
    for score in self.scores:
      inner, outer = SCORES[score](task.test_logits), SCORES[score](out_logits)
      by_score[score] = metrics.ood_metrics(inner, outer) | {
        "oscr": metrics.oscr(inner, correct, outer)
      }
    roc = metrics.roc(SCORES[headline](task.test_logits), SCORES[headline](out_logits))
    return (
      by_score[headline]
      | {score: by_score[score] for score in others}
      | {
        "examples": len(outside.images),
        "source": source,
        "roc": {axis: values.tolist() for axis, values in roc.items()},
      }
    )


def scored_sets(summary: dict) -> dict[str, dict]:
  """{name of the set: its scores}, of a summary."""
  return {name: result for name, result in summary.items() if isinstance(result, dict)}


def _protocol(name: str, sets: list[str], scored: dict, absent: dict) -> dict:
  present = {member: scored[member] for member in sets if member in scored}
  gone = {member: absent[member] for member in sets if member in absent}
  mean = _mean_auroc(present)
  return {
    "name": name,
    "sets": sets,
    "missing": gone,
    "mean_auroc": None if gone else mean,
    "mean_over_present": mean,
    "present": len(present),
  }


def _mean_auroc(scored: dict) -> float | None:
  return float(np.mean([result["auroc"] for result in scored.values()])) if scored else None


def _percent(value: float | None) -> str:
  return "incomplete" if value is None else f"{value:6.2f} %"
