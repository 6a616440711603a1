"""How far the network's confidence can be believed, on the test split as it is and under the 15
corruptions.

Headline: the scores of the network as it is, on all images. Beside it, what a temperature mends.
The temperature is fitted on one half of the clean test split, and every score with it is taken on
the other half: the first half of a permutation of the positions, drawn with a fixed seed, is
fitted, the second scored. A corrupted set is halved by the same rule. If it holds the test images
in their order, no corrupted copy of a fitted image is scored. In another order half of the scored
images would be such copies, so there nothing is scored with the temperature: the published CIFAR
files beside TFDS's clean images, for one. The order is known of images that are corrupted here; of
others it is told by the labels, which tell nothing where they are sorted.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

import numpy as np

from apr_jax import metrics
from apr_jax.corruptions import CORRUPTIONS, SEVERITIES
from apr_jax.evaluation.corruption_sources import CorruptionSource, open_source
from apr_jax.evaluation.corruptions import by_corruption, check_corruptions
from apr_jax.evaluation.evaluator import Evaluator, Headline, Parts
from apr_jax.evaluation.task import Task

SCORES = ("ece", "rms", "ece_equal_mass", "rms_equal_mass", "nll", "brier")


@dataclasses.dataclass(frozen=True)
class Calibration(Evaluator):
  """Calibration on clean and on corrupted images, with and without a temperature.

  Attributes:
    corruptions: names of the corruptions, at all severities.
    bins: of confidence.
    seed: of the halves.
  """

  corruptions: tuple[str, ...] = CORRUPTIONS
  bins: int = 15
  seed: int = 0

  headlines: ClassVar[Mapping[str, Headline]] = {
    "ece": Headline("clean ECE %", lambda summary: 100 * summary["clean"]["ece"])
  }

  def parts(self, task: Task) -> Parts:
    """One part for the clean images, and one per corruption and severity, named as those of
    `Corruptions`.
    """
    temperature = functools.cache(functools.partial(self._fit, task))
    yield "clean", lambda: self._score_clean(task, temperature())
    check_corruptions(self.corruptions)
    source = open_source(task, self.corruptions)
    for name in self.corruptions:
      for severity in SEVERITIES:
        yield (
          f"{name}/{severity}",
          functools.partial(self._score_corrupted, task, source, name, severity, temperature),
        )

  def summarise(self, results: dict) -> dict:
    """Scores of one set: "ece" and "rms" (fractions, bins of equal width), the same with
    "_equal_mass", "nll" (nats) and "brier" (0..2), all of the network as it is on all images.

    - "clean": these; "examples"; "reliability", the bins (lists "count", "confidence", "accuracy",
      null where empty); "scored_half": "examples", the scores there "before" and "after" the
      temperature, "reliability" after it.
    - "corruptions": "mean" over corruptions and severities of each score and, in "scored_half", of
      those "before" and "after" the temperature; "by_corruption" {name: the same, each a list
      over the severities}; "reliability", a list over the severities of bins pooled over the
      corruptions; "source"; "examples" per set; "same_order", whether the images are known to be
      in the order of the clean ones. If not, each "after" is null.
    - "temperature": "value"; "at_bound", whether only a bound of the fit stopped it, as when every
      fitted image is classified correctly; by which rule the images were "fitted_on" and
      "scored_on".
    - "bins": their number.
    """
    results = dict(results)
    clean = results.pop("clean")
    grouped = by_corruption(results)
    first = next(iter(results.values()))
    rule = (
      f"half of a permutation of the positions, numpy.random.RandomState({self.seed}).permutation"
    )
    return {
      "clean": {key: value for key, value in clean.items() if key != "temperature"},
      "corruptions": {
        "mean": _reduce(results.values(), lambda values: float(np.mean(values))),
        "by_corruption": {name: _reduce(column, list) for name, column in grouped.items()},
        "reliability": [
          _pool(result["reliability"] for result in of_severity)
          for of_severity in zip(*grouped.values())
        ],
        "source": first["source"],
        "examples": first["examples"],
        "same_order": all(result["same_order"] for result in results.values()),
      },
      "temperature": {
        "value": clean["temperature"],
        "at_bound": clean["temperature"] in metrics.TEMPERATURE_BOUNDS,
        "fitted_on": f"clean test images: the first {rule}",
        "scored_on": f"the second {rule}",
      },
      "bins": self.bins,
    }

  def lines(self, summary: dict) -> list[str]:
    """The errors on clean and on corrupted images."""
    clean, corrupted = summary["clean"], summary["corruptions"]["mean"]
    temperature = summary["temperature"]
    value = f"{temperature['value']:.2f}"
    if temperature["at_bound"]:
      value += ", the bound of its fit"
    under = "not with that temperature: perhaps in another order, with copies of fitted images"
    if summary["corruptions"]["same_order"]:
      under = f"{_after(corrupted)} with that temperature"
    return [
      f"calibration error      {100 * clean['ece']:6.2f} %   "
      f"(clean; {_after(clean)} with temperature {value})",
      f"  under corruptions    {100 * corrupted['ece']:6.2f} %   ({under})",
    ]

  def _fit(self, task: Task) -> float:
    labels = task.test.labels
    fitted, _ = halves(len(labels), self.seed)
    if not len(fitted):
      return 1.0
    return metrics.fit_temperature(task.test_logits[fitted], labels[fitted])

  def _score_clean(self, task: Task, temperature: float) -> dict:
    logits, labels = task.test_logits, task.test.labels
    result = self._score(logits, labels) | {"temperature": temperature}
    _, scored = halves(len(labels), self.seed)
    result["scored_half"] |= {
      "after": self._scores(logits[scored], labels[scored], temperature),
      "reliability": self._reliability(logits[scored], labels[scored], temperature),
    }
    return result

  def _score_corrupted(
    self,
    task: Task,
    source: CorruptionSource,
    name: str,
    severity: int,
    temperature: Callable[[], float],
  ) -> dict:
    logits, labels = source.logits(task, name, severity)
    same_order = _same_order(labels, task.test.labels, source.name)
    result = self._score(logits, labels) | {"source": source.name, "same_order": same_order}
    _, scored = halves(len(labels), self.seed)
    result["scored_half"]["after"] = (
      self._scores(logits[scored], labels[scored], temperature()) if same_order else None
    )
    return result

  def _score(self, logits: np.ndarray, labels: np.ndarray) -> dict:
    """Everything that needs no temperature."""
    _, scored = halves(len(labels), self.seed)
    return self._scores(logits, labels) | {
      "examples": len(labels),
      "reliability": self._reliability(logits, labels),
      "scored_half": {
        "examples": len(scored),
        "before": self._scores(logits[scored], labels[scored]),
      },
    }

  def _scores(self, logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> dict:
    probs = metrics.softmax(logits, temperature)
    scores = metrics.calibration(probs, labels, self.bins)
    equal_mass = metrics.calibration(probs, labels, self.bins, equal_mass=True)
    scores |= {f"{name}_equal_mass": value for name, value in equal_mass.items()}
    return scores | {
      "nll": metrics.nll(logits, labels, temperature),
      "brier": metrics.brier(probs, labels),
    }

  def _reliability(self, logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> dict:
    return _to_json(metrics.reliability(metrics.softmax(logits, temperature), labels, self.bins))


def halves(examples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
  """The positions that are fitted, `[⌊examples/2⌋]`, and those that are scored."""
  # RandomState, because NumPy promises that its stream never changes; default_rng's may.
  positions = np.random.RandomState(seed).permutation(examples)
  return positions[: examples // 2], positions[examples // 2 :]


def _after(scores: dict) -> str:
  return f"{100 * scores['scored_half']['after']['ece']:.2f} %"


def _same_order(labels: np.ndarray, clean: np.ndarray, source: str) -> bool:
  """Whether a corrupted set is known to hold the test images in their order."""
  # then any order inside a class looks the same
  is_sorted = bool(np.all(labels[:-1] <= labels[1:]))
  return np.array_equal(labels, clean) and (source == "regenerated" or not is_sorted)


def _to_json(diagram: dict[str, np.ndarray]) -> dict:
  """Lists; JSON has no NaN, so what an empty bin does not have is null."""
  return {
    key: [None if np.isnan(value) else value for value in values.tolist()]
    for key, values in diagram.items()
  }


def _pool(diagrams: Iterable[dict]) -> dict:
  """The bins of several sets together."""
  diagrams = list(diagrams)
  counts = np.array([diagram["count"] for diagram in diagrams])
  total = counts.sum(axis=0)

  def mean(key: str) -> np.ndarray:
    values = np.nan_to_num(np.array([diagram[key] for diagram in diagrams], float))
    sums = np.sum(values * counts, axis=0)
    return np.divide(sums, total, where=total > 0, out=np.full(len(total), np.nan))

  return _to_json({"count": total, "confidence": mean("confidence"), "accuracy": mean("accuracy")})


def _reduce(results: Iterable[dict], reduce: Callable[[list], object]) -> dict:
  """Each score of several sets, reduced to one value; null where one of the sets has none."""
  results = list(results)

  def of(sets: list[dict]) -> dict:
    return {score: reduce([scores[score] for scores in sets]) for score in SCORES}

  def of_half(when: str) -> dict | None:
    sets = [result["scored_half"][when] for result in results]
    return None if None in sets else of(sets)

  return of(results) | {"scored_half": {when: of_half(when) for when in ("before", "after")}}
