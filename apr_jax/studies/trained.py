"""The networks of a study: which configuration they are trained by, and what is scored of them.

They are trained by `training.loop` and scored by `evaluation.runner`, as those of `train.py` and
`evaluate.py` are, in WORKDIR/networks/NAME; so each goes on where it was interrupted, and every
other command takes it too.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections
import numpy as np

from apr_jax import config_files, experiment
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.errors import UserError
from apr_jax.evaluation import runner
from apr_jax.evaluation.evaluator import Evaluator
from apr_jax.evaluation.settings import Settings
from apr_jax.filters import BANDS, EDGES
from apr_jax.run.configuration import is_bookkeeping
from apr_jax.settings import flatten
from apr_jax.studies.study import Request
from apr_jax.training import loop

CATEGORIES: Mapping[str, tuple[str, ...]] = {
  "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
  "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
  "weather": ("snow", "frost", "fog", "brightness"),
  "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
"""The 15 corruptions of the benchmark in its four categories."""


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How the networks of a study are trained unless the user says otherwise.

  Attributes:
    config: a file of `configs/`, without ".py".
    changes: "KEY=VALUE" each, in it.
  """

  config: str
  changes: tuple[str, ...] = ()


FULL = Recipe("cifar10_standard", ("model.name=resnet18_cifar", "checkpoint.keep=1"))
"""ResNet-18 on CIFAR-10 by the paper's recipe, 200 epochs."""
QUICK = Recipe(
  "digits_standard",
  ("data.image_size=16", "augment.crop_padding=1", "epochs=8", "checkpoint.keep=1"),
)
"""A small network on digits of 16 pixels, for CPUs."""


def base_config(
  request: Request, full: Recipe = FULL, quick: Recipe = QUICK
) -> ml_collections.ConfigDict:
  """The configuration that the networks of a study have in common.

  Args:
    request: may name another file, to which the recipe's changes are not made, and changes.
    full, quick: the study's recipes.

  Raises:
    UserError: the file is not there, a key is unknown or a value is of another type.
  """
  recipe = quick if request.quick else full
  file = config_files.FOLDER / f"{recipe.config}.py"
  if request.config is None and not file.is_file():
    raise UserError(f"there is no {file}: give --config, the configuration file of the trainings")
  own = recipe.changes if request.config is None else ()
  folder = (f"data.data_dir={request.data_dir}",) if request.data_dir else ()
  config = config_files.load_config(request.config or str(file), (*own, *folder, *request.changes))
  experiment.check(config)
  return config


def changed(
  config: ml_collections.ConfigDict, changes: Mapping[str, Any]
) -> ml_collections.ConfigDict:
  """A copy of a configuration with other values, {"augment.flip": False}.

  Raises:
    UserError: a value breaks its rule, or two exclude each other.
  """
  copy = config.copy_and_resolve_references()
  with copy.unlocked():
    copy.update_from_flattened_dict(dict(changes))
  experiment.check(copy)
  return copy


def identity(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """What of a configuration changes a network or its scores, as JSON keeps it."""
  return {
    key: list(value) if isinstance(value, tuple) else value
    for key, value in flatten(config.to_dict()).items()
    if not is_bookkeeping(key, config.data.name)
  }


def folder_of(request: Request, name: str) -> pathlib.Path:
  """Where the network of that name is trained."""
  return request.workdir / "networks" / name.replace("/", "_")


def train(config: ml_collections.ConfigDict, request: Request, name: str) -> pathlib.Path:
  """Trains a network, or goes on with it; returns its folder.

  Raises:
    UserError: something the user gave cannot be used.
    Stopped: a signal arrived; the same command goes on.
  """
  folder = folder_of(request, name)
  loop.train(config, folder, quiet=request.quiet)
  return folder


def score(
  classifier: LoadedClassifier,
  suites: Mapping[str, Evaluator],
  folder: pathlib.Path,
  limit: int = 0,
) -> dict[str, Any]:
  """The results of an evaluation of a network, written into a folder.

  Args:
    classifier: of `train`.
    suites: {name: evaluator}.
    folder: of the results.
    limit: test images of each set; 0 = all.
  """
  settings = Settings.of(classifier, limit=limit or None)
  return runner.evaluate(classifier, settings, suites, folder, quiet=True).results


def headline(results: Mapping[str, Any]) -> dict[str, float]:
  """The scores of a study in percent, of those suites that were run.

  Returns:
    "clean", "corrupted" and its four categories "noise", "blur", "weather", "digital", those that
    are complete, which are errors; "ood", the mean AUROC of the largest logit; "fourier_low",
    "fourier_middle", "fourier_high", the error under single frequencies of the three bands of
    `filters`.
  """
  found: dict[str, float] = {}
  if "clean" in results:
    found["clean"] = results["clean"]["error"]
  if "corruptions" in results:
    by_name = results["corruptions"]["by_corruption"]
    found["corrupted"] = results["corruptions"]["mean_error"]
    for category, names in CATEGORIES.items():
      if set(names) <= by_name.keys():
        found[category] = float(np.mean([by_name[name] for name in names]))
  if "ood" in results:
    sets = [of for of in results["ood"].values() if isinstance(of, dict)]
    found["ood"] = float(np.mean([of["max_logit"]["auroc"] for of in sets]))
  if "fourier" in results:
    size = results["meta"]["classifier"]["image_size"]
    errors = by_band(results["fourier"], size)
    found |= {f"fourier_{band}": error for band, error in errors.items()}
  return found


def by_band(fourier: Mapping[str, Any], image_size: Sequence[int]) -> dict[str, float]:
  """The mean of a Fourier heat map in each of the three bands of `filters`, in percent; a band
  without frequencies is left out.

  Args:
    fourier: the summary of the suite. A map of the lowest frequencies alone is taken as it is.
    image_size: (H, W) in pixels.
  """
  errors = np.array(fourier["map"])
  rows, columns = (
    (first + np.arange(count)) / (side / 2)
    for first, count, side in zip(fourier["first_frequency"], errors.shape, image_size)
  )
  radius = np.hypot(rows[:, None], columns)
  edges = (-1.0, *EDGES, np.inf)
  return {
    band: float(errors[(radius > below) & (radius <= above)].mean())
    for band, below, above in zip(BANDS, edges, edges[1:])
    if ((radius > below) & (radius <= above)).any()
  }


def mean_and_spread(values: Sequence[float]) -> dict[str, Any]:
  """The "mean", "deviation" (None of one value) and "values" of several seeds."""
  spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
  return {"mean": float(np.mean(values)), "deviation": spread, "values": list(values)}
