"""What a data set is called: "kind:path", a bare kind, or a name of TensorFlow Datasets (TFDS).

    DataName.parse("npz:mine.npz").path    # "mine.npz"
    DataName.parse("cifar10").kind         # "tfds"

This is the one place that takes such a name apart.
"""

import dataclasses
import os

from apr_jax import files
from apr_jax.errors import UserError

EMBEDDED = ("digits", "photo_patches", "uniform_noise")
"""Kinds that need no files."""

WITH_PATH = ("npz", "npy", "folder", "images")
"""Kinds that are a path, given behind a colon or as the data folder."""

KINDS = (*EMBEDDED, *WITH_PATH)
TFDS = "tfds"


@dataclasses.dataclass(frozen=True)
class DataName:
  """A data set's name, taken apart.

  Attributes:
    text: the name as the user gave it.
    kind: one of `KINDS`, or "tfds" for every other name.
    path: what follows the colon, "" if nothing does. Of a TFDS name "".

  Examples:
    >>> name = DataName.parse("folder:pictures")
    >>> name.kind, name.path
    ('folder', 'pictures')
  """

  text: str
  kind: str
  path: str = ""

  @classmethod
  def parse(cls, text: str) -> "DataName":
    """Takes a name apart. Nothing is looked up: any text is a name, of TFDS if of no other kind."""
    kind, _, path = text.partition(":")
    return cls(text, kind, path) if kind in KINDS else cls(text, TFDS)

  def __str__(self) -> str:
    return self.text

  @property
  def is_tfds(self) -> bool:
    """Whether TFDS is asked for it."""
    return self.kind == TFDS

  @property
  def has_path(self) -> bool:
    """Whether it is a path, be it its own or the data folder."""
    return self.kind in WITH_PATH

  def located(self, data_dir: str) -> str:
    """Its path, with "~" filled in: its own, or else the data folder.

    Args:
      data_dir: the data folder, "" for none.

    Raises:
      UserError: it has no path, and there is no data folder.
    """
    path = os.path.expanduser(self.path or data_dir)
    if not path:
      raise UserError(
        f"data.name={self}: where is it? Use data.name={self.kind}:PATH or set data.data_dir"
      )
    return path

  def found_in(self, data_dir: str) -> "DataName":
    """The name under which it is loaded: that of what lies in the data folder under its TFDS name.

    That is "npz:DATA_DIR/NAME.npz", or "folder:DATA_DIR/NAME" where there are class folders in
    DATA_DIR/NAME/train; otherwise the name itself. So a run without TensorFlow has the same name,
    and with it the same corrupted sets and published numbers beside it. The class folders must sort
    as the labels of TFDS count, as they do if they are called as the classes are.

    Raises:
      UserError: the class folders are numbers that sort otherwise.
    """
    if not data_dir or not self.text or not self.is_tfds or "/" in self.text:
      return self
    path = os.path.join(os.path.expanduser(data_dir), self.text)
    if files.is_file(f"{path}.npz"):
      return DataName(f"npz:{path}.npz", "npz", f"{path}.npz")
    train = os.path.join(path, "train")
    if not files.is_dir(train):
      return self
    numbers = [entry.name for entry in files.entries(train) if entry.name.isdigit()]
    if sorted(numbers) != sorted(numbers, key=int):
      raise UserError(
        f"{train}: its class folders are numbers that sort as text into another "
        f"order than that of {self}'s labels; fill them up with zeros, 00, 01, ..."
      )
    return DataName(f"folder:{path}", "folder", path)
