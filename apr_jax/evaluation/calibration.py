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

import functools
from collections.abc import Callable, Iterable

import numpy as np

from apr_jax import corruptions, metrics
from apr_jax.evaluation.corruption_sources import logits_of, open_source
from apr_jax.evaluation.corruptions import by_corruption
from apr_jax.evaluation.suite import Parts, Task

BINS = 15
SEED = 0  # of the halves
SCORES = ("ece", "rms", "ece_equal_mass", "rms_equal_mass", "nll", "brier")
_RULE = f"half of a permutation of the positions, numpy.random.RandomState({SEED}).permutation"


def parts(task: Task) -> Parts:
  """One part for the clean images, and one per corruption and severity, named as those of
  `corruptions`.
  """
  temperature = functools.cache(lambda: _fit(task))
  yield "clean", lambda: _score_clean(task, temperature())
  source, load = open_source(task, corruptions.CORRUPTIONS)
  for name in corruptions.CORRUPTIONS:
    for severity in corruptions.SEVERITIES:
      yield (
        f"{name}/{severity}",
        lambda name=name, severity=severity: _score_corrupted(
          task, source, *logits_of(task, load, name, severity), temperature
        ),
      )


def summarise(results: dict) -> dict:
  """Scores of one set: "ece" and "rms" (fractions, bins of equal width), the same with
  "_equal_mass", "nll" (nats) and "brier" (0..2), all of the network as it is on all images.

    clean: these; "examples"; "reliability", the bins (lists "count", "confidence", "accuracy", null
      where empty); "scored_half": "examples", the scores there "before" and "after" the
      temperature, "reliability" after it.
    corruptions: "mean" over corruptions and severities of each score and, in "scored_half", of
      those "before" and "after" the temperature; "by_corruption" {name: the same, each a list over
      the severities}; "reliability", a list over the severities of bins pooled over the
      corruptions; "source"; "examples" per set; "same_order", whether the images are known to be in
      the order of the clean ones. If not, each "after" is null.
    temperature: "value"; "at_bound", whether only a bound of the fit stopped it, as when every
      fitted image is classified correctly; by which rule the images were "fitted_on" and
      "scored_on".
    bins: their number.
  """
  results = dict(results)
  clean = results.pop("clean")
  grouped = by_corruption(results)
  first = next(iter(results.values()))
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
      "fitted_on": f"clean test images: the first {_RULE}",
      "scored_on": f"the second {_RULE}",
    },
    "bins": BINS,
  }


def lines(section: dict) -> list[str]:
  """The summary for a terminal."""
  clean, corrupted = section["clean"], section["corruptions"]["mean"]
  after = lambda scores: f"{100 * scores['scored_half']['after']['ece']:.2f} %"
  temperature = section["temperature"]
  value = f"{temperature['value']:.2f}{', the bound of its fit' if temperature['at_bound'] else ''}"
  under = (
    f"{after(corrupted)} with that temperature"
    if section["corruptions"]["same_order"]
    else "not with that temperature: perhaps in another order, with copies of fitted images"
  )
  return [
    f"calibration error      {100 * clean['ece']:6.2f} %   (clean; {after(clean)} with temperature {value})",
    f"  under corruptions    {100 * corrupted['ece']:6.2f} %   ({under})",
  ]


def halves(examples: int) -> tuple[np.ndarray, np.ndarray]:
  """The positions that are fitted, `[⌊examples/2⌋]`, and those that are scored."""
  # RandomState, because NumPy promises that its stream never changes; default_rng's may.
  positions = np.random.RandomState(SEED).permutation(examples)
  return positions[: examples // 2], positions[examples // 2 :]


def _fit(task: Task) -> float:
  fitted, _ = halves(len(task.test.labels))
  return (
    metrics.fit_temperature(task.test_logits[fitted], task.test.labels[fitted])
    if len(fitted)
    else 1.0
  )


def _score_clean(task: Task, temperature: float) -> dict:
  logits, labels = task.test_logits, task.test.labels
  result = _score(logits, labels) | {"temperature": temperature}
  _, scored = halves(len(labels))
  result["scored_half"] |= {
    "after": _scores(logits[scored], labels[scored], temperature),
    "reliability": _reliability(logits[scored], labels[scored], temperature),
  }
  return result


def _score_corrupted(
  task: Task, source: str, logits: np.ndarray, labels: np.ndarray, temperature: Callable[[], float]
) -> dict:
  result = _score(logits, labels) | {
    "source": source,
    "same_order": _same_order(labels, task.test.labels, source),
  }
  _, scored = halves(len(labels))
  result["scored_half"]["after"] = (
    _scores(logits[scored], labels[scored], temperature()) if result["same_order"] else None
  )
  return result


def _same_order(labels: np.ndarray, clean: np.ndarray, source: str) -> bool:
  """Whether a corrupted set is known to hold the test images in their order."""
  # then any order inside a class looks the same
  is_sorted = bool(np.all(labels[:-1] <= labels[1:]))
  return np.array_equal(labels, clean) and (source == "regenerated" or not is_sorted)


def _score(logits: np.ndarray, labels: np.ndarray) -> dict:
  """Everything that needs no temperature."""
  _, scored = halves(len(labels))
  return _scores(logits, labels) | {
    "examples": len(labels),
    "reliability": _reliability(logits, labels),
    "scored_half": {"examples": len(scored), "before": _scores(logits[scored], labels[scored])},
  }


def _scores(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> dict:
  probs = metrics.softmax(logits, temperature)
  scores = metrics.calibration(probs, labels, BINS)
  equal_mass = metrics.calibration(probs, labels, BINS, equal_mass=True)
  scores |= {f"{name}_equal_mass": value for name, value in equal_mass.items()}
  return scores | {
    "nll": metrics.nll(logits, labels, temperature),
    "brier": metrics.brier(probs, labels),
  }


def _reliability(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> dict:
  return _to_json(metrics.reliability(metrics.softmax(logits, temperature), labels, BINS))


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
  sums = lambda key: np.sum(
    np.nan_to_num(np.array([diagram[key] for diagram in diagrams], float)) * counts, axis=0
  )
  mean = lambda key: np.divide(sums(key), total, where=total > 0, out=np.full(len(total), np.nan))
  return _to_json({"count": total, "confidence": mean("confidence"), "accuracy": mean("accuracy")})


def _reduce(results: Iterable[dict], reduce: Callable[[list], object]) -> dict:
  """Each score of several sets, reduced to one value; null where one of the sets has none."""
  results = list(results)
  of = lambda sets: (
    None
    if None in sets
    else {score: reduce([scores[score] for scores in sets]) for score in SCORES}
  )
  return of(results) | {
    "scored_half": {
      when: of([result["scored_half"][when] for result in results]) for when in ("before", "after")
    }
  }
