"""Which network a folder holds: `config.json` of a training says so, `network.json` of an import.

    {"kind": "import",
     "network": {"name", "num_classes", "image_size", "mean", "std", "dtype", "contrastive"},
     "data": {"data", "resize", "ood_sets"},
     "source": "F.pth", "sha256": "9f86…"}

"network" is a `models.NetworkSpec`; "data" is what an evaluation begins with, by the names of its
settings; "source" and "sha256" are of the file that was imported. The parameters are in
`checkpoints/`, as those of a training are.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import ml_collections

from apr_jax import files
from apr_jax.errors import UserError, one_line, unknown
from apr_jax.models import DTYPES, NETWORKS, NetworkSpec
from apr_jax.run.configuration import IMPORT


def spec_of_run(config: ml_collections.ConfigDict, contrastive: bool) -> NetworkSpec:
  """The network of a training.

  Args:
    config: its resolved configuration.
    contrastive: whether the network has a projection. Training asks its augmentation, which needs
      one or not; who reads a checkpoint asks that, see `models.contrastive.has_projection`.
  """
  settings = config.model
  return NetworkSpec(
    name=settings.name,
    num_classes=settings.num_classes,
    image_size=tuple(settings.image_size),
    mean=tuple(settings.mean),
    std=tuple(settings.std),
    dtype=settings.dtype,
    contrastive=contrastive,
  )


@dataclasses.dataclass(frozen=True)
class Import:
  """What is known of an imported network beside its parameters.

  Attributes:
    network: which it is.
    data: {name of a setting of an evaluation: value}: the data set in "data" ("" if none is known),
      "resize" in pixels, "ood_sets".
    source: name of the file it came from.
    sha256: of that file, in hexadecimal digits.
  """

  network: NetworkSpec
  data: Mapping[str, Any]
  source: str
  sha256: str


def is_import(workdir: str | pathlib.Path) -> bool:
  """Whether the folder holds an imported network."""
  return (files.path(workdir) / IMPORT).is_file()


def write_import(workdir: str | pathlib.Path, imported: Import) -> None:
  """Writes `network.json`, making the folder if needed.

  Raises:
    UserError: the folder cannot be written.
  """
  workdir = files.path(workdir)
  try:
    files.make_folder(workdir)
    files.write_json(workdir / IMPORT, {"kind": "import", **dataclasses.asdict(imported)})
  except OSError as error:
    raise UserError(
      f"the workdir {workdir} cannot be written: {one_line(error)}; use another --workdir"
    ) from error


def read_import(workdir: str | pathlib.Path) -> Import:
  """What `write_import` wrote.

  Raises:
    UserError: the file is missing or damaged, or a value in it cannot be used.
  """
  path = files.path(workdir) / IMPORT
  try:
    values = json.loads(path.read_text(encoding="utf-8"))
    _check(values, _FILE, "")
    _check(values["network"], _NETWORK, "network.")
    _check(values["data"], _DATA, "data.", complete=False)
    network = NetworkSpec(**_with_tuples(values["network"]))
    return Import(network, _with_tuples(values["data"]), values["source"], values["sha256"])
  except (OSError, ValueError) as error:  # of which a UserError is one
    raise UserError(
      f"{path} cannot be read: {one_line(error)}; import the network again into another folder"
    ) from error


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
  """JSON has no tuples."""
  return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _is_count(value: Any) -> bool:
  return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_numbers(values: Any) -> bool:
  return (
    isinstance(values, list)
    and len(values) == 3
    and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
  )


# {key: (whether a value is good, what it must be)}. Names are looked for in lists, since values of
# JSON may be lists, which cannot be looked up in a table.
_Rules = Mapping[str, tuple[Callable[[Any], bool], str]]
_TEXT = (lambda value: isinstance(value, str), "a text")
_SWITCH = (lambda value: isinstance(value, bool), "true or false")
_SECTION = (lambda value: isinstance(value, dict), "a section with keys")
_PIXELS = (_is_count, "a number of pixels, 0 or more")
_FILE: _Rules = {
  "kind": (lambda value: value == "import", "import"),
  "network": _SECTION,
  "data": _SECTION,
  "source": _TEXT,
  "sha256": _TEXT,
}
_NETWORK: _Rules = {
  "name": (lambda value: value in list(NETWORKS), f"one of {', '.join(NETWORKS)}"),
  "num_classes": (lambda value: _is_count(value) and value > 0, "a number above 0"),
  "image_size": (
    lambda value: (
      isinstance(value, list)
      and len(value) == 2
      and all(_is_count(side) and side for side in value)
    ),
    "height and width in pixels",
  ),
  "mean": (_are_numbers, "three numbers, one per channel"),
  "std": (
    lambda value: _are_numbers(value) and min(value) > 0,
    "three numbers above 0, one per channel",
  ),
  "dtype": (lambda value: value in list(DTYPES), f"one of {', '.join(DTYPES)}"),
  "contrastive": _SWITCH,
}
_DATA: _Rules = {
  "data": _TEXT,
  "resize": _PIXELS,
  "ood_sets": (
    lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
    "a list of names of data sets",
  ),
}


def _check(values: Any, rules: _Rules, prefix: str, complete: bool = True) -> None:
  """Refuses values that break a rule or have none, and, if `complete`, keys that are missing."""
  if not isinstance(values, dict):
    raise UserError(f"it must be a section with keys, got {values!r}")
  for key, value in values.items():
    if key not in rules:
      raise UserError(unknown(prefix + key, "key", [prefix + known for known in rules]))
    valid, rule = rules[key]
    if not valid(value):
      raise UserError(f"{prefix}{key} must be {rule}, got {value!r}")
  missing = [prefix + key for key in rules if key not in values]
  if complete and missing:
    raise UserError(f"it lacks {', '.join(missing)}")
