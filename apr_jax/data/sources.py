"""Data sets by name: what reads each kind into memory, and what can be read as a stream."""

import dataclasses
import os
from collections.abc import Callable, Sequence

from apr_jax import files
from apr_jax.data import arrays, digits, folder, photos, tfds_reader, unlabelled
from apr_jax.data.array_data import SPLITS, ArrayData
from apr_jax.data.names import DataName
from apr_jax.data.resizing import resize_all
from apr_jax.data.stream import ImageStream
from apr_jax.data.stream_sources import FileSource, RecordSource, Source
from apr_jax.errors import UserError, unknown

# By what they take beside the split: nothing, a path, or a path and the size of the images.
_EMBEDDED: dict[str, Callable[[str], ArrayData]] = {
  "digits": digits.load_digits,
  "photo_patches": photos.load_photo_patches,
  "uniform_noise": photos.load_uniform_noise,
}
_ARRAYS: dict[str, Callable[[str, str], ArrayData]] = {
  "npz": arrays.load_npz,
  "npy": arrays.load_npy,
}
_FILES: dict[str, Callable[[str, str, int, int, int], ArrayData]] = {
  "folder": folder.load_folder,
  "images": unlabelled.load_images,
}
SOURCES: dict[str, Callable[..., ArrayData]] = {**_EMBEDDED, **_ARRAYS, **_FILES}
"""{kind of `names.KINDS`: what reads it}."""


def load(
  name: str,
  split: str,
  *,
  data_dir: str = "",
  image_size: int = 0,
  resize: int = 0,
  download: bool = False,
  sample: int = 0,
) -> ArrayData:
  """Reads one split of a data set into memory.

  Args:
    name: "digits", "photo_patches" or "uniform_noise", which need no files; "npz:FILE", "npy:DIR",
      "folder:DIR" or "images:PATH", or the bare kind with the path in `data_dir`; anything else is
      a TFDS name such as "cifar10" or "cifar10_corrupted/gaussian_noise_3". It needs no TFDS if
      `source_of` finds it without.
    split: "train" or "test".
    data_dir: the TFDS folder ("" is TFDS' default), or the path for a bare "npz", "npy", "folder"
      or "images".
    image_size: 0 keeps the stored size; otherwise the short side is resized to this many pixels
      (bilinear, antialiased) and the central square is cut out.
    resize: pixels of the short side before that cut, at least `image_size`; 0 is the same as
      `image_size`.
    download: whether a TFDS data set that is not prepared is downloaded; the other sources never
      download.
    sample: read only so many images, spread evenly over the split; of TFDS, whose files are in a
      random order, the first ones. 0, or more than there are: all.

  Returns:
    images uint8 `[N, H, W, 3]` and int32 labels `[N]`, grey images repeated to three channels.

  Raises:
    UserError: the name or the split is unknown, or the data is missing or unusable.

  Examples:
    >>> digits = load("digits", "test")
    >>> digits.images.shape, digits.images.dtype.name, digits.num_classes
    ((360, 32, 32, 3), 'uint8', 10)
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
  found = DataName.parse(name).found_in(data_dir)
  if found.is_tfds:
    return tfds_reader.load_tfds(
      name,
      split,
      data_dir=data_dir,
      image_size=image_size,
      resize=resize,
      download=download,
      sample=sample,
    )
  if found.kind in _FILES:
    return _FILES[found.kind](found.located(data_dir), split, image_size, resize, sample)
  if found.kind in _ARRAYS:
    data = _ARRAYS[found.kind](found.located(data_dir), split)
  elif found.path:
    raise UserError(
      f"data.name={name}: {found.kind!r} is built in and takes no path; use data.name={found.kind}"
    )
  else:
    data = _EMBEDDED[found.kind](split)
  data = data.spread(sample)
  images = resize_all(data.images, image_size, data.name, resize)
  return dataclasses.replace(data, images=images)


def open_stream(
  name: str,
  *,
  data_dir: str = "",
  image_size: int,
  shuffle_buffer: int,
  min_crop_area: float,
  limit: int = 0,
  extra_folders: Sequence[str] = (),
  fast_crops: bool = False,
  download: bool = False,
  process: int = 0,
  processes: int = 1,
) -> ImageStream:
  """Opens the training split of a data set to be read from disk as it is needed.

  Args:
    name: "folder:DIR", "folder" with DIR in `data_dir`, or a TFDS name; of one that `source_of`
      finds without TFDS, what it finds.
    data_dir, download: as of `load`.
    image_size: side of the random crops in pixels.
    shuffle_buffer: encoded images held to shuffle those of TFDS.
    min_crop_area: smallest share of an image that a crop may have, in (0, 1].
    limit: use the first so many images of the data set, before `extra_folders`; 0 = all.
    extra_folders: more training images; see `folder.find_extra`. Relative paths lie in `data_dir`.
    fast_crops: other pixels for fewer CPU cycles; see `resized_crop`.
    process, processes: this process and their number; each reads its own share.

  Raises:
    UserError: the data set is none that can be streamed, or it, or an extra folder, is missing or
      unusable.
  """
  if image_size < 1:
    raise UserError(
      f"data.stream needs the size of the crops: set data.image_size to pixels, got {image_size}"
    )
  found = DataName.parse(name).found_in(data_dir)
  sources: list[Source]
  if found.kind == "folder":
    labelled = folder.find_split(found.located(data_dir), "train")
    classes = labelled.classes
    sources = [FileSource(labelled, limit)]
  elif found.is_tfds:
    prepared = tfds_reader.open_split(name, "train", data_dir=data_dir, download=download)
    classes = prepared.classes
    sources = [RecordSource(prepared, limit, shuffle_buffer)]
  else:
    raise UserError(
      f"data.stream reads folder:DIR and TFDS names; {str(found)!r} is held in memory: "
      f"set data.stream=False"
    )
  inside = os.path.expanduser(data_dir)
  for root in extra_folders:
    place = root if files.is_address(root) else os.path.join(inside, os.path.expanduser(root))
    extra = folder.find_extra(place, classes)
    sources.append(FileSource(extra))
  return ImageStream(
    str(found), sources, len(classes), image_size, min_crop_area, process, processes, fast_crops
  )


def source_of(name: str, data_dir: str) -> str:
  """The name under which a data set is loaded; see `names.DataName.found_in`.

  Raises:
    UserError: as there.

  Examples:
    >>> source_of("digits", "")
    'digits'
  """
  return str(DataName.parse(name).found_in(data_dir))
