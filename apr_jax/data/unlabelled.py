"""Images without labels, which is all that an out-of-distribution set needs.

Every label is 0 and num_classes is 1. There is a "test" split only.
"""

import os
from collections.abc import Iterator

import numpy as np

from apr_jax import files
from apr_jax.data.array_data import ArrayData, spread
from apr_jax.data.arrays import read_images
from apr_jax.data.folder import EXTENSIONS, read_image
from apr_jax.data.resizing import resize_all, stack_images
from apr_jax.errors import UserError

ARRAY_FILES = (".npz", ".npy")


def load_images(
  path: str, split: str, image_size: int, resize: int = 0, sample: int = 0
) -> ArrayData:
  """All images of a folder, whatever its folders inside are called, or of an .npz or .npy file.

  A folder that has a folder "test" or, failing that, "val" means the images in there. The images
  are taken in alphabetical order of their paths; labels, where there are any, are not read.

  Args:
    path: the folder or file.
    split: "test".
    image_size: side to resize and crop to in pixels; 0 keeps the stored size.
    resize: short side before the crop, as of `resizing.resize_crop`.
    sample: as of `sources.load`.

  Returns:
    images uint8 `[N, H, W, 3]`; labels all 0.

  Raises:
    UserError: `split` is not "test", there are no images, or one cannot be used.
  """
  name = f"images:{path}"
  test_only(split, name)
  if files.is_file(path):
    if not path.endswith(ARRAY_FILES):
      raise UserError(
        f"{path}: is neither a folder of images nor an {' or '.join(ARRAY_FILES)} file; give one"
      )
    images = read_images(path)
    images = images[spread(len(images), sample)]
    return unlabelled(resize_all(images, image_size, name, resize), name)
  paths = sorted(_image_files(path))
  paths = [paths[i] for i in spread(len(paths), sample)]
  if not paths:
    raise UserError(
      f"{path}: has no images ({', '.join(EXTENSIONS)}) at any depth; give a folder that has"
    )
  named = ((file, read_image(file)) for file in paths)
  return unlabelled(stack_images(named, len(paths), image_size, path, resize), name)


def holds_images(path: str) -> bool:
  """Whether `load_images` finds anything at the path; no image is opened."""
  if files.is_file(path):
    return path.endswith(ARRAY_FILES)
  return next(_image_files(path), None) is not None


def unlabelled(images: np.ndarray, name: str) -> ArrayData:
  """The images as a data set of one class."""
  return ArrayData(images, np.zeros(len(images), np.int32), num_classes=1, name=name)


def test_only(split: str, name: str) -> None:
  """Refuses another split than "test"."""
  if split != "test":
    raise UserError(
      f"data set {name!r} has no {split!r} split, only 'test'; train on a data set with classes"
    )


def _image_files(folder: str) -> Iterator[str]:
  """The paths of the images at any depth; hidden files and folders are skipped."""
  inside = next((name for name in ("test", "val") if files.is_dir(os.path.join(folder, name))), "")
  for path in files.files_below(os.path.join(folder, inside)):
    name = os.path.basename(path)
    if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
      yield path
