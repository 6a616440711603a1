"""Errors on published test sets of the same classes under other conditions, and how often a
prediction flips along a sequence of frames: those of `data.shifted_sets` that lie in the data
folder.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from apr_jax import metrics
from apr_jax.data import ArrayData
from apr_jax.data.arrays import Stored
from apr_jax.data.published_corruptions import SEVERITIES
from apr_jax.data.shifted_sets import SETS, ShiftedSet, Wanted
from apr_jax.data.videos import Videos
from apr_jax.errors import UserError, lookup
from apr_jax.evaluation.corruption_sources import limited
from apr_jax.evaluation.evaluator import Evaluator, Headline, Parts
from apr_jax.evaluation.task import Task

_CHUNK = 50  # sequences whose frames are read at a time; bounds the memory


@dataclasses.dataclass(frozen=True)
class Shifts(Evaluator):
  """The error on each shifted test set, and flip probabilities.

  Attributes:
    sets: names of `data.shifted_sets.SETS`, which must be there; empty: all of the data set, as far
      as they are there.
  """

  sets: tuple[str, ...] = ()

  @property
  def headlines(self) -> Mapping[str, Headline]:
    """One score per set."""
    return {
      name: Headline(
        f"{found.title} {'flips' if found.kind == 'sequences' else 'error'} %",
        functools.partial(_score_of, name),
      )
      for name, found in SETS.items()
    }

  def parts(self, task: Task) -> Parts:
    """One part per set of images, corruption and severity, or perturbation, "SET/NAME/SEVERITY",
    and one per set that is missing; with where it was found.
    """
    data_name, folder = task.settings.data, task.data_folder
    for name in self.sets:
      if lookup(SETS, name, "shifted test set").data != data_name:
        raise UserError(f"the shifted test set {name} has not the classes of {data_name}")
    chosen = {name: found for name, found in SETS.items() if found.data == data_name}
    if not chosen:
      known = " and ".join(dict.fromkeys(found.data for found in SETS.values()))
      raise UserError(
        f"no shifted test sets of {data_name} are known, only of {known}; leave shifts out of "
        f"--suites"
      )
    for name, found in chosen.items():
      if self.sets and name not in self.sets:
        continue
      path = found.locate(folder)
      if path is None:
        why = found.missing(folder)
        if self.sets:
          raise UserError(f"the shifted test set {name} is missing: {why}")
        yield f"{name}: missing", functools.partial(dict, set=name, missing=why)
        continue
      try:
        parts = list(_parts_of(task, found, path))
      except UserError as error:  # incomplete or damaged
        if self.sets:
          raise
        yield f"{name}: missing", functools.partial(dict, set=name, missing=str(error))
        continue
      for part, compute in parts:
        yield f"{name}{part}: {path}", functools.partial(_named, name, part, compute)

  def summarise(self, results: dict) -> dict:
    """The "sets" that are there, {name: scores}, and the "missing" ones, {name: where it was looked
    for, or why it cannot be read}.

    - Of images: "error" and "accuracy" in percent, "examples", and "classes", how many could be
      predicted.
    - Of corruptions: "error", the mean over corruptions and severities in percent, "by_corruption"
      {name: [error per severity]}, "examples" per set, "classes".
    - Of sequences: "flips", the mean over perturbations of the flip probability in percent (see
      `metrics.flip_probability`), "by_perturbation" {name: flip probability}, "examples", how many
      sequences each.

    Each with its published "title".
    """
    grouped: dict[str, list[dict]] = {}
    for result in results.values():
      if "missing" not in result:
        grouped.setdefault(result["set"], []).append(result)
    return {
      "sets": {name: _summary(SETS[name], parts) for name, parts in grouped.items()},
      "missing": {
        result["set"]: result["missing"] for result in results.values() if "missing" in result
      },
    }

  def lines(self, summary: dict) -> list[str]:
    """Each set, and what is missing."""
    text = ["shifted test sets" + ("" if summary["sets"] else "      none is there")]
    for scores in summary["sets"].values():
      value, what = (
        (scores["flips"], "flips, sequences")
        if "flips" in scores
        else (scores["error"], "error, images")
      )
      of_classes = f", {scores['classes']} classes" if "classes" in scores else ""
      text.append(
        f"  {scores['title']:<32} {value:6.2f} %   ({what}: {scores['examples']}{of_classes})"
      )
    return text + [f"  missing: {name}: {where}" for name, where in summary["missing"].items()]


def _score_of(name: str, summary: dict) -> float:
  scores = summary["sets"][name]
  return scores["flips"] if "flips" in scores else scores["error"]


def _named(name: str, part: str, compute: Callable[[], dict]) -> dict:
  return {"set": name, "part": part.strip("/")} | compute()


def _parts_of(
  task: Task, found: ShiftedSet, path: pathlib.Path
) -> Iterator[tuple[str, Callable[[], dict]]]:
  """("/NAME/SEVERITY", compute) of a set; what of it is missing is said at once."""
  wanted = Wanted(path, task.num_classes, task.image_size, task.settings.resize)
  load = found.read(wanted)
  if found.kind == "images":
    yield "", functools.partial(_error, task, load, found.classes)
  elif found.kind == "corruptions":
    for name in found.parts:
      for severity in range(1, SEVERITIES + 1):
        yield f"/{name}/{severity}", functools.partial(_error_under, task, load, name, severity)
  else:
    for name in found.parts:
      yield f"/{name}", functools.partial(_flips, task, load, name)


def _error(task: Task, chunks: Iterator[ArrayData], classes: np.ndarray | None = None) -> dict:
  """Of a set whose predictions are among its classes."""
  logits, labels = [], []
  for data in limited(task, chunks):
    logits.append(task.logits(data.images))
    labels.append(data.labels)
  all_logits, all_labels = np.concatenate(logits), np.concatenate(labels)
  among = np.arange(task.num_classes) if classes is None else classes
  predicted = among[all_logits[:, among].argmax(1)]
  error = 100 * float(np.mean(predicted != all_labels))
  return {
    "error": error,
    "accuracy": 100 - error,
    "examples": len(all_labels),
    "classes": len(among),
  }


def _error_under(
  task: Task, load: Callable[[str, int], Iterator[ArrayData]], name: str, severity: int
) -> dict:
  return _error(task, load(name, severity))


def _flips(task: Task, load: Callable[[str], Stored | Videos], name: str) -> dict:
  frames = load(name)
  count = min(filter(None, (len(frames), task.settings.limit)))
  predictions = []
  for start in range(0, count, _CHUNK):
    chunk = np.asarray(frames[start : min(start + _CHUNK, count)])
    logits = task.logits(chunk.reshape(-1, *chunk.shape[2:]))
    predictions.append(logits.argmax(1).reshape(chunk.shape[:2]))
  flips = metrics.flip_probability(np.concatenate(predictions), noise="noise" in name)
  return {"flips": flips, "examples": count}


def _summary(found: ShiftedSet, parts: list[dict]) -> dict:
  about = {"title": found.title}
  if found.kind == "images":
    (scores,) = parts
    return about | {key: scores[key] for key in ("error", "accuracy", "examples", "classes")}
  examples = {"examples": parts[0]["examples"]}
  if found.kind == "sequences":
    by_name = {scores["part"]: scores["flips"] for scores in parts}
    mean = float(np.mean([*by_name.values()]))
    return about | {"flips": mean, "by_perturbation": by_name} | examples
  errors: dict[str, list[float]] = {}
  for scores in parts:
    errors.setdefault(scores["part"].split("/")[0], []).append(scores["error"])
  return (
    about
    | {"error": metrics.mean_error(errors), "by_corruption": errors}
    | examples
    | {"classes": parts[0]["classes"]}
  )
