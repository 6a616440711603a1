"""The folder of a run: `config.json`, and whether it may be continued with a given
configuration.
"""

import json
import pathlib

import ml_collections

from apr_jax import data
from apr_jax.errors import UserError, one_line
from apr_jax.files import write_json
from apr_jax.settings import flatten

CONFIG = "config.json"
IMPORT = "network.json"
"""What an imported network has in its place; see `run.network`."""

_SECTIONS = {"seed", "data", "model", "augment", "evaluation"}

CHANGE_NOTHING = (
  "name",
  "log_every_steps",
  "eval_every_epochs",
  "data.data_dir",
  "data.download",
  "checkpoint.",
  "evaluation.batch_size",
)
"""Beginnings of the keys that change neither what a step of the training computes nor a score.
Where `data.name` takes a path, `data.data_dir` is none of them: see `with_its_path`."""

# Keys that a continued run may change: they do not change what a step computes.
_FREE = (*CHANGE_NOTHING, "epochs", "evaluation.")


def with_its_path(keys: tuple[str, ...], data_name: str) -> tuple[str, ...]:
  """The keys, without `data.data_dir` where it says which data set it is, and not where TFDS keeps
  it.
  """
  return tuple(key for key in keys if key != "data.data_dir" or data_name not in data.WITH_PATH)


def read_config(workdir: str | pathlib.Path) -> ml_collections.ConfigDict:
  """The resolved configuration of a run.

  Raises:
    UserError: the folder is missing, holds no run, or its config.json is damaged.
  """
  path = pathlib.Path(workdir) / CONFIG
  if not path.is_file():
    raise UserError(f"{workdir} holds no run: there is no {path}; give the --workdir of a training")
  try:
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict) or not values.keys() >= _SECTIONS:
      raise ValueError(f"it does not hold the keys {', '.join(sorted(_SECTIONS))}")
  except (ValueError, OSError) as error:
    raise UserError(
      f"{path} cannot be read: {one_line(error)}; restore it, or train into another workdir"
    ) from error
  return ml_collections.ConfigDict(_with_tuples(values)).lock()


def check_config(workdir: str | pathlib.Path, config: ml_collections.ConfigDict) -> None:
  """Checks that the folder holds no run, or one that may be continued with the resolved
  configuration.

  Raises:
    UserError: the folder holds a run with another configuration, and the message names the keys; or
      it holds an imported network.
  """
  if pathlib.Path(workdir).exists() and not pathlib.Path(workdir).is_dir():
    raise UserError(f"the workdir {workdir} cannot be written: it is a file; use another --workdir")
  if (pathlib.Path(workdir) / IMPORT).exists():
    raise UserError(
      f"{workdir} holds an imported network, which is not trained further; use another --workdir"
    )
  if not (pathlib.Path(workdir) / CONFIG).exists():
    return
  stored = flatten(read_config(workdir).to_dict())
  wanted = flatten(config.to_dict())
  free = set(with_its_path(_FREE, config.data.name))
  if config.schedule.name == "cosine":
    free.remove("epochs")  # a cosine depends on the number of epochs
  differing = [
    key
    for key in sorted(stored.keys() | wanted.keys())
    if stored.get(key) != wanted.get(key) and not key.startswith(tuple(free))
  ]
  if differing:
    said = lambda values, key: repr(values[key]) if key in values else "no such key"
    changes = ", ".join(
      f"{key} ({said(stored, key)} there, {said(wanted, key)} now)" for key in differing
    )
    version = (
      ""
      if stored.keys() == wanted.keys()
      else ", with the version of apr_jax that has the same keys"
    )
    raise UserError(
      f"{workdir} holds a run with a different configuration: {changes}; "
      f"use another --workdir, or the same values{version}"
    )


def write_config(workdir: str | pathlib.Path, config: ml_collections.ConfigDict) -> None:
  """Stores the resolved configuration, making the folder if needed.

  Raises:
    UserError: the folder cannot be written.
  """
  workdir = pathlib.Path(workdir)
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    write_json(workdir / CONFIG, config.to_dict())
  except OSError as error:
    raise UserError(
      f"the workdir {workdir} cannot be written: {one_line(error)}; use another --workdir"
    ) from error


def adopt_config(workdir: str | pathlib.Path, config: ml_collections.ConfigDict) -> None:
  """`check_config`, then `write_config`."""
  check_config(workdir, config)
  write_config(workdir, config)


def _with_tuples(value):
  """JSON has no tuples; the configuration has no lists."""
  if isinstance(value, dict):
    return {key: _with_tuples(item) for key, item in value.items()}
  return tuple(_with_tuples(item) for item in value) if isinstance(value, list) else value
