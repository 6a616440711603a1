"""The classes of ImageNet (ILSVRC 2012), and which of them ImageNet-A and ImageNet-R have.

`imagenet_classes.csv` beside this file lists the 1000 WordNet names ("wnid") in alphabetical order,
which is that of the labels in TFDS, PyTorch and everywhere else, and marks 200 classes of each of
the two smaller sets, as their released evaluations do (https://github.com/hendrycks/imagenet-r,
https://github.com/hendrycks/natural-adv-examples).
"""

import csv
import functools
import pathlib

from apr_jax.errors import lookup

_FILE = pathlib.Path(__file__).parent / "imagenet_classes.csv"


@functools.cache
def _rows() -> tuple[dict[str, str], ...]:
  with _FILE.open(newline="", encoding="utf-8") as file:
    return tuple(csv.DictReader(file))


def class_labels(of: str) -> dict[str, int]:
  """{wnid: label in 0..999} of the classes of a set.

  Args:
    of: "imagenet" (1000 classes), "imagenet_a" or "imagenet_r" (200 each).

  Raises:
    UserError: another name.
  """
  rows = _rows()
  marked = {"imagenet": None, "imagenet_a": "imagenet_a", "imagenet_r": "imagenet_r"}
  column = lookup(marked, of, "set of ImageNet's classes")
  return {
    row["wnid"]: label for label, row in enumerate(rows) if column is None or row[column] == "1"
  }
