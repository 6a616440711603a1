"""The published CIFAR-10-C and CIFAR-100-C: a folder of `NAME.npy` files and `labels.npy`.

Each `NAME.npy` is uint8 `[5 N, 32, 32, 3]`: the N test images at severity 1, then at severity 2,
and so on; the N labels repeat in `labels.npy`. The files are memory-mapped: only the severity that
is asked for is read, from a store too.
"""

import pathlib

import numpy as np

from apr_jax import files
from apr_jax.data.array_data import ArrayData, check_labels, check_uint8
from apr_jax.data.arrays import Stored, read_npy
from apr_jax.errors import UserError

SEVERITIES = 5


class PublishedCorruptions:
  """A folder of published corruptions.

  Args:
    folder: holds `labels.npy` and one `NAME.npy` per corruption.
    num_classes: the labels must lie in 0..num_classes-1.
    names: corruptions that must be there.
    image_size: (H, W) in pixels that the images must have.

  Attributes:
    labels: int32 `[N]`, those of each severity.

  Raises:
    UserError: a file is missing, damaged, or does not fit the others; the message names it.
  """

  def __init__(
    self,
    folder: str | pathlib.Path,
    num_classes: int,
    names: tuple[str, ...],
    image_size: tuple[int, int] = (32, 32),
  ):
    self._folder = files.path(folder)
    self._num_classes = num_classes
    self._image_size = tuple(image_size)
    missing = [name for name in ("labels", *names) if not self._path(name).is_file()]
    if missing:
      raise UserError(
        f"{self._folder} lacks {', '.join(f'{name}.npy' for name in missing)}; "
        f"unpack the whole published archive there"
      )
    path = self._path("labels")
    labels = np.asarray(read_npy(path))
    if (
      labels.ndim != 1
      or not np.issubdtype(labels.dtype, np.integer)
      or not len(labels)
      or len(labels) % SEVERITIES
    ):
      raise UserError(
        f"{path}: expected integer labels [5 N], got {labels.dtype} {list(labels.shape)}"
      )
    check_labels(labels, num_classes, str(path))
    blocks = labels.reshape(SEVERITIES, -1).astype(np.int32)
    if (blocks != blocks[0]).any():
      severity = int(np.argmax((blocks != blocks[0]).any(axis=1))) + 1
      raise UserError(
        f"{path}: the labels of severity {severity} disagree with those of severity 1; "
        f"each severity holds the same images in the same order"
      )
    self.labels = blocks[0]
    self._images = {name: self._checked(name) for name in names}

  def load(self, name: str, severity: int) -> ArrayData:
    """The N images of one corruption at one severity (1 to 5)."""
    n = len(self.labels)
    images = np.array(self._images[name][(severity - 1) * n : severity * n])
    return ArrayData(
      images, self.labels, self._num_classes, f"{self._path(name)}, severity {severity}"
    )

  def _checked(self, name: str) -> Stored:
    path = self._path(name)
    images = read_npy(path)
    check_uint8(images, str(path))
    expected = SEVERITIES * len(self.labels)
    if images.shape != (expected, *self._image_size, 3):
      raise UserError(
        f"{path}: expected images {[expected, *self._image_size, 3]} to go with labels.npy and the "
        f"network, got {list(images.shape)}; give the folder of this data set"
      )
    return images

  def _path(self, name: str) -> pathlib.Path:
    return self._folder / f"{name}.npy"
