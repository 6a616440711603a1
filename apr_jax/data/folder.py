"""Data sets saved as image files in class folders: DIR/train/CLASS/*.png and DIR/test/CLASS/*.png (or DIR/val)."""

import os
import struct

import numpy as np
from PIL import Image

from apr_jax.data.spec import ArrayData
from apr_jax.data.stack import stack_images
from apr_jax.errors import UserError, one_line

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def load_folder(folder: str, split: str, image_size: int) -> ArrayData:
  """One split of an image folder.

  Classes are the sub-folders of DIR/train in alphabetical order, for both splits; files are taken in alphabetical
  order within a class. Hidden folders and files with other extensions are skipped. An alpha channel is dropped.

  Args:
    folder: DIR.
    split: "train" or "test"; "test" reads DIR/test, or DIR/val where there is no DIR/test.
    image_size: side to resize and crop to in pixels; 0 keeps the stored size.

  Returns:
    images uint8 [N, H, W, 3]; labels are positions in the list of classes.

  Raises:
    UserError: a folder or its images are missing, a test class is not a training class, an image cannot be read
      or has more than 8 bits per channel, or images differ in size while `image_size` is 0.
  """
  if not os.path.isdir(folder):
    raise UserError(f"{folder}: no such folder; give the image folder as data.name=folder:DIR or in data.data_dir")
  train = _split_folder(folder, "train")
  classes = class_names(train)
  chosen = train if split == "train" else _split_folder(folder, "test", "val")
  present = class_names(chosen)
  for name in present:
    if name not in classes:
      raise UserError(
          f"{os.path.join(chosen, name)}: class {name!r} is not in {train}; add it there or remove it here")
  files, labels = [], []
  for name in present:
    in_class = image_files(os.path.join(chosen, name))
    files += in_class
    labels += [classes.index(name)] * len(in_class)
  images = stack_images(((path, read_image(path)) for path in files), len(files), image_size, chosen)
  return ArrayData(images, np.array(labels, np.int32), len(classes), name=f"folder:{folder}")


def _split_folder(folder: str, *names: str) -> str:
  for name in names:
    path = os.path.join(folder, name)
    if os.path.isdir(path):
      return path
  raise UserError(f"{folder}: has no folder {' or '.join(map(repr, names))}; put one folder per class in it")


def class_names(folder: str) -> list[str]:
  """The names of the class folders, in alphabetical order.

  Raises:
    UserError: there are none.
  """
  names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
  if not names:
    raise UserError(f"{folder}: has no class folders; put the images of each class in a folder of its own")
  return names


def image_files(folder: str) -> list[str]:
  """The paths of a folder's images, in alphabetical order.

  Raises:
    UserError: there are none.
  """
  names = sorted(name for name in os.listdir(folder) if name.lower().endswith(EXTENSIONS) and name[0] != ".")
  if not names:
    raise UserError(f"{folder}: has no images ({', '.join(EXTENSIONS)}); add some or remove the folder")
  return [os.path.join(folder, name) for name in names]


def read_image(path: str) -> np.ndarray:
  """An image file as uint8 [H, W, 3].

  Raises:
    UserError: it cannot be read, or has more than 8 bits per channel.
  """
  try:
    with Image.open(path) as image:
      mode = image.mode
      pixels = np.asarray(image.convert("RGB"))
  except _UNREADABLE as error:
    raise UserError(f"{path}: cannot be read as an image ({one_line(error)}); repair or remove it") from error
  # Pillow clips 16-bit and float images at 255 instead of scaling them: nearly white, without a warning.
  if mode[0] in "IF":
    raise UserError(f"{path}: has more than 8 bits per channel (Pillow mode {mode}); convert it to 8 bits")
  return pixels
