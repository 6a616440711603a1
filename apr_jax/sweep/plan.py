"""The runs of a sweep: configurations × networks × seeds, each with its folder, and whether it is
done.
"""

import dataclasses
import glob
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections

from apr_jax import config_files, defaults, experiment, files, models
from apr_jax.errors import UserError, lookup
from apr_jax.evaluation import corruption_sources
from apr_jax.report.results import Scores, deviations, read_scores
from apr_jax.run import checkpoint
from apr_jax.settings import flatten

DONE = "sweep.json"
"""What `one_run` writes when a run is trained and evaluated: {"config": as it was asked for,
"step": the last}.
"""

_BY_FLAG = {"model.name": "--models", "seed": "--seeds", "name": None}


@dataclasses.dataclass(frozen=True)
class Run:
  """One run of a sweep.

  Attributes:
    file: its configuration file.
    overrides: "KEY=VALUE" each, network and seed among them.
    config: the configuration that they give.
    changes: what the sweep changes in the file, apart from network and seed: "epochs=1"; "" for
      nothing.
    folder: of the run.
  """

  file: str
  overrides: tuple[str, ...]
  config: ml_collections.ConfigDict
  changes: str
  folder: pathlib.Path

  def finished(self, suites: Sequence[str]) -> Scores | None:
    """The scores of a run that is trained to its last step and evaluated there on these suites,
    else None.

    They must be those that an evaluation would give now: of all images, and of corruptions from the
    same source.
    """
    wanted, settings = self.config.to_dict(), self.config.data
    try:
      mark = files.read_json(self.folder / DONE)
      scores = read_scores(self.folder)
      meta = scores.results["meta"]
      whole = (
        mark["step"] == meta["step"] == checkpoint.latest_step(self.folder) and scores.limit is None
      )
      # The mark says that the training has ended; the results, which evaluate.py rewrites, what was
      # scored.
      same = _are_alike(mark["config"], wanted)
      same &= scores.config is not None and _are_alike(scores.config, wanted)
      same &= meta["corruptions"] == corruption_sources.describe(settings.name, settings.data_dir)
    except (
      OSError,
      ValueError,
      KeyError,
      TypeError,
      AttributeError,
    ):  # a UserError is a ValueError
      return None
    return scores if whole and same and set(suites) <= scores.results.keys() else None


def make_plan(
  patterns: Sequence[str],
  networks: Sequence[str],
  seeds: Sequence[str],
  overrides: Sequence[str],
  workdir: str,
) -> list[Run]:
  """All runs of a sweep, seeds innermost.

  Args:
    patterns: configuration files, with * and ? as in a shell. "base.py" and "*_base.py" are no
      experiments.
    networks: names in the zoo; none = each configuration's own.
    seeds: whole numbers, as strings.
    overrides: "KEY=VALUE" each, for all runs.
    workdir: folder of the sweep.

  Raises:
    UserError: nothing matches, a name, a number or a key is wrong, or a value is out of its range.
  """
  for network in networks:
    lookup(models.NETWORKS, network, "network in --models")
  if not seeds or not all(seed.strip().isdecimal() for seed in seeds):
    raise UserError(
      f"--seeds takes whole numbers from 0 on, separated by commas, got {','.join(seeds)!r}"
    )
  for override in overrides:
    _check_override(override)
  runs: list[Run] = []
  named: dict[str, str] = {}
  for file in _files(patterns):
    original = config_files.load_config(file)
    if named.setdefault(original.name, file) != file:
      raise UserError(
        f"{named[original.name]} and {file} are both called {original.name}, which names the "
        f"folders of their runs; rename one of them"
      )
    for network in dict.fromkeys(networks or [original.model.name]):
      for seed in dict.fromkeys(int(seed) for seed in seeds):
        own = (*overrides, f"model.name={network}", f"seed={seed}")
        config = config_files.load_config(file, own)
        _check_values(file, config)
        changes = deviations(config.to_dict(), original.to_dict())
        folder = files.path(workdir) / f"{config.name}-{network}-s{seed}"
        runs.append(Run(file, own, config, changes, folder))
  return runs


def json_config(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """The configuration as JSON keeps it."""
  return json.loads(json.dumps(config.to_dict()))


def _are_alike(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
  """Whether a stored configuration, which may be older than some keys, gives what is wanted."""
  return not deviations(defaults.before() | flatten(stored), wanted, apart=())


def _files(patterns: Sequence[str]) -> list[str]:
  """The configuration files that the patterns match, each once, in order."""
  matching: list[str] = []
  for pattern in patterns:
    found = [file for file in sorted(glob.glob(pattern)) if not _is_base(pathlib.Path(file).stem)]
    if not found:
      raise UserError(
        f"no configuration matches {pattern!r} in --configs; give files, such as "
        f"'configs/cifar10_*.py' (base files are no experiments)"
      )
    matching += map(os.path.normpath, found)
  return list(dict.fromkeys(matching))


def _is_base(stem: str) -> bool:
  return stem == "base" or stem.endswith("_base")


def _check_values(file: str, config: ml_collections.ConfigDict) -> None:
  try:
    experiment.check(config)
  except UserError as error:
    raise UserError(f"{file}: {error}") from error


def _check_override(override: str) -> None:
  key, equals, _ = override.partition("=")
  if not equals or not key:
    raise UserError(f"--set takes KEY=VALUE, such as --set epochs=100, got {override!r}")
  if key in _BY_FLAG:
    raise UserError(
      f"--set {key} would give all runs the same one; "
      + (f"use {_BY_FLAG[key]}" if _BY_FLAG[key] else "the configuration file names them")
    )
