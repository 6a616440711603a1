"""Configuration files by path: what `train.py --config FILE --config.KEY=VALUE` would train."""

import dataclasses
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from apr_jax import cli, defaults
from apr_jax.errors import UserError
from apr_jax.help_text import two_columns
from apr_jax.settings import flatten

FOLDER = pathlib.Path(__file__).parents[1] / "configs"
"""The experiments, which a checkout of the repository has beside the package."""


def default_workdir(file: str) -> str:
  """runs/<name of the configuration file>."""
  return os.path.join("runs", pathlib.Path(file).stem)


def load_config(file: str, overrides: Sequence[str] = ()) -> ml_collections.ConfigDict:
  """The configuration that `train.py --config FILE --config.KEY=VALUE ...` would train.

  Args:
    file: the configuration file.
    overrides: "KEY=VALUE" each.

  Raises:
    UserError: the file cannot be used, a key is unknown, or a value is of another type.
  """
  above = str(pathlib.Path(file).absolute().parents[1])
  if above not in sys.path:
    sys.path.append(above)  # configs/X.py imports configs.base
  arguments = ["", f"--config={file}", *(f"--config.{override}" for override in overrides)]
  values = flags.FlagValues()
  config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=arguments)
  # ml_collections loads every file as this module, and would leave the names of the last one in it.
  sys.modules.pop("config_config", None)
  cli.parse_flags(values, arguments)
  return named(values["config"].value, file)


def about(arguments: Sequence[str]) -> str:
  """What train.py's --help says of configurations: which there are, or the keys of the one that
  the arguments name.

  Raises:
    UserError: as `load_config`.
  """
  file = cli.config_file(arguments)
  if file == "--config":
    return "\n".join(
      [
        f"{FOLDER.name}/ holds:",
        *(two_columns("", kind) for kind in cli.configurations(FOLDER)),
        "",
        f"--config {FOLDER.name}/NAME.py --help shows the keys of one, with its values.",
      ]
    )
  prefix = "--config."
  overrides = [text.removeprefix(prefix) for text in arguments if text.startswith(prefix)]
  values = flatten(load_config(file, overrides).to_dict())
  lines = [f"Keys of {file}, each with its value and its meaning:"]
  for place, cls in defaults.sections().items():
    for field in dataclasses.fields(cls):
      key = f"{place}.{field.name}" if place else field.name
      lines.append(two_columns(f"{prefix}{key}={values[key]!r}", field.metadata["about"]))
  return "\n".join(lines)


def original_config(name: str) -> dict[str, Any] | None:
  """The values of the configuration file of that name in `FOLDER`; None where it is not there."""
  file = FOLDER / f"{name}.py"
  return load_config(str(file)).to_dict() if name and file.is_file() else None


def named(config: ml_collections.ConfigDict, file: str) -> ml_collections.ConfigDict:
  """The configuration, called after its file unless it has a name.

  Raises:
    UserError: it is none, or lacks keys of `apr_jax/defaults.py`.
  """
  if not isinstance(config, ml_collections.ConfigDict):
    raise UserError(
      f"{file}: get_config() returns {config!r}; let it return the configuration of "
      f"configs/base.py, changed where it differs"
    )
  own = flatten(config.to_dict())
  missing = [key for key in flatten(defaults.get_config().to_dict()) if key not in own]
  if missing:
    raise UserError(
      f"{file}: its configuration lacks {len(missing)} of the keys of configs/base.py, such as "
      f"{missing[0]!r}; let get_config() begin with base.get_config()"
    )
  config.name = config.name or pathlib.Path(file).stem
  return config
