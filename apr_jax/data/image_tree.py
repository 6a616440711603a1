"""Labelled images in class folders, FOLDER/CLASS/*.jpg, read in chunks: test sets that need not fit
into memory.
"""

import concurrent.futures
from collections.abc import Iterator, Mapping

import numpy as np

from apr_jax.data.array_data import ArrayData
from apr_jax.data.folder import class_names, image_files, read_image
from apr_jax.data.resizing import resize_crop
from apr_jax.errors import UserError

_CHUNK = 500  # images decoded at a time; bounds the memory
_THREADS = 8  # Pillow decodes outside Python's lock


class ImageTree:
  """A folder of class folders.

  Args:
    folder: holds them.
    labels: {class folder: label}; these folders must be there, and no others.
    num_classes: of the network, above all labels.
    image_size: side of the images in pixels.
    resize: short side before the central square is cut out; 0 = the same as `image_size`.
    cropped: side of images that are cropped already: those are not resized again, and a smaller
      network gets their central square. 0: all are resized.

  Raises:
    UserError: the folder has other class folders; the message names one.
  """

  def __init__(
    self,
    folder: str,
    labels: Mapping[str, int],
    num_classes: int,
    image_size: int,
    resize: int = 0,
    cropped: int = 0,
  ):
    found = set(class_names(folder))
    if found != labels.keys():
      name = min(found ^ labels.keys())
      raise UserError(
        f"{folder}: its {len(found)} class folders are not the {len(labels)} of the published set: "
        f"{name!r} is {'not one of these' if name in found else 'missing'}; unpack it again"
      )
    self._folder = folder
    self._labels = dict(sorted(labels.items(), key=lambda item: item[1]))
    self._num_classes = num_classes
    self._image_size, self._resize, self._cropped = image_size, resize, cropped

  def load(self) -> Iterator[ArrayData]:
    """All images, class by class in the order of the labels."""
    labelled = [
      (path, label)
      for name, label in self._labels.items()
      for path in image_files(f"{self._folder}/{name}")
    ]
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
      for start in range(0, len(labelled), _CHUNK):
        paths, labels = zip(*labelled[start : start + _CHUNK])
        images = np.stack(list(pool.map(self._read, paths)))
        yield ArrayData(images, np.array(labels, np.int32), self._num_classes, self._folder)

  def _read(self, path: str) -> np.ndarray:
    image, size = read_image(path), self._image_size
    if image.shape[:2] == (self._cropped, self._cropped) and size <= self._cropped:
      return resize_crop(image, size, self._cropped)
    return resize_crop(image, size, self._resize)


def alphabetical(folder: str, num_classes: int) -> dict[str, int]:
  """{class folder: its place in alphabetical order}.

  Raises:
    UserError: there are not `num_classes` of them.
  """
  names = class_names(folder)
  if len(names) != num_classes:
    raise UserError(
      f"{folder} has {len(names)} class folders, the network {num_classes} classes; unpack the "
      f"whole archive"
    )
  return {name: label for label, name in enumerate(names)}


def numbered(num_classes: int) -> dict[str, int]:
  """{"0": 0, "1": 1, ...}: class folders that are called by their labels."""
  return {str(label): label for label in range(num_classes)}
