"""Published test sets of the classes of CIFAR-10 and ImageNet under other conditions: which there
are, where each is looked for, and how it is read. They lie in the data folder as their archives
unpack.

    images        one labelled test set: CIFAR-10.1, ImageNet-R
    corruptions   the test images under NAMES at severities 1 to 5: CIFAR-10-C̄
    sequences     frames of a test image that changes a little: CIFAR-10-P

ImageNet-A and ImageNet-R have 200 of ImageNet's classes: a prediction is the largest of those 200
logits. The class folders of ImageNet-V2 are numbers, which are labels and must not be sorted as
text.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from apr_jax.data.array_data import ArrayData, check_uint8
from apr_jax.data.arrays import Stored, read_labelled, read_npy
from apr_jax.data.image_tree import ImageTree, alphabetical, numbered
from apr_jax.data.imagenet_c import IMAGE_SIZE, ImageNetC
from apr_jax.data.imagenet_classes import class_labels
from apr_jax.data.published_corruptions import SEVERITIES, PublishedCorruptions
from apr_jax.data.videos import Videos
from apr_jax.errors import UserError

CIFAR10_C_BAR = (
  "blue_noise_sample",
  "brownish_noise",
  "checkerboard_cutout",
  "inverse_sparkles",
  "pinch_and_twirl",
  "ripple",
  "circular_motion_blur",
  "lines",
  "sparkles",
  "transverse_chromatic_abberation",
)
IMAGENET_C_BAR = (
  "blue_noise_sample",
  "brownish_noise",
  "caustic_refraction",
  "checkerboard_cutout",
  "cocentric_sine_waves",
  "inverse_sparkles",
  "perlin_noise",
  "plasma_noise",
  "single_frequency_greyscale",
  "sparkles",
)
IMAGENET_3DCC = (
  "near_focus",
  "far_focus",
  "bit_error",
  "color_quant",
  "flash",
  "fog_3d",
  "h265_abr",
  "h265_crf",
  "iso_noise",
  "low_light",
  "xy_motion_blur",
  "z_motion_blur",
)
# Those over which the released evaluation takes the mean; four more are in the archive.
CIFAR_P = (
  "gaussian_noise",
  "shot_noise",
  "motion_blur",
  "zoom_blur",
  "spatter",
  "brightness",
  "translate",
  "rotate",
  "tilt",
  "scale",
)
IMAGENET_P = ("gaussian_noise", "shot_noise", "motion_blur", "zoom_blur", "snow", *CIFAR_P[5:])


@dataclasses.dataclass(frozen=True)
class Wanted:
  """What a reader is asked for.

  Attributes:
    path: where the set was found.
    num_classes: of the network.
    image_size: (H, W) in pixels that it takes.
    resize: pixels of the short side before the central square is cut out.
  """

  path: pathlib.Path
  num_classes: int
  image_size: tuple[int, int]
  resize: int

  @property
  def side(self) -> int:
    """Of square images.

    Raises:
      UserError: they are not square.
    """
    height, width = self.image_size
    if height != width:
      raise UserError(f"{self.path}: only square images can be cut out, not {self.image_size}")
    return height


@dataclasses.dataclass(frozen=True)
class ShiftedSet:
  """A published test set.

  Attributes:
    title: its published name.
    data: name of the data set whose classes it has.
    places: names in the data folder, the first that is there.
    origin: where to get it.
    kind: "images", "corruptions" or "sequences".
    read: of images, what is wanted → chunks; of corruptions, → (name, severity) → chunks; of
      sequences, → name → uint8 `[N, frames, H, W, 3]`, or what gives that of a slice.
    parts: names of corruptions or perturbations.
    classes_of: the set of `imagenet_classes.class_labels` that it has; "" = all classes.
  """

  title: str
  data: str
  places: tuple[str, ...]
  origin: str
  kind: str
  read: Callable[[Wanted], Any]
  parts: tuple[str, ...] = ()
  classes_of: str = ""

  @property
  def classes(self) -> np.ndarray | None:
    """The labels among which a prediction is made, int `[C]`; None: all."""
    return np.array([*class_labels(self.classes_of).values()]) if self.classes_of else None

  def locate(self, data_folder: pathlib.Path) -> pathlib.Path | None:
    """Where it lies; None: it is not there."""
    for name in self.places:
      path = data_folder / name
      if path.is_dir() if self.is_folder else path.is_file():
        return path
    return None

  @property
  def is_folder(self) -> bool:
    """Whether it is a folder, and not a file."""
    return not self.places[0].endswith((".npy", ".npz"))

  def missing(self, data_folder: pathlib.Path) -> str:
    """One line: where it was looked for, and how to have it."""
    return (
      f"looked in {data_folder} for {' or '.join(self.places)}; unpack the archive there "
      f"({self.origin}), or give another --data_dir"
    )


def _tree(labels: Callable[[Wanted], Mapping[str, int]]) -> Callable[[Wanted], Iterator[ArrayData]]:
  def read(wanted: Wanted) -> Iterator[ArrayData]:
    tree = ImageTree(
      str(wanted.path), labels(wanted), wanted.num_classes, wanted.side, wanted.resize
    )
    return tree.load()

  return read


def _of_200(of: str) -> Callable[[Wanted], Mapping[str, int]]:
  def labels(wanted: Wanted) -> Mapping[str, int]:
    if wanted.num_classes != len(class_labels("imagenet")):
      raise UserError(
        f"{wanted.path}: its classes are 200 of ImageNet's 1000, and the network has "
        f"{wanted.num_classes}"
      )
    return class_labels(of)

  return labels


def _all_classes(wanted: Wanted) -> Mapping[str, int]:
  return alphabetical(str(wanted.path), wanted.num_classes)


def _cifar10_1(wanted: Wanted) -> Iterator[ArrayData]:
  """IMAGES_data.npy, with IMAGES_labels.npy beside it."""
  beside = wanted.path.parent / wanted.path.name.replace("_data.npy", "_labels.npy")
  if not beside.is_file():
    raise UserError(f"{beside}: no such file; put it beside {wanted.path.name}")
  images, labels = np.asarray(read_npy(wanted.path)), np.asarray(read_npy(beside))
  return iter([_labelled(images, labels, wanted)])


def _cifar10_2(wanted: Wanted) -> Iterator[ArrayData]:
  return iter([_labelled(*read_labelled(str(wanted.path), "images", "labels"), wanted)])


def _labelled(images: np.ndarray, labels: np.ndarray, wanted: Wanted) -> ArrayData:
  if images.shape[1:3] != wanted.image_size:
    raise UserError(
      f"{wanted.path}: its images are {list(images.shape)}, the network takes {wanted.image_size}"
    )
  if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
    raise UserError(
      f"{wanted.path}: labels must be integers [N], got {labels.dtype} {list(labels.shape)}"
    )
  return ArrayData(images, labels.astype(np.int32), wanted.num_classes, str(wanted.path))


def _arrays(names: tuple[str, ...]) -> Callable[[Wanted], Any]:
  def read(wanted: Wanted) -> Callable[[str, int], Iterator[ArrayData]]:
    arrays = PublishedCorruptions(wanted.path, wanted.num_classes, names, wanted.image_size)
    return lambda name, severity: iter([arrays.load(name, severity)])

  return read


def _c_bar(wanted: Wanted) -> Callable[[str, int], Iterator[ArrayData]]:
  return ImageNetC(wanted.path, wanted.num_classes, IMAGENET_C_BAR, wanted.image_size).load


def _3dcc(wanted: Wanted) -> Callable[[str, int], Iterator[ArrayData]]:
  """NAME/SEVERITY/WNID. Images of 224 pixels are taken as they are, others resized."""
  for name in IMAGENET_3DCC:
    for severity in range(1, SEVERITIES + 1):
      if not (wanted.path / name / str(severity)).is_dir():
        raise UserError(f"{wanted.path / name / str(severity)}: no such folder; unpack the archive")

  def load(name: str, severity: int) -> Iterator[ArrayData]:
    folder = str(wanted.path / name / str(severity))
    labels = alphabetical(folder, wanted.num_classes)
    tree = ImageTree(
      folder, labels, wanted.num_classes, wanted.side, wanted.resize, cropped=IMAGE_SIZE
    )
    return tree.load()

  return load


def _sequences(wanted: Wanted) -> Callable[[str], Stored]:
  """NAME.npy, uint8 `[N, frames, H, W, 3]`."""
  missing = [name for name in CIFAR_P if not (wanted.path / f"{name}.npy").is_file()]
  if missing:
    raise UserError(
      f"{wanted.path} lacks {', '.join(f'{name}.npy' for name in missing)}; unpack the archive"
    )

  def load(name: str) -> Stored:
    path = wanted.path / f"{name}.npy"
    frames = read_npy(path)
    check_uint8(frames, str(path))
    if len(frames.shape) != 5 or frames.shape[1] < 2 or frames.shape[2:] != (*wanted.image_size, 3):
      raise UserError(
        f"{path}: expected frames [N, 2 or more, H, W, 3] of {wanted.image_size} pixels, got "
        f"{list(frames.shape)}"
      )
    return frames

  return load


def _videos(wanted: Wanted) -> Callable[[str], Videos]:
  """NAME/WNID/*.mp4. Noises also come with larger steps, NAME_2 and NAME_3, which are not read."""
  missing = [name for name in IMAGENET_P if not (wanted.path / name).is_dir()]
  if missing:
    raise UserError(f"{wanted.path} lacks the folders {', '.join(missing)}; unpack all archives")
  found = {name: Videos(str(wanted.path / name), wanted.image_size) for name in IMAGENET_P}
  return found.__getitem__


_HENDRYCKS, _RECHT = "https://github.com/hendrycks", "https://github.com/modestyachts"
_C_BAR = "https://github.com/facebookresearch/augmentation-corruption"
_V2 = f"{_RECHT}/ImageNetV2"
_IMAGENET = "imagenet2012"

SETS: Mapping[str, ShiftedSet] = {
  "cifar10_1": ShiftedSet(
    "CIFAR-10.1 (v6)",
    "cifar10",
    ("cifar10.1_v6_data.npy", "CIFAR-10.1/cifar10.1_v6_data.npy"),
    f"{_RECHT}/CIFAR-10.1",
    "images",
    _cifar10_1,
  ),
  "cifar10_2": ShiftedSet(
    "CIFAR-10.2",
    "cifar10",
    ("cifar102_test.npz", "CIFAR-10.2/cifar102_test.npz"),
    f"{_RECHT}/cifar-10.2",
    "images",
    _cifar10_2,
  ),
  "cifar10_c_bar": ShiftedSet(
    "CIFAR-10-C̄",
    "cifar10",
    ("CIFAR-10-C-Bar", "CIFAR-10-C-bar"),
    _C_BAR,
    "corruptions",
    _arrays(CIFAR10_C_BAR),
    CIFAR10_C_BAR,
  ),
  "cifar10_p": ShiftedSet(
    "CIFAR-10-P",
    "cifar10",
    ("CIFAR-10-P",),
    f"{_HENDRYCKS}/robustness",
    "sequences",
    _sequences,
    CIFAR_P,
  ),
  "imagenet_r": ShiftedSet(
    "ImageNet-R",
    _IMAGENET,
    ("imagenet-r", "ImageNet-R"),
    f"{_HENDRYCKS}/imagenet-r",
    "images",
    _tree(_of_200("imagenet_r")),
    classes_of="imagenet_r",
  ),
  "imagenet_a": ShiftedSet(
    "ImageNet-A",
    _IMAGENET,
    ("imagenet-a", "ImageNet-A"),
    f"{_HENDRYCKS}/natural-adv-examples",
    "images",
    _tree(_of_200("imagenet_a")),
    classes_of="imagenet_a",
  ),
  "imagenet_v2": ShiftedSet(
    "ImageNet-V2, matched frequency",
    _IMAGENET,
    ("imagenetv2-matched-frequency-format-val", "imagenetv2-matched-frequency"),
    _V2,
    "images",
    _tree(lambda wanted: numbered(wanted.num_classes)),
  ),
  "imagenet_v2_threshold": ShiftedSet(
    "ImageNet-V2, threshold 0.7",
    _IMAGENET,
    ("imagenetv2-threshold0.7-format-val", "imagenetv2-threshold0.7"),
    _V2,
    "images",
    _tree(lambda wanted: numbered(wanted.num_classes)),
  ),
  "imagenet_v2_top": ShiftedSet(
    "ImageNet-V2, top images",
    _IMAGENET,
    ("imagenetv2-top-images-format-val", "imagenetv2-top-images"),
    _V2,
    "images",
    _tree(lambda wanted: numbered(wanted.num_classes)),
  ),
  "imagenet_sketch": ShiftedSet(
    "ImageNet-Sketch",
    _IMAGENET,
    ("sketch", "imagenet-sketch", "ImageNet-Sketch"),
    "https://github.com/HaohanWang/ImageNet-Sketch",
    "images",
    _tree(_all_classes),
  ),
  "imagenet_c_bar": ShiftedSet(
    "ImageNet-C̄",
    _IMAGENET,
    ("imagenet-c-bar", "imagenet_c_bar", "ImageNet-C-Bar"),
    _C_BAR,
    "corruptions",
    _c_bar,
    IMAGENET_C_BAR,
  ),
  "imagenet_3dcc": ShiftedSet(
    "ImageNet-3DCC",
    _IMAGENET,
    ("ImageNet-3DCC",),
    "https://github.com/EPFL-VILAB/3DCommonCorruptions",
    "corruptions",
    _3dcc,
    IMAGENET_3DCC,
  ),
  "imagenet_p": ShiftedSet(
    "ImageNet-P",
    _IMAGENET,
    ("ImageNet-P",),
    f"{_HENDRYCKS}/robustness",
    "sequences",
    _videos,
    IMAGENET_P,
  ),
}
"""{name: set}."""
