"""Figure 4: networks that are trained, and tested, on parts of amplitude and phase.

Sixteen networks, one per band of the amplitude and band of the phase. Each image keeps that much of
itself: `spectrum.band_recombine` of an image with itself. Crop and flip come after it, the input is
normalised by mean and deviation of what is left of the training images, and the crop is padded with
about the mean.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487),
Figure 4. Radii, shape and what stands in empty bins are not published; they are options.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import jax
import numpy as np

from apr_jax import experiment
from apr_jax.augment.bands import Bands
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.errors import UserError
from apr_jax.evaluation.clean import Clean
from apr_jax.models.band_input import BandInput
from apr_jax.published import published
from apr_jax.report import html, plots
from apr_jax.settings import at_least, names, numbers, one_of, setting
from apr_jax.spectrum import bands
from apr_jax.studies import trained
from apr_jax.studies.study import Part, Request, Study

BANDS = ("all", *bands.BANDS)
_CHUNK = 1000  # images that are recombined at a time; changes no result


@dataclasses.dataclass(frozen=True)
class TrainedOnBands(Study):
  """The table of Figure 4."""

  radii: tuple[float, ...] = setting(
    (8.0, 16.0), "where middle and high begin, in bins", numbers("two growing numbers above 0", 2)
  )
  shape: str = setting("hard", "of the bands", one_of(bands.SHAPES))
  fill: str = setting("angle", "phase of empty bins: 1 radian, or 0", one_of(bands.FILLS))
  only: tuple[str, ...] = setting(
    (),
    "networks, AMPLITUDE/PHASE, such as low/low,high/high; empty = all sixteen",
    names("networks, low/low,high/high,"),
  )
  seed: int = setting(0, "of the trainings", at_least(0))

  title: ClassVar[str] = "Trained on parts of amplitude and phase"
  asks: ClassVar[str] = (
    "What is a network's accuracy when only a band of the amplitude and a band of the phase are "
    "left of the images?"
  )
  published: ClassVar[str] = (
    "the accuracy falls much further when the amplitude is cut than when the phase is (APR, "
    "Figure 4; CIFAR-10, ResNet-18)"
  )
  takes: ClassVar[frozenset[str]] = frozenset({"data_dir", "config", "changes"})
  quick: ClassVar[Mapping[str, Any]] = {"radii": (4.0, 8.0)}
  full_recipe: ClassVar[trained.Recipe] = trained.FULL
  quick_recipe: ClassVar[trained.Recipe] = trained.Recipe(
    "cifar10_standard",
    (
      "model.name=wide_resnet_10_1",
      "data.image_size=16",
      "data.limit=3000",
      "augment.crop_padding=2",
      "epochs=10",
      "batch_size=64",
      "schedule.name=cosine",
      "schedule.warmup_epochs=1.0",
      "eval_every_epochs=0",
      "checkpoint.keep=1",
    ),
  )

  def networks(self) -> list[tuple[str, str]]:
    """(band of the amplitude, band of the phase) of each network.

    Raises:
      UserError: `only` names one that there is not.
    """
    every = [(amplitude, phase) for amplitude in BANDS for phase in BANDS]
    known = {"/".join(pair): pair for pair in every}
    for name in self.only:
      if name not in known:
        raise UserError(f"there is no network {name!r}; the networks are {', '.join(known)}")
    return [known[name] for name in self.only] or every

  def conditions(self, request: Request) -> Mapping[str, Any]:
    """The common configuration."""
    base = self._base(request)
    trained.changed(base, self._changes("low", "high"))
    self.networks()
    return {"config": trained.identity(base)}

  def parts(self, request: Request) -> Iterator[Part]:
    """One per network, "low/high": amplitude, then phase."""
    base = self._base(request)
    for amplitude, phase in self.networks():
      yield (
        f"{amplitude}/{phase}",
        functools.partial(self._network, base, request, amplitude, phase),
      )

  def summarise(self, results: Mapping[str, Any]) -> dict[str, Any]:
    """ "accuracy" {network: percent}; "input" {network: mean and deviation of what is left, per
    channel}; "spreads", how far the accuracy varies in percentage points where the phase is whole
    ("amplitude") and where the amplitude is ("phase"), ours and "published"; "agrees": whether the
    first is larger. Without all of these networks both are null.
    """
    accuracy = {name: found["accuracy"] for name, found in results.items()}
    spreads = _spreads(accuracy)
    return {
      "accuracy": accuracy,
      "input": {name: found["input"] for name, found in results.items()},
      "chance": 100 / next(iter(results.values()))["classes"],
      "spreads": spreads,
      "published": {"accuracy": published_accuracy(), "spreads": _spreads(published_accuracy())},
      "agrees": spreads["amplitude"] > spreads["phase"] if spreads else None,
    }

  def lines(self, summary: Mapping[str, Any]) -> list[str]:
    """The two spreads; or the networks, where some are missing."""
    ours, theirs = summary["spreads"], summary["published"]["spreads"]
    if not ours:
      return [f"{name}: {found:.1f} %" for name, found in summary["accuracy"].items()]
    return [
      f"cutting the {part}, the other whole, the accuracy varies by {ours[part]:.1f} points "
      f"(published {theirs[part]:.1f})"
      for part in ("amplitude", "phase")
    ]

  def figure(self, summary: Mapping[str, Any]) -> Any:
    """Two tables in shades: the published one and ours."""
    tables = {"published": summary["published"]["accuracy"], "here": summary["accuracy"]}
    figure, frames = plots.frames(1, 2, 7.6, 3.6)
    for axes, (title, accuracy) in zip(frames[0], tables.items()):
      values = np.array(
        [[accuracy.get(f"{row}/{column}", np.nan) for column in BANDS] for row in BANDS]
      )
      axes.imshow(values, cmap="cividis", vmin=0, vmax=np.nanmax(values))
      for row, column in np.ndindex(values.shape):
        if not np.isnan(values[row, column]):
          dark = values[row, column] < 0.55 * np.nanmax(values)
          axes.text(
            column,
            row,
            f"{values[row, column]:.1f}",
            ha="center",
            va="center",
            color="white" if dark else "black",
          )
      axes.set_xticks(range(4), BANDS)
      axes.set_yticks(range(4), BANDS)
      axes.set(xlabel="phase", ylabel="amplitude")
      axes.set_title(f"accuracy (%), {title}", fontsize=10)
    return figure

  def blocks(self, summary: Mapping[str, Any]) -> list[str]:
    """Ours beside the published numbers, with mean and deviation of what is left."""
    theirs = summary["published"]["accuracy"]
    rows: list[list[str | float | None]] = [
      [
        name,
        theirs[name],
        found,
        float(np.mean(summary["input"][name]["mean"])),
        float(np.mean(summary["input"][name]["deviation"])),
      ]
      for name, found in summary["accuracy"].items()
    ]
    header = ["amplitude/phase", "published %", "here %", "mean of the input", "its deviation"]
    return [html.table(header, rows, f"Test accuracy; chance is {summary['chance']:.0f} %.")]

  def _base(self, request: Request) -> Any:
    base = trained.base_config(request, self.full_recipe, self.quick_recipe)
    return trained.changed(base, {"seed": self.seed})

  def _changes(self, amplitude: str, phase: str) -> dict[str, Any]:
    return {
      "augment.bands.amplitude": amplitude,
      "augment.bands.phase": phase,
      "augment.bands.radii": self.radii,
      "augment.bands.shape": self.shape,
      "augment.bands.fill": self.fill,
    }

  def _network(self, base: Any, request: Request, amplitude: str, phase: str) -> dict[str, Any]:
    name = f"{amplitude}/{phase}"
    train = experiment.load_data(base.data, "train").take(base.data.limit)
    left = Bands(amplitude, phase, self.radii, self.shape, self.fill)
    mean, deviation = input_statistics(train.images, left)
    config = trained.changed(
      base,
      {
        **self._changes(amplitude, phase),
        "name": name.replace("/", "_"),
        "model.mean": mean,
        "model.std": deviation,
        "augment.crop_fill": int(np.clip(np.rint(255 * np.mean(mean)), 0, 255)),
      },
    )
    folder = trained.train(config, request, name)
    results = trained.score(LoadedClassifier(folder), {"clean": Clean()}, folder / "eval")
    return {
      "accuracy": results["clean"]["accuracy"],
      "input": {"mean": list(mean), "deviation": list(deviation)},
      "classes": train.num_classes,
    }


def input_statistics(
  images: np.ndarray, left: Bands
) -> tuple[tuple[float, ...], tuple[float, ...]]:
  """Mean and standard deviation per channel of what is left of images, in units of [0, 1].

  Args:
    images: uint8 `[N, H, W, 3]`.
    left: the bands.
  """
  recombine = jax.jit(BandInput(**dataclasses.asdict(left)))
  total, squares = np.zeros(3), np.zeros(3)
  for start in range(0, len(images), _CHUNK):
    chunk = images[start : start + _CHUNK].astype(np.float32) / 255
    values = np.asarray(recombine(chunk) if left.on else chunk, np.float64)
    total += values.sum((0, 1, 2))
    squares += np.square(values).sum((0, 1, 2))
  count = images.size / 3
  mean = total / count
  deviation = np.sqrt(squares / count - mean**2)
  return tuple(mean.tolist()), tuple(deviation.tolist())


def published_accuracy() -> dict[str, float]:
  """The paper's table in percent, {"low/high": of low amplitude and high phase}."""
  found = {}
  for amplitude in BANDS:
    for phase in BANDS:
      error = published("cifar10_standard", "resnet18_cifar", f"clean_error/{amplitude}/{phase}")
      assert error is not None
      found[f"{amplitude}/{phase}"] = round(100 - error.value, 1)
  return found


def _spreads(accuracy: Mapping[str, float]) -> dict[str, float] | None:
  along = {
    "amplitude": [f"{band}/all" for band in BANDS],
    "phase": [f"all/{band}" for band in BANDS],
  }
  if not {name for names in along.values() for name in names} <= accuracy.keys():
    return None
  values = {part: [accuracy[name] for name in names] for part, names in along.items()}
  return {part: round(max(found) - min(found), 6) for part, found in values.items()}
