"""Detection of out-of-distribution images by the network's confidence.

The headline score is the maximum softmax probability, as in the paper; the released code's maximum
logit and the energy stand beside it. All are higher for in-distribution images.
"""

import functools

import numpy as np

from apr_jax import metrics
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation import ood_protocols
from apr_jax.evaluation.suite import Parts, Task


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
HEADLINE = "max_softmax"


def parts(task: Task) -> Parts:
  """One part per set, `ood_protocols.parts`, and one per mean of a protocol, which says over which
  sets.
  """
  if not task.ood_sets:
    raise UserError(
      "no out-of-distribution sets are named; give --ood_sets, or leave ood out of --suites"
    )
  yield from ood_protocols.parts(task, functools.partial(_score_set, task))
  for protocol in (name for name in task.ood_sets if name in ood_protocols.PROTOCOLS):
    for group, names in ood_protocols.expand(protocol, task.data_name).items():
      yield (
        f"mean of {group}",
        lambda group=group, names=names: {"name": group, "sets": list(names)},
      )


def summarise(results: dict) -> dict:
  """The scores of each set that is there, under its name, and their mean. The values that are dicts
  are the sets.

  Per set, by the headline score: "auroc", "tnr95", "dtacc", "aupr_in", "aupr_out", "oscr" in
  percent; the same in "max_logit" and "energy"; "roc" (see `metrics.roc`); "examples"; "source",
  the data set's name or path. Then
    mean_auroc: over the sets in percent, null if a protocol's set is missing.
    score: the headline score.
    protocols: if one was named, a list of {"name", "sets", "missing" {set: where it was looked for,
      or why it cannot be loaded}, "mean_auroc" (null if one is missing), "mean_over_present" (of
      AUROC; null if none is), "present" (how many are)}.
  """
  scored, absent, groups = (
    ood_protocols.of_kind(results, kind) for kind in ("scores", "missing", "sets")
  )
  summary = scored | {"mean_auroc": None if absent else _mean_auroc(scored), "score": HEADLINE}
  protocols = []
  for name, sets in groups.items():
    present = {member: scored[member] for member in sets if member in scored}
    gone = {member: absent[member] for member in sets if member in absent}
    mean = _mean_auroc(present)
    protocols.append(
      {
        "name": name,
        "sets": sets,
        "missing": gone,
        "mean_auroc": None if gone else mean,
        "mean_over_present": mean,
        "present": len(present),
      }
    )
  return summary | ({"protocols": protocols} if protocols else {})


def lines(section: dict) -> list[str]:
  """The summary for a terminal."""
  percent = lambda value: "incomplete" if value is None else f"{value:6.2f} %"
  text = [f"mean OOD AUROC         {percent(section['mean_auroc'])}   ({section['score']})"]
  text += [
    f"  {name:<20} {result['auroc']:6.2f} %   ({result['examples']} images)"
    for name, result in scored_sets(section).items()
  ]
  protocols = section.get("protocols", [])
  for protocol in protocols:
    over = f"{protocol['present']} of {len(protocol['sets'])} sets"
    if protocol["missing"] and protocol["present"]:
      over += f", mean over those {protocol['mean_over_present']:.2f} %"
    text.append(
      f"  {'mean of ' + protocol['name']:<20} {percent(protocol['mean_auroc'])}   ({over})"
    )
  gone = {name: where for protocol in protocols for name, where in protocol["missing"].items()}
  return text + [f"  missing: {name}: {where}" for name, where in gone.items()]


def scored_sets(section: dict) -> dict[str, dict]:
  """{name of the set: its scores}, of a summary."""
  return {name: result for name, result in section.items() if isinstance(result, dict)}


def _score_set(task: Task, source: str, outside: ArrayData) -> dict:
  out_logits = task.logits(outside.images)
  correct = task.test_logits.argmax(1) == task.test.labels
  by_score = {}
  for score, function in SCORES.items():
    inner, outer = function(task.test_logits), function(out_logits)
    by_score[score] = metrics.ood_metrics(inner, outer) | {
      "oscr": metrics.oscr(inner, correct, outer)
    }
  roc = metrics.roc(SCORES[HEADLINE](task.test_logits), SCORES[HEADLINE](out_logits))
  return (
    by_score.pop(HEADLINE)
    | by_score
    | {
      "examples": len(outside.images),
      "source": source,
      "roc": {axis: values.tolist() for axis, values in roc.items()},
    }
  )


def _mean_auroc(scored: dict) -> float | None:
  return float(np.mean([result["auroc"] for result in scored.values()])) if scored else None
