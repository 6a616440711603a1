"""The settings of an evaluation: on which data, on how many images, on which corrupted and
out-of-distribution sets.
"""

import dataclasses
import os
import pathlib
from typing import Any

from apr_jax import files
from apr_jax.classifiers.interface import Classifier
from apr_jax.errors import UserError, lookup

AUTO = "auto"
# {data set: what is out of its distribution, unless other sets are named}
_OOD_SETS = {"cifar10": ("cifar100",), "cifar100": ("cifar10",)}
_EMBEDDED_OOD_SETS = ("photo_patches", "uniform_noise")  # of any other: they need no files
SOURCES = {
  "published": "the published files, in the data folder or in its folder of their name",
  "tfds": "TFDS's copy of CIFAR-10-C",
  "regenerated": "made from the test images by apr_jax.corruptions",
}
"""{source of corrupted images: where they come from}; see `corruption_sources`."""


@dataclasses.dataclass(frozen=True)
class Settings:
  """Which sets and images an evaluation is of; how they are scored, the evaluators say.

  Attributes:
    data: name of the in-distribution data set; see `apr_jax.data.load`.
    data_dir: where data sets and published corruptions lie; "" = TFDS's default.
    resize: pixels of the short side before the central square is cut out; 0 = as many as the
      classifier takes.
    download: whether a TFDS data set that is not prepared is downloaded.
    limit: evaluate on the first so many images of each set; 0 = all.
    corruption_source: a key of `SOURCES`; "auto" = the first that is there.
    ood_sets: names of out-of-distribution sets, or of `ood_protocols.PROTOCOLS`.

  Raises:
    UserError: a value cannot be used.
  """

  data: str
  data_dir: str = ""
  resize: int = 0
  download: bool = False
  limit: int = 0
  corruption_source: str = AUTO
  ood_sets: tuple[str, ...] = ()

  def __post_init__(self):
    object.__setattr__(self, "data_dir", str(self.data_dir))
    object.__setattr__(self, "ood_sets", tuple(self.ood_sets))
    check(data=self.data, limit=self.limit, corruption_source=self.corruption_source)

  @classmethod
  def of(cls, classifier: Classifier, **given: Any) -> "Settings":
    """The settings that are given; those that are not, or are None, as `classifier.defaults` says,
    and else those of the class. Out-of-distribution sets that nobody names are the other CIFAR, or
    those that need no files.

    Raises:
      UserError: a value cannot be used, or neither says which data set.
    """
    names = {field.name for field in dataclasses.fields(cls)}
    if unknown := given.keys() - names:
      raise TypeError(f"Settings has no {', '.join(sorted(unknown))}")
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(given.get("ood_sets"), str):
      raise UserError(
        f"ood_sets are several names, ({given['ood_sets']!r},), got {given['ood_sets']!r}"
      )
    brought = getattr(classifier, "defaults", {})
    values: dict[str, Any] = {"data": ""}
    values |= {name: value for name, value in brought.items() if name in names} | given
    if "ood_sets" not in values:
      values["ood_sets"] = _OOD_SETS.get(values["data"], _EMBEDDED_OOD_SETS)
    if "data_dir" in given and not values.get("download"):
      check(data_dir=given["data_dir"])
    return cls(**values)

  @property
  def data_folder(self) -> pathlib.Path:
    """`data_dir`, or where TFDS keeps its data sets if it is not given."""
    return data_folder(self.data_dir)


def check(**values: Any) -> None:
  """Checks some of the settings, before a classifier is loaded say.

  Raises:
    UserError: one of them cannot be used.
  """
  if not values.get("data", True):
    raise UserError(
      "no data set is named to evaluate on; give data, such as cifar10 (--data of evaluate.py)"
    )
  limit = values.get("limit", 0)
  if not isinstance(limit, int) or limit < 0:
    raise UserError(f"limit must be 0 (all images) or more, got {limit!r}")
  if (source := values.get("corruption_source", AUTO)) != AUTO:
    lookup(SOURCES, source, "source of corruptions")
  folder = str(values.get("data_dir", ""))
  if folder and not files.path(folder).expanduser().exists():
    raise UserError(f"there is no folder {folder}: correct --data_dir")


def data_folder(data_dir: str) -> pathlib.Path:
  """`data_dir`, or for "" where TFDS keeps its data sets."""
  place = data_dir or os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
  return files.path(place).expanduser()
