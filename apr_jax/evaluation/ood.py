"""Detection of out-of-distribution images by what the classifier says of them.

The headline score is the maximum softmax probability, as in the paper; the released code's maximum
logit and the energy stand beside it, and on demand all of `ood_scores`. All are higher for
in-distribution images.
"""

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from apr_jax import metrics
from apr_jax.corruptions import CORRUPTIONS, SEVERITIES
from apr_jax.data import ArrayData
from apr_jax.errors import UserError, lookup
from apr_jax.evaluation import ood_protocols
from apr_jax.evaluation.corruption_sources import open_source
from apr_jax.evaluation.evaluator import Evaluator, Headline, Parts
from apr_jax.evaluation.ood_scores import SCORES, Answers, Fit, ScoreOptions, missing
from apr_jax.evaluation.task import Task


@dataclasses.dataclass(frozen=True)
class Inside:
  """The in-distribution images, and which of them the network classifies correctly.

  Attributes:
    answers: of the classifier.
    correct: bool `[N]`.
    what: in words.
  """

  answers: Answers
  correct: np.ndarray
  what: str


@dataclasses.dataclass(frozen=True)
class Ood(Evaluator):
  """Detection of the out-of-distribution sets of the settings.

  Attributes:
    scores: names of `ood_scores.SCORES`; the first is the headline. Others that the classifier or
      the data do not allow are left out.
    full_spectrum: whether corrupted test images are in-distribution too.
    train_images: how many training images statistics are taken from; 0 = all.
    neighbours: k of kNN; OpenOOD's.
    temperature, epsilon: of ODIN; epsilon in units of [0, 1].
    title: of the mean, for a terminal.
    headline: beginning of the names of its scores in tables, as in `apr_jax.published`.
  """

  scores: tuple[str, ...] = ("max_softmax", "max_logit", "energy")
  full_spectrum: bool = False
  train_images: int = 50_000
  neighbours: int = 50
  temperature: float = 1000.0
  epsilon: float = 0.0014
  title: str = "mean OOD AUROC"
  headline: str = "ood_auroc"

  @property
  def reads(self) -> tuple[str, ...]:
    """With other corrupted images, full-spectrum detection is of other images."""
    return ("ood_sets", "corruption_source") if self.full_spectrum else ("ood_sets",)

  @property
  def headlines(self) -> Mapping[str, Headline]:
    """The mean AUROC: of the headline score, or of all where there are more than the usual."""
    about = "full-spectrum OOD AUROC %" if self.full_spectrum else "OOD AUROC %"
    if len(self.scores) <= len(Ood.scores):
      return {self.headline: Headline(about, lambda summary: summary["mean_auroc"])}
    return {
      f"{self.headline}_{name}": Headline(
        f"{about} by {SCORES[name].title}", functools.partial(_mean_of_score, name)
      )
      for name in self.scores
    }

  def parts(self, task: Task) -> Parts:
    """One part per set, `ood_protocols.parts`, and one per mean of a protocol, which says over
    which sets.
    """
    for score in self.scores:
      lookup(SCORES, score, "out-of-distribution score")
    if not self.scores:
      raise UserError("no out-of-distribution scores are named; give at least one")
    settings = task.settings
    if not settings.ood_sets:
      raise UserError(
        "no out-of-distribution sets are named; give --ood_sets, or leave ood out of --suites"
      )
    why = {name: missing(task, name, self._options) for name in self.scores}
    left_out = {name: reason for name, reason in why.items() if reason}
    if self.scores[0] in left_out:
      raise UserError(f"the score {self.scores[0]}: {left_out[self.scores[0]]}")
    # What a part holds depends on what is there, and its name says so.
    apart = f" without {', '.join(left_out)}" if left_out else ""
    if self.full_spectrum:
      source = open_source(task, CORRUPTIONS).name
      apart += f", {source} corruptions are in-distribution"
    score_set = functools.partial(self._score_set, task, tuple(left_out))
    for name, compute in ood_protocols.parts(task, score_set):
      yield f"{name}{apart}", compute
    for name, reason in left_out.items():
      yield f"{name} is left out: {reason}", functools.partial(dict, name=name, left_out=reason)
    for protocol in settings.ood_sets:
      if protocol not in ood_protocols.PROTOCOLS:
        continue
      for group, names in ood_protocols.expand(protocol, settings.data).items():
        yield f"mean of {group}", functools.partial(dict, name=group, sets=list(names))

  def summarise(self, results: dict) -> dict:
    """The scores of each set that is there, under its name, and their mean. The values that are
    dicts are the sets.

    Per set, by the headline score: "auroc", "tnr95", "dtacc", "aupr_in", "aupr_out", "oscr" in
    percent; the same under the names of the other scores, such as "max_logit" and "energy"; "roc"
    (see `metrics.roc`); "examples"; "source", the data set's name or path; "inside", what was
    in-distribution, in words, where it was more than the test images. Then

    - "mean_auroc": over the sets in percent, null if a protocol's set is missing.
    - "score": the headline score.
    - "scores": a list of {"name", "mean_auroc"} of each score, the headline first.
    - "left_out": a list of {"name", "why"} of the scores that could not be had; not there if there
      is none.
    - "protocols": if one was named, a list of {"name", "sets", "missing" {set: where it was looked
      for, or why it cannot be loaded}, "mean_auroc" (null if one is missing), "mean_over_present"
      (of AUROC; null if none is), "present" (how many are)}.
    """
    scored = ood_protocols.of_kind(results, "scores")
    absent = ood_protocols.of_kind(results, "missing")
    left_out = ood_protocols.of_kind(results, "left_out")
    headline, *others = (name for name in self.scores if name not in left_out)
    means = {headline: _mean_auroc(scored)} | {
      name: _mean_auroc({of: result[name] for of, result in scored.items()}) for name in others
    }
    summary = scored | {
      "mean_auroc": None if absent else means[headline],
      "score": headline,
      "scores": [
        {"name": name, "mean_auroc": None if absent else mean} for name, mean in means.items()
      ],
    }
    if left_out:
      summary["left_out"] = [{"name": name, "why": why} for name, why in left_out.items()]
    protocols = [
      _protocol(name, sets, scored, absent)
      for name, sets in ood_protocols.of_kind(results, "sets").items()
    ]
    return summary | ({"protocols": protocols} if protocols else {})

  def lines(self, summary: dict) -> list[str]:
    """The mean, each set, each protocol and what is missing."""
    text = [f"{self.title:<22} {_percent(summary['mean_auroc'])}   ({summary['score']})"]
    inside = {result["inside"] for result in scored_sets(summary).values() if "inside" in result}
    text += [f"  in-distribution: {what}" for what in inside]
    text += [
      f"  by {SCORES[score['name']].title:<20} {_percent(score['mean_auroc'])}"
      for score in summary["scores"][1:]
      if len(summary["scores"]) > len(Ood.scores)
    ]
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
    text += [f"  missing: {name}: {where}" for name, where in gone.items()]
    return text + [
      f"  left out: {SCORES[score['name']].title}: {score['why']}"
      for score in summary.get("left_out", [])
    ]

  @property
  def _options(self) -> ScoreOptions:
    return ScoreOptions(self.train_images, self.neighbours, self.temperature, self.epsilon)

  def _score_set(
    self, task: Task, left_out: tuple[str, ...], source: str, outside: ArrayData
  ) -> dict:
    inside, outer = self._inside(task), Answers(task, outside.images)
    fit = task.memory.keep(f"fit {self._options}", lambda: Fit(task, self._options))
    names = [name for name in self.scores if name not in left_out]
    by_score = {}
    for name in names:
      compute = functools.partial(SCORES[name].compute, fit)
      of_inside = task.memory.keep(
        f"{name} {self._options} of {inside.what}", functools.partial(compute, inside.answers)
      )
      of_outside = compute(outer)
      by_score[name] = metrics.ood_metrics(of_inside, of_outside) | {
        "oscr": metrics.oscr(of_inside, inside.correct, of_outside)
      }
      if name == names[0]:
        roc = metrics.roc(of_inside, of_outside)
    return (
      by_score[names[0]]
      | {name: by_score[name] for name in names[1:]}
      | {
        "examples": len(outside.images),
        "source": source,
        "roc": {axis: values.tolist() for axis, values in roc.items()},
      }
      | ({"inside": inside.what} if self.full_spectrum else {})
    )

  def _inside(self, task: Task) -> Inside:
    """The test images; with them, for the full spectrum, the corrupted ones."""
    clean = Answers(task, task.test.images, task.test_logits)
    correct = task.test_logits.argmax(1) == task.test.labels
    if not self.full_spectrum:
      return task.memory.keep("inside", lambda: Inside(clean, correct, "test images"))
    return task.memory.keep("full spectrum", lambda: _full_spectrum(task))


def _full_spectrum(task: Task) -> Inside:
  """The test images, and each of them once more under one of the 15 × 5 corruptions, in turn.

  Reference: Yang et al., Full-Spectrum Out-of-Distribution Detection, 2022
  (https://arxiv.org/abs/2204.05306); that each image is taken under one corruption is our choice.
  """
  source = open_source(task, CORRUPTIONS)
  sets = [(name, severity) for name in CORRUPTIONS for severity in SEVERITIES]
  images, labels = [task.test.images], [task.test.labels]
  for number, (name, severity) in enumerate(sets):
    seen = 0
    for chunk in source.load(name, severity):
      places = seen + np.arange(len(chunk.labels))
      taken = (places % len(sets) == number) & (places < len(task.test.labels))
      images.append(chunk.images[taken])
      labels.append(chunk.labels[taken])
      seen += len(chunk.labels)
      if seen >= len(task.test.labels):
        break
  answers = Answers(task, np.concatenate(images))
  corrupted = len(answers.images) - len(task.test.labels)
  return Inside(
    answers,
    answers.logits.argmax(1) == np.concatenate(labels),
    f"{len(task.test.labels)} test images and {corrupted} under corruptions ({source.name})",
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


def _mean_of_score(name: str, summary: dict) -> float | None:
  """Of a summary's "scores"; None where it was left out."""
  means = {score["name"]: score["mean_auroc"] for score in summary["scores"]}
  return means.get(name)


def _mean_auroc(scored: dict) -> float | None:
  return float(np.mean([result["auroc"] for result in scored.values()])) if scored else None


def _percent(value: float | None) -> str:
  return "incomplete" if value is None else f"{value:6.2f} %"
