"""The published ImageNet-C: a tree of JPEG files, NAME/SEVERITY/WNID/*.JPEG, or
GROUP/NAME/SEVERITY/WNID/*.JPEG.

Its images are 224×224 already and must not be resized again: resizing to 256 and cropping 224,
right for ImageNet itself, would score another set. A smaller network gets the central crop.
"""

import concurrent.futures
import pathlib
from collections.abc import Iterator

import numpy as np

from apr_jax import files
from apr_jax.data.array_data import ArrayData
from apr_jax.data.folder import class_names, image_files, read_image
from apr_jax.errors import UserError

IMAGE_SIZE = 224
_CHUNK = 500  # images decoded at a time; bounds the memory
_THREADS = 8  # Pillow decodes outside Python's lock


class ImageNetC:
  """A tree of corrupted images.

  Args:
    folder: holds the corruptions, or the groups (noise, blur, weather, digital) that hold them.
    num_classes: number of class folders of every set; their alphabetical order gives the labels.
    names: corruptions that must be there, at severities 1 to 5.
    image_size: (height, width) of the central crop in pixels, at most 224.

  Raises:
    UserError: a corruption or severity is missing; the message names its folder.
  """

  def __init__(
    self,
    folder: str | pathlib.Path,
    num_classes: int,
    names: tuple[str, ...],
    image_size: tuple[int, int],
  ):
    if max(image_size) > IMAGE_SIZE:
      raise UserError(
        f"ImageNet-C has images of {IMAGE_SIZE} pixels; a network of {image_size} pixels cannot be "
        f"scored on it without resizing"
      )
    self._num_classes = num_classes
    self._image_size = image_size
    self._folders = {name: _find(files.path(folder), name) for name in names}
    self._counts: dict[str, int] | None = None

  def load(self, name: str, severity: int) -> Iterator[ArrayData]:
    """The images of one corruption at one severity, in chunks; each set must have the same number
    per class.
    """
    folder = self._folders[name] / str(severity)
    by_class = {wnid: image_files(str(folder / wnid)) for wnid in class_names(str(folder))}
    if len(by_class) != self._num_classes:
      raise UserError(
        f"{folder} has {len(by_class)} class folders, the network {self._num_classes} classes; "
        f"unpack the whole archive"
      )
    counts = {wnid: len(paths) for wnid, paths in by_class.items()}
    self._counts = self._counts or counts
    if counts != self._counts:
      classes = sorted(counts.keys() | self._counts.keys())
      wnid = next(each for each in classes if counts.get(each) != self._counts.get(each))
      raise UserError(
        f"{folder / wnid} has {counts.get(wnid, 0)} images, the same class of the first set "
        f"{self._counts.get(wnid, 0)}; unpack the archive again"
      )
    labelled = [(path, label) for label, paths in enumerate(by_class.values()) for path in paths]
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
      for start in range(0, len(labelled), _CHUNK):
        paths, labels = zip(*labelled[start : start + _CHUNK])
        images = np.stack(list(pool.map(self._read, paths)))
        yield ArrayData(images, np.array(labels, np.int32), self._num_classes, f"{folder}")

  def _read(self, path: str) -> np.ndarray:
    image = read_image(path)
    if image.shape[:2] != (IMAGE_SIZE, IMAGE_SIZE):
      raise UserError(
        f"{path}: is {image.shape[0]}×{image.shape[1]} pixels; the images of ImageNet-C are "
        f"{IMAGE_SIZE}×{IMAGE_SIZE}; unpack the archive again"
      )
    height, width = self._image_size
    top, left = (IMAGE_SIZE - height) // 2, (IMAGE_SIZE - width) // 2
    return image[top : top + height, left : left + width]


def _find(folder: pathlib.Path, name: str) -> pathlib.Path:
  """The folder of a corruption, directly below `folder` or in a group's folder."""
  for candidate in (folder / name, *sorted(folder.glob(f"*/{name}"))):
    missing = [severity for severity in range(1, 6) if not (candidate / str(severity)).is_dir()]
    if candidate.is_dir() and missing:
      raise UserError(
        f"{candidate} lacks severity {missing[0]}: there is no folder "
        f"{candidate / str(missing[0])}; unpack the whole archive"
      )
    if not missing:
      return candidate
  raise UserError(
    f"{folder} lacks the corruption {name}: there is no folder {folder / name} or "
    f"{folder / '*' / name}; unpack the whole archive there"
  )
