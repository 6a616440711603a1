"""In-memory image data sets by name.

    from apr_jax import data
    train = data.load("cifar10", "train", data_dir="~/tensorflow_datasets")
    train.images    # uint8 [50000, 32, 32, 3]
    train.labels    # int32 [50000]

`load` names the sources; `resident` holds the batching of a data set that lives on the device. Importing this
package imports neither TensorFlow nor scikit-learn.
"""

import dataclasses
import os

from apr_jax.data import arrays, digits, folder, photos, stack, tfds_reader, unlabelled
from apr_jax.data.spec import SPLITS, ArrayData
from apr_jax.errors import UserError, unknown

__all__ = ["ArrayData", "SOURCES", "load"]

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
    name: str, split: str, *, data_dir: str = "", image_size: int = 0, download: bool = False) -> ArrayData:
  """Reads one split of a data set into memory.

  Args:
    name: "digits", "photo_patches" or "uniform_noise", which need no files; "npz:FILE", "npy:DIR", "folder:DIR" or
      "images:PATH", or the bare kind with the path in `data_dir`; anything else is a TFDS name such as "cifar10" or
      "cifar10_corrupted/gaussian_noise_3".
    split: "train" or "test".
    data_dir: the TFDS folder ("" is TFDS' default), or the path for a bare "npz", "npy", "folder" or "images".
    image_size: 0 keeps the stored size; otherwise the short side is resized to this many pixels (bilinear,
      antialiased) and the central square is cut out.
    download: whether a TFDS data set that is not prepared is downloaded; the other sources never download.

  Returns:
    images uint8 [N, H, W, 3] and int32 labels [N], grey images repeated to three channels.

  Raises:
    UserError: the name or the split is unknown, or the data is missing or unusable.
  """
  if split not in SPLITS:
    raise UserError(unknown(split, "split", SPLITS))
  if image_size < 0:
    raise UserError(f"data.image_size must be 0 (as stored) or a positive number of pixels, got {image_size}")
  kind, _, path = name.partition(":")
  if kind not in SOURCES:
    return tfds_reader.load_tfds(
        name, split, data_dir=data_dir, image_size=image_size, download=download, sources=SOURCES)
  if kind in _EMBEDDED:
    if path:
      raise UserError(f"data.name={name}: {kind!r} is built in and takes no path; use data.name={kind}")
    return _resized(_EMBEDDED[kind](split), image_size)
  path = os.path.expanduser(path or data_dir)
  if not path:
    raise UserError(f"data.name={name}: where is it? Use data.name={kind}:PATH or set data.data_dir")
  if kind in _ARRAYS:
    return _resized(_ARRAYS[kind](path, split), image_size)
  return _FILES[kind](path, split, image_size)


def _resized(data: ArrayData, image_size: int) -> ArrayData:
  return dataclasses.replace(data, images=stack.resize_all(data.images, image_size, data.name))
