"""Data sets saved as image files in class folders: DIR/train/CLASS/*.png and DIR/test/CLASS/*.png
(or DIR/val).
"""

import dataclasses
import io
import os
import struct

import numpy as np
from PIL import Image

from apr_jax.data.array_data import ArrayData, spread
from apr_jax.data.resizing import stack_images
from apr_jax.errors import UserError, one_line
from apr_jax.files import entries, is_address, is_dir, is_file, open_binary

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
# Whatever a file is called, Pillow is to open no others: for some it starts a program, as
# Ghostscript for EPS.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
_UNREADABLE = (
  OSError,
  SyntaxError,
  ValueError,
  EOFError,
  struct.error,
  Image.DecompressionBombError,
)


@dataclasses.dataclass(frozen=True)
class ImageFiles:
  """Labelled image files.

  Attributes:
    paths: the files, by class and then by name.
    labels: int32 `[N]`, positions in `classes`.
    classes: names of the classes.
    where: their folder, for messages.
  """

  paths: list[str]
  labels: np.ndarray
  classes: tuple[str, ...]
  where: str


def find_split(folder: str, split: str) -> ImageFiles:
  """The files of one split of an image folder.

  Classes are the sub-folders of DIR/train in alphabetical order, for both splits; files are taken
  in alphabetical order within a class. Hidden folders and files with other extensions are skipped.

  Args:
    folder: DIR.
    split: "train" or "test"; "test" reads DIR/test, or DIR/val where there is no DIR/test.

  Raises:
    UserError: a folder or its images are missing, or a test class is not a training class.
  """
  if not is_dir(folder):
    raise UserError(
      f"{folder}: no such folder; give the image folder as data.name=folder:DIR or in data.data_dir"
    )
  train = _split_folder(folder, "train")
  classes = class_names(train)
  chosen = train if split == "train" else _split_folder(folder, "test", "val")
  for name in class_names(chosen):
    if name not in classes:
      raise UserError(
        f"{os.path.join(chosen, name)}: class {name!r} is not in {train}; "
        f"add it there or remove it here"
      )
  return _labelled(chosen, tuple(classes))


def find_extra(root: str, classes: tuple[str, ...]) -> ImageFiles:
  """More training images of the same classes: ROOT/train/CLASS/*, or ROOT/CLASS/* where there is no
  ROOT/train.

  Args:
    root: ROOT.
    classes: names of the classes of the data set, in the order of its labels.

  Raises:
    UserError: a folder or its images are missing, or the class folders are not those of the data
      set.
  """
  if not is_dir(root):
    raise UserError(
      f"{root}: no such folder; data.extra_folders names folders with one folder per class, which "
      f"lie in data.data_dir unless the whole path is given"
    )
  folder = os.path.join(root, "train") if is_dir(os.path.join(root, "train")) else root
  present, wanted = set(class_names(folder)), set(classes)
  if present != wanted:
    name = min(present ^ wanted)
    raise UserError(
      f"{folder}: its {len(present)} class folders are not the {len(wanted)} classes of the data "
      f"set: {name!r} is {'not one of these' if name in present else 'missing'}; "
      f"name the folders alike"
    )
  return _labelled(folder, classes)


def load_folder(
  folder: str, split: str, image_size: int, resize: int = 0, sample: int = 0
) -> ArrayData:
  """One split of an image folder, in memory. An alpha channel is dropped.

  Args:
    folder, split: as of `find_split`.
    image_size, resize: as of `resizing.stack_images`.
    sample: as of `sources.load`.

  Returns:
    images uint8 `[N, H, W, 3]`; labels are positions in the list of classes.

  Raises:
    UserError: as `find_split`; an image cannot be read or has more than 8 bits per channel, or
      images differ in size while `image_size` is 0.
  """
  files = find_split(folder, split)
  chosen = spread(len(files.paths), sample)
  named = ((files.paths[i], read_image(files.paths[i])) for i in chosen)
  images = stack_images(named, len(chosen), image_size, files.where, resize)
  return ArrayData(images, files.labels[chosen], len(files.classes), name=f"folder:{folder}")


def _labelled(folder: str, classes: tuple[str, ...]) -> ImageFiles:
  paths, labels = [], []
  for name in class_names(folder):
    in_class = image_files(os.path.join(folder, name))
    paths += in_class
    labels += [classes.index(name)] * len(in_class)
  return ImageFiles(paths, np.array(labels, np.int32), classes, folder)


def _split_folder(folder: str, *names: str) -> str:
  for name in names:
    path = os.path.join(folder, name)
    if is_dir(path):
      return path
  raise UserError(
    f"{folder}: has no folder {' or '.join(map(repr, names))}; put one folder per class in it"
  )


def class_names(folder: str) -> list[str]:
  """The names of the class folders, in alphabetical order.

  Raises:
    UserError: there are none.
  """
  names = [
    entry.name for entry in entries(folder) if entry.is_dir and not entry.name.startswith(".")
  ]
  if not names:
    raise UserError(
      f"{folder}: has no class folders; put the images of each class in a folder of its own"
    )
  return names


def image_files(folder: str) -> list[str]:
  """The paths of a folder's images, in alphabetical order.

  Raises:
    UserError: there are none.
  """
  names = [
    name for name, _ in entries(folder) if name.lower().endswith(EXTENSIONS) and name[0] != "."
  ]
  if not names:
    raise UserError(
      f"{folder}: has no images ({', '.join(EXTENSIONS)}); add some or remove the folder"
    )
  return [os.path.join(folder, name) for name in names]


def read_image(path: str) -> np.ndarray:
  """An image file as uint8 `[H, W, 3]`.

  Raises:
    UserError: it cannot be read, or has more than 8 bits per channel.
  """
  try:
    with _opened(path) as image:
      mode = image.mode
      pixels = np.asarray(image.convert("RGB"))
  except _UNREADABLE as error:
    raise UserError(
      f"{path}: cannot be read as an image ({one_line(error)}); repair or remove it"
    ) from error
  # Pillow clips 16-bit and float images at 255 instead of scaling them: nearly white, without a
  # warning.
  if mode[0] in "IF":
    raise UserError(
      f"{path}: has more than 8 bits per channel (Pillow mode {mode}); convert it to 8 bits"
    )
  return pixels


def _opened(path: str) -> Image.Image:
  if not is_address(path):
    if not is_file(path):  # a pipe or a device would be waited for
      raise OSError("it is no file, or a link to none")
    return Image.open(path, formats=_FORMATS)
  with open_binary(path) as file:
    return Image.open(io.BytesIO(file.read()), formats=_FORMATS)
