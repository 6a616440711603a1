"""Image data sets by name, in memory or as streams.

    from apr_jax import data
    train = data.load("cifar10", "train", data_dir="~/tensorflow_datasets")
    train.images    # uint8 `[50000, 32, 32, 3]`
    train.labels    # int32 `[50000]`

`load` names the sources; `resident` holds the batching of a data set that lives on the device,
`stream` that of one that is read from disk as it is needed. Importing this package imports neither
TensorFlow nor scikit-learn.
"""

import dataclasses
import os
from collections.abc import Sequence

from apr_jax.data import arrays, digits, folder, photos, stack, tfds_reader, unlabelled
from apr_jax.data.spec import SPLITS, ArrayData
from apr_jax.data.stream import ImageStream
from apr_jax.data.stream_sources import FileSource, RecordSource
from apr_jax.errors import UserError, unknown

__all__ = ["SOURCES", "ArrayData", "ImageStream", "load", "open_stream", "source_of"]

_EMBEDDED = {
  "digits": digits.load_digits,
  "photo_patches": photos.load_photo_patches,
  "uniform_noise": photos.load_uniform_noise,
}
_ARRAYS = {
  "npz": arrays.load_npz,
  "npy": arrays.load_npy,
}
_FILES = {
  "folder": folder.load_folder,
  "images": unlabelled.load_images,
}
SOURCES = {**_EMBEDDED, **_ARRAYS, **_FILES}
WITH_PATH = (*_ARRAYS, *_FILES)
"""The sources that are a path, given behind a colon or as the data folder."""


def load(
  name: str,
  split: str,
  *,
  data_dir: str = "",
  image_size: int = 0,
  resize: int = 0,
  download: bool = False,
) -> ArrayData:
  """Reads one split of a data set into memory.

  Args:
    name: "digits", "photo_patches" or "uniform_noise", which need no files; "npz:FILE", "npy:DIR",
      "folder:DIR" or
      "images:PATH", or the bare kind with the path in `data_dir`; anything else is a TFDS name such
      as "cifar10", which needs no TFDS if `source_of` finds it without, or
      "cifar10_corrupted/gaussian_noise_3".
    split: "train" or "test".
    data_dir: the TFDS folder ("" is TFDS' default), or the path for a bare "npz", "npy", "folder"
      or "images".
    image_size: 0 keeps the stored size; otherwise the short side is resized to this many pixels
      (bilinear, antialiased) and the central square is cut out.
    resize: pixels of the short side before that cut, at least `image_size`; 0 is the same as
      `image_size`.
    download: whether a TFDS data set that is not prepared is downloaded; the other sources never
      download.

  Returns:
    images uint8 `[N, H, W, 3]` and int32 labels `[N]`, grey images repeated to three channels.

  Raises:
    UserError: the name or the split is unknown, or the data is missing or unusable.
  """
  if split not in SPLITS:
    raise UserError(unknown(split, "split", SPLITS))
  if image_size < 0:
    raise UserError(
      f"data.image_size must be 0 (as stored) or a positive number of pixels, got {image_size}"
    )
  if resize and not 0 < image_size <= resize:
    raise UserError(
      f"data.resize must be 0 (as data.image_size) or at least data.image_size, which must be set; "
      f"got resize {resize} and image_size {image_size}"
    )
  name = source_of(name, data_dir)
  kind, _, path = name.partition(":")
  if kind not in SOURCES:
    return tfds_reader.load_tfds(
      name,
      split,
      data_dir=data_dir,
      image_size=image_size,
      resize=resize,
      download=download,
      sources=SOURCES,
    )
  if kind in _EMBEDDED:
    if path:
      raise UserError(
        f"data.name={name}: {kind!r} is built in and takes no path; use data.name={kind}"
      )
    return _resized(_EMBEDDED[kind](split), image_size, resize)
  path = _path(name, data_dir)
  if kind in _ARRAYS:
    return _resized(_ARRAYS[kind](path, split), image_size, resize)
  return _FILES[kind](path, split, image_size, resize)


def open_stream(
  name: str,
  *,
  data_dir: str = "",
  image_size: int,
  shuffle_buffer: int,
  min_crop_area: float,
  limit: int = 0,
  extra_folders: Sequence[str] = (),
  download: bool = False,
  process: int = 0,
  processes: int = 1,
) -> ImageStream:
  """Opens the training split of a data set to be read from disk as it is needed.

  Args:
    name: "folder:DIR", "folder" with DIR in `data_dir`, or a TFDS name; of one that `source_of`
      finds without
      TFDS, what it finds.
    data_dir, download: as of `load`.
    image_size: side of the random crops in pixels.
    shuffle_buffer: encoded images held to shuffle those of TFDS.
    min_crop_area: smallest share of an image that a crop may have, in (0, 1].
    limit: use the first so many images of the data set, before `extra_folders`; 0 = all.
    extra_folders: more training images; see `folder.find_extra`. Relative paths lie in `data_dir`.
    process, processes: this process and their number; each reads its own share.

  Raises:
    UserError: the data set is none that can be streamed, or it, or an extra folder, is missing or
      unusable.
  """
  if image_size < 1:
    raise UserError(
      f"data.stream needs the size of the crops: set data.image_size to pixels, got {image_size}"
    )
  name = source_of(name, data_dir)
  kind = name.partition(":")[0]
  if kind == "folder":
    files = folder.find_split(_path(name, data_dir), "train")
    sources, classes = [FileSource(files, limit)], files.classes
  elif kind in SOURCES:
    raise UserError(
      f"data.stream reads folder:DIR and TFDS names; {name!r} is held in memory: set data.stream=False"
    )
  else:
    found = tfds_reader.open_split(
      name, "train", data_dir=data_dir, download=download, sources=SOURCES
    )
    sources, classes = [RecordSource(found, limit, shuffle_buffer)], found.classes
  inside = os.path.expanduser(data_dir)
  sources += [
    FileSource(folder.find_extra(os.path.join(inside, os.path.expanduser(root)), classes))
    for root in extra_folders
  ]
  return ImageStream(name, sources, len(classes), image_size, min_crop_area, process, processes)


def source_of(name: str, data_dir: str) -> str:
  """The name under which a data set is loaded: of one that lies in the data folder under its TFDS
  name, its path.

  That is "npz:DATA_DIR/NAME.npz", or "folder:DATA_DIR/NAME" where there are class folders in
  DATA_DIR/NAME/train. So a run without TensorFlow has the same name, and with it the same corrupted
  sets and published numbers beside it. The class folders must sort as the labels of TFDS count, as
  they do if they are called as the classes are.
  """
  if not data_dir or not name or "/" in name or name.partition(":")[0] in SOURCES:
    return name
  path = os.path.join(os.path.expanduser(data_dir), name)
  if os.path.isfile(f"{path}.npz"):
    return f"npz:{path}.npz"
  train = os.path.join(path, "train")
  if not os.path.isdir(train):
    return name
  numbers = [entry for entry in os.listdir(train) if entry.isdigit()]
  if sorted(numbers) != sorted(numbers, key=int):
    raise UserError(
      f"{train}: its class folders are numbers that sort as text into another "
      f"order than that of {name}'s labels; fill them up with zeros, 00, 01, ..."
    )
  return f"folder:{path}"


def _path(name: str, data_dir: str) -> str:
  """The path of a source of WITH_PATH."""
  kind, _, path = name.partition(":")
  path = os.path.expanduser(path or data_dir)
  if not path:
    raise UserError(
      f"data.name={name}: where is it? Use data.name={kind}:PATH or set data.data_dir"
    )
  return path


def _resized(data: ArrayData, image_size: int, resize: int) -> ArrayData:
  return dataclasses.replace(
    data, images=stack.resize_all(data.images, image_size, data.name, resize)
  )
