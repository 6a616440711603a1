"""Figures 2 and 3: what networks say of images with the phase of one and the amplitude of another.

Pairs of two test images, and of a test image and one from outside of the distribution, exchange
amplitudes; below each picture stands every network's prediction. The pairs are chosen before anyone
looks: the first test image of each class with the first one of the next class, or with one of
evenly spaced images from outside. The rates over the whole test set, by the suite `swap`, stand
beside them.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487),
Figures 2 and 3, which show single pairs.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from apr_jax import files
from apr_jax.augment.samples import one_per_class
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.errors import UserError
from apr_jax.evaluation import ood_protocols, runner
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.swap import Swap, panel
from apr_jax.evaluation.task import Task
from apr_jax.evaluation.thumbnails import from_text, to_text
from apr_jax.metrics import max_softmax
from apr_jax.report import html, plots
from apr_jax.settings import above, at_least, names, setting
from apr_jax.studies.study import Part, Request, Study

DEMO = ("runs/demo/standard", "runs/demo/apr_sp")
"""The networks that are looked at unless others are named."""
_COLUMNS = (
  "first",
  "second",
  "phase of first,\namplitude of second",
  "phase of second,\namplitude of first",
)


@dataclasses.dataclass(frozen=True)
class SwapGallery(Study):
  """Chosen pairs, and the rates of whole test sets."""

  pairs: tuple[str, ...] = setting(
    (),
    "of test images, by their places, such as 3-10,4-7; empty = the first image of each class with "
    "the first of the next class",
    names("pairs, 3-10,4-7,"),
  )
  shown: int = setting(4, "pairs at most, within the test set and across", above(0))
  limit: int = setting(0, "test images of the rates; 0 = all", at_least(0))

  title: ClassVar[str] = "Whose label has an image with two sources?"
  asks: ClassVar[str] = (
    "Does a network's prediction follow the image that gives the amplitude, or the one that gives "
    "the phase?"
  )
  published: ClassVar[str] = (
    "networks with standard training often follow the amplitude, people the phase (APR, Figures 2 "
    "and 3, single pairs; no rate is given)"
  )
  takes: ClassVar[frozenset[str]] = frozenset({"data_dir", "runs"})

  def conditions(self, request: Request) -> Mapping[str, Any]:
    """Each network's name, folder and fingerprint."""
    return {
      name: {"folder": str(folder), "fingerprint": _classifier(folder).fingerprint}
      for name, folder in _folders(request).items()
    }

  def parts(self, request: Request) -> Iterator[Part]:
    """ "images", then "rates/NAME" and "predictions/NAME" of each network."""
    folders = _folders(request)
    first = next(iter(folders.values()))
    yield "images", functools.partial(self._images, request, first)
    for name, folder in folders.items():
      yield f"rates/{name}", functools.partial(self._rates, request, name, folder)
      yield f"predictions/{name}", functools.partial(self._predictions, request, folder, first)

  def summarise(self, results: Mapping[str, Any]) -> dict[str, Any]:
    """ "examples": pairs with their four "pictures" (see `evaluation.swap.panel`), "set",
    "labels", and by network "predictions" and "confidences" in percent; "rates": by network those
    of the suite `swap`. "more_phase": whether each other network follows the phase more often than
    the first (null without others). "agrees": the first follows the amplitude more often than the
    phase.
    """
    predictions, rates = (
      {part.partition("/")[2]: found for part, found in results.items() if part.startswith(kind)}
      for kind in ("predictions/", "rates/")
    )
    examples = [
      example | {"answers": {name: found[place] for name, found in predictions.items()}}
      for place, example in enumerate(results["images"])
    ]
    first, *others = (found["in_distribution"] for found in rates.values())
    more_phase = all(other["phase"] > first["phase"] for other in others) if others else None
    return {
      "examples": examples,
      "rates": rates,
      "more_phase": more_phase,
      "agrees": first["amplitude"] > first["phase"],
    }

  def lines(self, summary: Mapping[str, Any]) -> list[str]:
    """What the predictions follow."""
    return [
      f"{name}: follows the phase in {found['in_distribution']['phase']:.1f} %, the amplitude in "
      f"{found['in_distribution']['amplitude']:.1f} % of {found['in_distribution']['pairs']} pairs"
      for name, found in summary["rates"].items()
    ]

  def figure(self, summary: Mapping[str, Any]) -> Any:
    """One row per pair; below each picture the networks' answers, the first network's first."""
    examples = summary["examples"]
    figure, frames = plots.frames(len(examples), 4, 6.6, 1.75 * len(examples))
    for row, example in zip(frames, examples):
      for place, (axes, picture) in enumerate(zip(row, example["pictures"])):
        axes.imshow(from_text(picture), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel("\n".join(_answers(example, place)), fontsize=7)
      row[0].set_ylabel(example["set"].replace("_", " "), fontsize=7)
    for axes, title in zip(frames[0], _COLUMNS):
      axes.set_title(title, fontsize=8)
    return figure

  def blocks(self, summary: Mapping[str, Any]) -> list[str]:
    """The rates, and the pairs at their size."""
    rows: list[list[str | float | None]] = [
      [name, *(found["in_distribution"][key] for key in ("phase", "amplitude", "neither"))]
      for name, found in summary["rates"].items()
    ]
    header = ["predictions in %", "phase's label", "amplitude's label", "neither"]
    return [html.table(header, rows, "All pairs of the test set, two classes each.")]

  def _task(self, request: Request, folder: pathlib.Path) -> Task:
    classifier = _classifier(folder)
    settings = Settings.of(classifier, data_dir=request.data_dir or None, limit=self.limit or None)
    return Task(classifier, settings)

  def _panels(self, request: Request, folder: pathlib.Path) -> list[tuple[str, list, np.ndarray]]:
    """(set, labels, the four images uint8 `[4, H, W, 3]`) of each chosen pair."""
    task = self._task(request, folder)
    test = task.test
    found: list[tuple[str, list[int | None], np.ndarray, np.ndarray]] = [
      ("test images", [int(test.labels[i]), int(test.labels[j])], test.images[i], test.images[j])
      for i, j in self._chosen(test.labels)
    ]
    firsts = one_per_class(test.labels)[: self.shown]
    for source in task.settings.ood_sets[:1]:
      if source in ood_protocols.PROTOCOLS:
        break
      outside = task.load_test(source)
      found += [
        (source, [int(test.labels[i]), None], test.images[i], outside.images[place])
        for i, place in zip(firsts, _spread(len(outside.images), max(1, self.shown // 2)))
      ]
    return [(name, labels, panel(first, second)) for name, labels, first, second in found]

  def _chosen(self, labels: np.ndarray) -> list[tuple[int, int]]:
    if not self.pairs:
      firsts = one_per_class(labels)
      return list(zip(firsts.tolist(), np.roll(firsts, -1).tolist()))[: self.shown]
    chosen = []
    for pair in self.pairs:
      places = pair.split("-")
      if not (len(places) == 2 and all(place.isdecimal() for place in places)):
        raise UserError(f"a pair is FIRST-SECOND, two places in the test split; got {pair!r}")
      first, second = map(int, places)
      if max(first, second) >= len(labels):
        raise UserError(f"the pair {pair} is beyond the {len(labels)} test images; name others")
      chosen.append((first, second))
    return chosen

  def _images(self, request: Request, folder: pathlib.Path) -> list[dict[str, Any]]:
    return [
      {"set": name, "labels": labels, "pictures": [to_text(picture) for picture in pictures]}
      for name, labels, pictures in self._panels(request, folder)
    ]

  def _predictions(
    self, request: Request, folder: pathlib.Path, first: pathlib.Path
  ) -> list[dict[str, Any]]:
    panels = self._panels(request, first)
    logits = _classifier(folder).logits(np.concatenate([pictures for *_, pictures in panels]))
    predictions, confidences = logits.argmax(1), 100 * max_softmax(logits)
    return [
      {"predictions": prediction, "confidences": confidence}
      for prediction, confidence in zip(
        predictions.reshape(-1, 4).tolist(), confidences.reshape(-1, 4).tolist()
      )
    ]

  def _rates(self, request: Request, name: str, folder: pathlib.Path) -> dict[str, Any]:
    task = self._task(request, folder)
    out = request.workdir / "eval" / name
    suites = {"swap": Swap(examples=0)}
    evaluation = runner.evaluate(task.classifier, task.settings, suites, out, quiet=True)
    return evaluation.results["swap"]


def _folders(request: Request) -> dict[str, pathlib.Path]:
  """{name in the study: folder} of the networks.

  Raises:
    UserError: one is not there, or two have the same name.
  """
  folders = [files.path(run) for run in request.runs or DEMO]
  found: dict[str, pathlib.Path] = {}
  for folder in folders:
    if not folder.is_dir():
      remedy = "give --runs" if request.runs else "run make demo first, or give --runs"
      raise UserError(f"there is no folder {folder}: {remedy}, folders of trained networks")
    if found.setdefault(folder.name, folder) != folder:
      raise UserError(
        f"{found[folder.name]} and {folder} are both called {folder.name}; rename one of them"
      )
  return found


@functools.cache
def _classifier(folder: pathlib.Path) -> LoadedClassifier:
  return LoadedClassifier(folder)


def _spread(count: int, chosen: int) -> list[int]:
  """So many places among `count`, evenly spaced and away from both ends."""
  return [(2 * place + 1) * count // (2 * chosen) for place in range(chosen)]


def _answers(example: Mapping[str, Any], place: int) -> list[str]:
  return [
    f"{name}: {answer['predictions'][place]} ({answer['confidences'][place]:.0f} %)"
    for name, answer in example["answers"].items()
  ]
