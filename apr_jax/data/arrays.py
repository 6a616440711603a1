"""Data sets saved as NumPy arrays: one .npz file, or a folder of .npy files.

Either holds train_images, train_labels, test_images and test_labels, or the Keras names x_train,
y_train, x_test and y_test. Only the split that is asked for has to be there. Images are uint8
`[N, H, W, 3]`, or grey as `[N, H, W, 1]` or `[N, H, W]`; labels are integers `[N]` or `[N, 1]`.
Pickled objects are never loaded.
"""

import contextlib
import io
import os
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from apr_jax import files
from apr_jax.data.array_data import ArrayData, check_labels, check_lengths, check_uint8
from apr_jax.data.resizing import rgb
from apr_jax.errors import UserError, one_line

_CORRUPT = (
  OSError,
  ValueError,
  EOFError,
  KeyError,
  NotImplementedError,
  MemoryError,  # of a header that promises too much
  SyntaxError,  # of a header that is no Python, as the two below
  tokenize.TokenError,
  RecursionError,
  zipfile.BadZipFile,
  zlib.error,
)


def load_npz(path: str, split: str) -> ArrayData:
  """One split of an .npz file.

  The number of classes is the largest training label + 1 (test labels count only where there are no
  training labels), so that both splits agree on it.

  Args:
    path: the file.
    split: "train" or "test".

  Raises:
    UserError: the file is missing or corrupt, lacks the arrays of the split, or holds unusable
      ones.
  """
  if not files.is_file(path):
    raise UserError(
      f"{path}: no such file; give the .npz file as data.name=npz:PATH or in data.data_dir"
    )
  with _open_npz(path) as archive:

    def read(key: str) -> np.ndarray:
      return _member(archive, key, f"{path}: {key}")

    return _assemble(archive.files, read, split, path, f"npz:{path}")


def load_npy(folder: str, split: str) -> ArrayData:
  """One split of a folder of .npy files; as `load_npz`, with KEY.npy in place of the key.

  Raises:
    UserError: as `load_npz`.
  """
  if not files.is_dir(folder):
    raise UserError(
      f"{folder}: no such folder; give the .npy folder as data.name=npy:DIR or in data.data_dir"
    )

  def read(key: str) -> np.ndarray:
    return np.asarray(read_npy(os.path.join(folder, f"{key}.npy")))

  keys = [name.removesuffix(".npy") for name, _ in files.entries(folder) if name.endswith(".npy")]
  return _assemble(keys, read, split, folder, f"npy:{folder}")


def read_images(path: str) -> np.ndarray:
  """The images of an .npy file, or of an .npz file: its test_images, x_test or images, or its only
  array.

  Returns:
    uint8 `[N, H, W, 3]`.

  Raises:
    UserError: the file is missing or damaged, or holds no images or unusable ones.
  """
  if path.endswith(".npy"):
    return _rgb_copy(_with_channels(np.asarray(read_npy(path)), path), path)
  with _open_npz(path) as archive:
    named = [
      key for key in ("test_images", "x_test", "images") if key in archive.files
    ] or archive.files
    if not named or (len(archive.files) > 1 and named is archive.files):
      raise UserError(
        f"{path}: has no array test_images, x_test or images, only "
        f"{', '.join(archive.files) or 'none at all'}; rename the one with the images"
      )
    where = f"{path}: {named[0]}"
    images = _member(archive, named[0], where)
  return _rgb_copy(_with_channels(images, where), where)


def read_labelled(path: str, images: str, labels: str) -> tuple[np.ndarray, np.ndarray]:
  """Two arrays of an .npz file, by their keys; its others are not read.

  Raises:
    UserError: the file is damaged, or lacks one of them.
  """
  with _open_npz(path) as archive:
    if missing := {images, labels} - set(archive.files):
      raise UserError(
        f"{path}: has no {' and no '.join(sorted(missing))}, only "
        f"{', '.join(archive.files) or 'nothing at all'}; download it again"
      )
    with _reading(path):
      return archive[images], archive[labels]


class ArrayInStore:
  """A .npy file of an object store: its header is read at once, its rows when they are asked for.

  Attributes:
    shape, dtype: of the array.

  Raises:
    ValueError, OSError: the file cannot be read, or holds Python objects.
  """

  def __init__(self, path: str):
    self._path = path
    with files.open_binary(path) as file:
      version = np.lib.format.read_magic(file)
      read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
        version, np.lib.format.read_array_header_2_0
      )
      shape, by_columns, dtype = read(file)
      self._start = file.tell()
      size = file.seek(0, os.SEEK_END) - self._start
    if by_columns or dtype.hasobject or size < dtype.itemsize * int(np.prod(shape)):
      raise ValueError("it is cut off, in Fortran's order, or holds Python objects")
    self.shape: tuple[int, ...] = shape
    self.dtype: np.dtype = dtype

  @property
  def ndim(self) -> int:
    """Number of axes."""
    return len(self.shape)

  def __len__(self) -> int:
    return self.shape[0]

  def __getitem__(self, rows: slice) -> np.ndarray:
    """Rows [i, j) of the first axis."""
    first, last, _ = rows.indices(len(self))
    row = self.dtype.itemsize * int(np.prod(self.shape[1:]))
    with _reading(self._path):
      content = files.read_range(self._path, self._start + first * row, self._start + last * row)
      return np.frombuffer(content, self.dtype).reshape(last - first, *self.shape[1:])

  def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    return np.array(self[:], dtype)


Stored = np.ndarray | ArrayInStore
"""An array of which only what is asked for is read."""


def read_npy(path: str | os.PathLike) -> Stored:
  """Maps a .npy file into memory, so that an array of the wrong kind can be refused before its
  bytes are read; of a store it reads the header.

  Raises:
    UserError: the file is damaged, or holds Python objects.
  """
  with _reading(str(path)):
    if files.is_address(path):
      return ArrayInStore(os.fspath(path))
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _open_npz(path: str) -> np.lib.npyio.NpzFile:
  with _reading(path):
    where = io.BytesIO(files.path(path).read_bytes()) if files.is_address(path) else path
    archive = np.load(where, allow_pickle=False)
  if not isinstance(archive, np.lib.npyio.NpzFile):
    raise UserError(f"{path}: holds a single array, not an .npz archive; save it with numpy.savez")
  return archive


def _member(archive: np.lib.npyio.NpzFile, key: str, where: str) -> np.ndarray:
  """An array of an archive, whose members may be anything else."""
  with _reading(where):
    found = archive[key]
    if not isinstance(found, np.ndarray):
      raise ValueError("it is no array")
  return found


def _assemble(
  found: list[str], read: Callable[[str], np.ndarray], split: str, where: str, name: str
) -> ArrayData:
  images_key, labels_key = _keys(found, split, where)
  images = _with_channels(read(images_key), f"{where}: {images_key}")
  labels = _labels(read(labels_key), f"{where}: {labels_key}")
  check_lengths(images, labels, f"{where}: {images_key}, {labels_key}")
  train_key = labels_key.replace("test", "train")
  train_labels = _labels(read(train_key), f"{where}: {train_key}") if train_key in found else labels
  if not len(labels) or not len(train_labels):
    raise UserError(
      f"{where}: {labels_key if not len(labels) else train_key} is empty; save arrays with examples"
    )
  num_classes = int(train_labels.max()) + 1
  check_labels(labels, num_classes, f"{where}: {labels_key}")
  return ArrayData(
    _rgb_copy(images, f"{where}: {images_key}"), labels.astype(np.int32), num_classes, name
  )


def _with_channels(images: np.ndarray, where: str) -> np.ndarray:
  """uint8 images `[N, H, W, C]`; grey ones may come as `[N, H, W]`."""
  check_uint8(images, where)
  if images.ndim == 3:
    images = images[..., None]
  if images.ndim != 4:
    raise UserError(
      f"{where} must have shape [N, H, W, 3] or [N, H, W], got {list(images.shape)}; reshape it"
    )
  return images


def _rgb_copy(images: np.ndarray, where: str) -> np.ndarray:
  """uint8 `[N, H, W, 3]` in memory, no longer mapped from a file."""
  return np.array(rgb(images, where), order="C")


def _keys(found: list[str], split: str, where: str) -> tuple[str, str]:
  """The names of the images and the labels of `split` among those found."""
  spellings = ((f"{split}_images", f"{split}_labels"), (f"x_{split}", f"y_{split}"))
  for keys in spellings:
    if all(key in found for key in keys):
      return keys
  partly = [keys for keys in spellings if any(key in found for key in keys)] or spellings
  missing = " or ".join(", ".join(key for key in keys if key not in found) for keys in partly)
  raise UserError(
    f"{where}: the {split} split needs {missing}; found {', '.join(sorted(found)) or 'no arrays'}; "
    "add or rename the arrays"
  )


def _labels(labels: np.ndarray, where: str) -> np.ndarray:
  """Integer labels as int64 `[N]`."""
  if labels.ndim == 2 and labels.shape[1] == 1:
    labels = labels[:, 0]
  if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
    raise UserError(
      f"{where}: labels must be integers of shape [N] or [N, 1], "
      f"got {labels.dtype} {list(labels.shape)}; convert them to class numbers"
    )
  if labels.size and int(labels.max()) > np.iinfo(np.int32).max:
    raise UserError(
      f"{where}: label {labels.max()} does not fit 32 bits; number the classes from 0"
    )
  return labels.astype(np.int64)


@contextlib.contextmanager
def _reading(where: str) -> Iterator[None]:
  """Turns what NumPy and zipfile raise on damaged files, and on pickled objects, into one line."""
  try:
    yield
  except _CORRUPT as error:
    raise UserError(
      f"{where}: cannot be read as a NumPy array file ({one_line(error)}); save it again"
    ) from error
