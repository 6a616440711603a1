"""Which network a folder holds: `config.json` of a training says so, `network.json` of an import.

    {"kind": "import",
     "network": {"name", "num_classes", "image_size", "mean", "std", "dtype", "contrastive",
                 "first_kernel"},
     "data": {"data", "resize", "ood_sets"},
     "source": "F.pth", "sha256": "9f86…"}

"network" is a `models.NetworkSpec`, whose first layer is plain: "first_kernel" is the side of its
filters in pixels, and 0, or no such key, is the network's own. "data" is what an evaluation begins
with, by the names of its settings; "source" and "sha256" are of the file that was imported. The
parameters are in `checkpoints/`, as those of a training are.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import ml_collections

from apr_jax import files, settings
from apr_jax.augment.bands import Bands
from apr_jax.augment.methods import needs_auxiliary_norm, switched_on
from apr_jax.augment.two_labels import TwoLabels
from apr_jax.errors import UserError, one_line, unknown
from apr_jax.models import DTYPES, NETWORKS, FirstLayer, NetworkSpec
from apr_jax.models.band_input import BandInput
from apr_jax.models.first_layer import KERNEL_SIZES
from apr_jax.run.configuration import IMPORT


def spec_of_run(config: ml_collections.ConfigDict, contrastive: bool) -> NetworkSpec:
  """The network of a training.

  Args:
    config: its resolved configuration.
    contrastive: whether the network has a projection. Training asks its augmentation, which needs
      one or not; who reads a checkpoint asks that, see `models.contrastive.has_projection`.
  """
  of = config.model
  on = switched_on(config.augment)
  bands, two_labels = on.get("bands"), on.get("two_labels")
  return NetworkSpec(
    name=of.name,
    num_classes=of.num_classes,
    image_size=tuple(of.image_size),
    mean=tuple(of.mean),
    std=tuple(of.std),
    dtype=of.dtype,
    contrastive=contrastive,
    bands=BandInput(**dataclasses.asdict(bands)) if isinstance(bands, Bands) else None,
    label_share=two_labels.share if isinstance(two_labels, TwoLabels) else None,
    first_layer=settings.read(FirstLayer, of.first_layer),
    auxiliary_norm=needs_auxiliary_norm(config.augment),
    rotations="csi" in on,
    frozen=of.get("frozen", False),  # an older configuration has no such key
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
    values = dataclasses.asdict(imported)
    first_kernel = values["network"]["first_layer"]["kernel_size"]
    values["network"] |= {"first_kernel": first_kernel}
    # An import is a plain network: what else a specification may say is off.
    values["network"] = {key: values["network"][key] for key in _NETWORK}
    files.write_json(workdir / IMPORT, {"kind": "import", **values})
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
    values = files.read_json(path)
    _check(values, _FILE, "")
    _check(values["network"], _NETWORK, "network.", optional=("first_kernel",))
    _check(values["data"], _DATA, "data.", optional=tuple(_DATA))
    network = _with_tuples(values["network"])
    first_layer = FirstLayer(kernel_size=network.pop("first_kernel", 0))
    return Import(
      NetworkSpec(**network, first_layer=first_layer),
      _with_tuples(values["data"]),
      values["source"],
      values["sha256"],
    )
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
  "first_kernel": (lambda value: _is_count(value) and KERNEL_SIZES(value), KERNEL_SIZES.text),
}
_DATA: _Rules = {
  "data": _TEXT,
  "resize": _PIXELS,
  "ood_sets": (
    lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
    "a list of names of data sets",
  ),
}


def _check(values: Any, rules: _Rules, prefix: str, optional: tuple[str, ...] = ()) -> None:
  """Refuses values that break a rule or have none, and keys that are missing and not `optional`."""
  if not isinstance(values, dict):
    raise UserError(f"it must be a section with keys, got {values!r}")
  for key, value in values.items():
    if key not in rules:
      raise UserError(unknown(prefix + key, "key", [prefix + known for known in rules]))
    valid, rule = rules[key]
    if not valid(value):
      raise UserError(f"{prefix}{key} must be {rule}, got {value!r}")
  missing = [prefix + key for key in rules if key not in values and key not in optional]
  if missing:
    raise UserError(f"it lacks {', '.join(missing)}")
