"""The folder of a run: `config.json`, and whether a run may be continued with a given
configuration.

A run may be older than a key of the configuration. It is then as if it had been started with the
value that changes nothing, which `defaults.before` knows.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import ml_collections

from apr_jax import data, defaults, files
from apr_jax.errors import UserError, lookup, one_line
from apr_jax.settings import flatten

CONFIG = "config.json"
IMPORT = "network.json"
"""What an imported network has in its place; see `run.network`."""

_SECTIONS = {"seed", "data", "model", "augment", "evaluation"}

_BOOKKEEPING = (
  "name",
  "log_every_steps",
  "eval_every_epochs",
  "data.data_dir",
  "data.download",
  "adversary.log_pgd",
  "checkpoint.",
  "evaluation.batch_size",
)


def is_bookkeeping(key: str, data_name: str) -> bool:
  """Whether a key changes neither what a step of the training computes nor a score.

  Args:
    key: with dots, such as "checkpoint.keep".
    data_name: `data.name`. Where it takes a path, `data.data_dir` says which data set it is;
      elsewhere that is only where TFDS keeps its data sets.
  """
  if key == "data.data_dir":
    return data_name not in data.WITH_PATH
  return key.startswith(_BOOKKEEPING)


def read_config(workdir: str | pathlib.Path) -> ml_collections.ConfigDict:
  """The resolved configuration of a run. Keys that it is older than have the value that changes
  nothing.

  Raises:
    UserError: the folder is missing, holds no run, or its config.json is damaged.
  """
  values = _stored(workdir)
  for key, value in defaults.before().items():
    *sections, name = key.split(".")
    section = values
    for inner in sections:
      if section.get(inner) == "" or section.get(inner) is False:
        section[inner] = {}  # a switch that was off, before it became a section
      section = section.setdefault(inner, {})
      if not isinstance(section, dict):
        place = ".".join(sections)
        raise UserError(
          f"{files.path(workdir) / CONFIG}: {place} is {section!r}, where this version has a "
          f"section; restore it, or use the version of apr_jax that wrote it"
        )
    section.setdefault(name, value)
  return ml_collections.ConfigDict(values).lock()


def of_network(workdir: str | pathlib.Path) -> dict[str, Any]:
  """The stored values on which the outputs of the network depend, by keys with dots, for JSON; {}
  where the folder holds no configuration.

  Raises:
    UserError: config.json is damaged.
  """
  if not (files.path(workdir) / CONFIG).is_file():
    return {}
  flat = flatten(_stored(workdir))
  found = {key: value for key, value in flat.items() if key.startswith(("model.", "data.resize"))}
  return json.loads(json.dumps(found))


def check_network(workdir: str | pathlib.Path, trained: Mapping[str, Any]) -> None:
  """Refuses a configuration that says of the network something else than a checkpoint does.

  Args:
    workdir: of the run.
    trained: `of_network` when the checkpoint was written; keys that only one of them has do not
      count, for they are younger than the other.

  Raises:
    UserError: a value is another one.
  """
  found = of_network(workdir)
  for key in trained.keys() & found.keys():
    if trained[key] != found[key]:
      raise UserError(
        f"{files.path(workdir) / CONFIG} is damaged, or was changed: {key} is {found[key]!r} "
        f"there, and {trained[key]!r} in the checkpoint; write that again"
      )


def check_config(workdir: str | pathlib.Path, config: ml_collections.ConfigDict) -> None:
  """Checks that the folder holds no run, or one that may be continued with the resolved
  configuration.

  Raises:
    UserError: the folder holds a run with another configuration, and the message names the keys; or
      it holds an imported network.
  """
  if files.path(workdir).exists() and not files.is_dir(workdir):
    raise UserError(f"the workdir {workdir} cannot be written: it is a file; use another --workdir")
  if (files.path(workdir) / IMPORT).exists():
    raise UserError(
      f"{workdir} holds an imported network, which is not trained further; use another --workdir"
    )
  if not (files.path(workdir) / CONFIG).exists():
    return
  stored, wanted = flatten(_stored(workdir)), flatten(config.to_dict())
  differing = [
    key
    for key in _differing(defaults.before() | stored, wanted)
    if not _may_change(key, config) and key in stored.keys() | wanted.keys()
  ]
  if differing:
    changes = ", ".join(_change(key, stored, wanted) for key in differing)
    remedy = "the same values"
    if not wanted.keys() >= set(differing):
      remedy = "the version of apr_jax that has the same keys"
    raise UserError(
      f"{workdir} holds a run with a different configuration: {changes}; use another --workdir, "
      f"or {remedy}"
    )


def _differing(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
  """The keys with different values, less those of what is off both times."""
  off = set(defaults.off(there)) & set(defaults.off({**defaults.before(), **wanted}))
  absent = object()
  return [
    key
    for key in sorted(there.keys() | wanted.keys())
    if there.get(key, absent) != wanted.get(key, absent) and not key.startswith(tuple(off))
  ]


def _may_change(key: str, config: ml_collections.ConfigDict) -> bool:
  """Whether a continued run may change the key: it does not change what a step computes."""
  if key == "epochs":
    from apr_jax.schedules import SCHEDULES  # brings optax, which tables of results do not need

    return not lookup(SCHEDULES, config.schedule.name, "schedule.name").depends_on_length
  return is_bookkeeping(key, config.data.name) or key.startswith("evaluation.")


def _change(key: str, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
  """What became of a key: "seed (0 there, 1 now)"."""
  if key not in wanted:
    return f"{key} ({stored[key]!r} there, no such key now)"
  if key in stored:
    return f"{key} ({stored[key]!r} there, {wanted[key]!r} now)"
  before = defaults.before().get(key)
  return f"{key} (no such key there, which is as {before!r}; {wanted[key]!r} now)"


def write_config(workdir: str | pathlib.Path, config: ml_collections.ConfigDict) -> None:
  """Stores the resolved configuration, making the folder if needed.

  Raises:
    UserError: the folder cannot be written.
  """
  workdir = files.path(workdir)
  try:
    files.make_folder(workdir)
    files.write_json(workdir / CONFIG, config.to_dict())
  except OSError as error:
    raise UserError(
      f"the workdir {workdir} cannot be written: {one_line(error)}; use another --workdir"
    ) from error


def adopt_config(workdir: str | pathlib.Path, config: ml_collections.ConfigDict) -> None:
  """`check_config`, then `write_config`."""
  check_config(workdir, config)
  write_config(workdir, config)


def _stored(workdir: str | pathlib.Path) -> dict[str, Any]:
  """What config.json holds.

  Raises:
    UserError: as `read_config`.
  """
  path = files.path(workdir) / CONFIG
  if not path.is_file():
    raise UserError(f"{workdir} holds no run: there is no {path}; give the --workdir of a training")
  try:
    values = files.read_json(path)
    if not isinstance(values, dict) or not values.keys() >= _SECTIONS:
      raise ValueError(f"it does not hold the keys {', '.join(sorted(_SECTIONS))}")
  except (ValueError, OSError) as error:
    raise UserError(
      f"{path} cannot be read: {one_line(error)}; restore it, or train into another workdir"
    ) from error
  return _with_tuples(values)


def _with_tuples(value: Any) -> Any:
  """JSON has no tuples; the configuration has no lists."""
  if isinstance(value, dict):
    return {key: _with_tuples(item) for key, item in value.items()}
  return tuple(_with_tuples(item) for item in value) if isinstance(value, list) else value
