"""What an in-memory image data set is, and what makes one unusable."""

import dataclasses
import zlib
from typing import Protocol

import numpy as np

from apr_jax.errors import UserError

SPLITS = ("train", "test")


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayData:
  """One split of a labelled image data set, held in host memory.

  Attributes:
    images: uint8 `[N, H, W, 3]`, values 0..255.
    labels: int32 `[N]`, values 0..num_classes-1.
    num_classes: number of classes the labels are drawn from.
    name: what the data set is called in messages and reports.

  Raises:
    UserError: the arrays are empty, of another dtype or shape, of different lengths, or a label is
      out of range.

  Examples:
    >>> images, labels = np.zeros((3, 8, 8, 3), np.uint8), np.array([0, 1, 1], np.int32)
    >>> ArrayData(images, labels, num_classes=2, name="mine").take(2).labels.tolist()
    [0, 1]
  """

  images: np.ndarray
  labels: np.ndarray
  num_classes: int
  name: str

  def __post_init__(self) -> None:
    where = f"data set {self.name!r}"
    images, labels = self.images, self.labels
    check_uint8(images, where)
    if images.ndim != 4 or images.shape[-1] != 3:
      raise UserError(
        f"{where}: images must have shape [N, H, W, 3], got {list(images.shape)}; convert to RGB"
      )
    if labels.dtype != np.int32 or labels.ndim != 1:
      raise UserError(
        f"{where}: labels must be int32 [N], got {labels.dtype} {list(labels.shape)}; convert them"
      )
    check_lengths(images, labels, where)
    if 0 in images.shape:
      raise UserError(
        f"{where}: it is empty (images {list(images.shape)}); "
        f"choose a data set or split with images"
      )
    check_labels(labels, self.num_classes, where)

  @property
  def num_examples(self) -> int:
    return len(self.images)

  @property
  def image_size(self) -> tuple[int, int]:
    """(H, W) in pixels."""
    height, width = self.images.shape[1:3]
    return height, width

  def checksum(self) -> int:
    """CRC-32 of images and labels, by which processes see whether they have the same."""
    of_images = zlib.crc32(np.ascontiguousarray(self.images).data)
    return zlib.crc32(np.ascontiguousarray(self.labels).data, of_images)

  def take(self, n: int) -> "ArrayData":
    """The first `n` examples as views of the same memory; 0 means all of them.

    Raises:
      UserError: `n` is negative or more than there are.
    """
    if n == 0:
      return self
    n = limited(len(self.images), n, self.name)
    return dataclasses.replace(self, images=self.images[:n], labels=self.labels[:n])

  def spread(self, n: int) -> "ArrayData":
    """`n` examples spread evenly over all, see `spread`; 0, or more than there are: itself."""
    chosen = spread(len(self.images), n)
    if len(chosen) == len(self.images):
      return self
    return dataclasses.replace(self, images=self.images[chosen], labels=self.labels[chosen])


def spread(count: int, n: int) -> np.ndarray:
  """`n` of `count` positions, evenly spaced and ascending; 0, or more than there are: all."""
  return np.arange(count) if not 0 < n < count else np.arange(n) * count // n


def limited(count: int, limit: int, name: str) -> int:
  """How many of `count` examples a limit leaves: the limit, or with 0 all of them.

  Raises:
    UserError: the limit is negative or above `count`.
  """
  if not 0 <= limit <= count:
    raise UserError(
      f"data set {name!r}: cannot take {limit} of its {count} examples; "
      f"use a limit between 1 and {count}, or 0 for all"
    )
  return limit or count


class _Typed(Protocol):
  """An array, or one that is not read yet."""

  @property
  def dtype(self) -> np.dtype: ...


def check_uint8(images: _Typed, where: str) -> None:
  """Refuses images that are not uint8: a float array hides whether it spans 0..1 or 0..255."""
  if images.dtype != np.uint8:
    raise UserError(
      f"{where}: images must be uint8, got {images.dtype}; convert them to uint8 with values 0..255"
    )


def check_lengths(images: np.ndarray, labels: np.ndarray, where: str) -> None:
  """Refuses images and labels that cannot be paired."""
  if len(images) != len(labels):
    raise UserError(
      f"{where}: {len(images)} images but {len(labels)} labels; give one label per image"
    )


def check_labels(labels: np.ndarray, num_classes: int, where: str) -> None:
  """Refuses integer labels `[N]` outside 0..num_classes-1, naming the first such value and its
  index.
  """
  outside = np.flatnonzero((labels < 0) | (labels >= num_classes))
  if outside.size:
    raise UserError(
      f"{where}: label {labels[outside[0]]} at index {outside[0]} is outside 0..{num_classes - 1} "
      f"({outside.size} such labels); correct the labels"
    )
