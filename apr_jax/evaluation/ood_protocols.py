"""The out-of-distribution benchmarks by name, and where each of their sets is looked for.

    apr       the six sets of APR's Table 2: CSI's (https://github.com/alinlab/CSI) without its interpolations
    openood   OpenOOD v1.5's sets for CIFAR (https://github.com/Jingkang50/OpenOOD), near and far

CIFAR-100 is out-of-distribution for CIFAR-10. For a network trained on CIFAR-100 its place is taken by CIFAR-10, as
OpenOOD has it; the paper has no such table.

A set is a folder of images or an .npz or .npy file in the data folder, else the test split of a TFDS data set that
is prepared there (of Places365 the validation split: the test images have no labels). OpenOOD takes its images by
lists of its own, from other splits too; only a folder made after its lists is comparable to its leaderboard.
"""

import dataclasses
import pathlib
import re

from apr_jax import data
from apr_jax.data.unlabelled import ARRAY_FILES, holds_images
from apr_jax.errors import UserError
from apr_jax.evaluation.suite import Task

_TRAINED_ON = "on which the network was trained; name others in --ood_sets"
_CSI = "https://github.com/alinlab/CSI links the archive"


@dataclasses.dataclass(frozen=True)
class OodSet:
  """Where an out-of-distribution set is looked for.

  Attributes:
    files: its names in the data folder; also with the ending .npz or .npy.
    tfds: its name in TFDS; "" = it is not there.
    origin: where to get it if it is not in TFDS.
  """

  files: tuple[str, ...]
  tfds: str = ""
  origin: str = ""


SETS = {
    "svhn": OodSet(("svhn",), "svhn_cropped"),
    "lsun_resize": OodSet(("LSUN_resize",), origin=_CSI),
    "imagenet_resize": OodSet(("Imagenet_resize", "ImageNet_resize"), origin=_CSI),
    "lsun_fix": OodSet(("LSUN_fix",), origin=_CSI),
    "imagenet_fix": OodSet(("Imagenet_fix", "ImageNet_fix"), origin=_CSI),
    "cifar10": OodSet(("cifar10",), "cifar10"),
    "cifar100": OodSet(("cifar100",), "cifar100"),
    # OpenOOD chooses among its images by class, and only the validation images have one.
    "tiny_imagenet": OodSet(("tiny-imagenet-200/val", "tin/val", "tin"),
                            origin="http://cs231n.stanford.edu/tiny-imagenet-200.zip"),
    "mnist": OodSet(("mnist",), "mnist"),
    "textures": OodSet(("texture", "dtd"), "dtd"),
    "places365": OodSet(("places365",), "places365_small"),
}
PROTOCOLS = {
    "apr": {"apr": ("svhn", "lsun_resize", "imagenet_resize", "lsun_fix", "imagenet_fix", "cifar100")},
    "openood": {"openood_near": ("cifar100", "tiny_imagenet"),
                "openood_far": ("mnist", "svhn", "textures", "places365")},
}
"""{protocol: {the name of a mean: the sets it is taken over}}."""


def expand(protocol: str, data_name: str) -> dict[str, tuple[str, ...]]:
  """The sets of a protocol, {the name of a mean: its sets}, for a network trained on `data_name`.

  What a network was trained on is known by its TFDS name only: one that learnt CIFAR-100 from a path, `npz:FILE` or
  `folder:DIR`, still gets CIFAR-100. `locate` refuses that path itself, no copy of what is there.

  Raises:
    UserError: one of the sets is what the network was trained on.
  """
  stand_in = {"cifar100": "cifar10"} if data_name == "cifar100" else {}
  groups = {group: tuple(stand_in.get(name, name) for name in names) for group, names in PROTOCOLS[protocol].items()}
  for name in (name for names in groups.values() for name in names):
    if SETS[name].tfds == data_name:
      raise UserError(f"the out-of-distribution sets {protocol!r} hold {name}, {_TRAINED_ON}")
  return groups


def present(task: Task) -> dict[str, str]:
  """{name: data name} of the sets that `task.ood_sets` names, less those of a protocol that are missing.

  Raises:
    UserError: as `find` and `expand`.
  """
  found = {}
  for name in task.ood_sets:
    if name in PROTOCOLS:
      members = {member for names in expand(name, task.data_name).values() for member in names}
      located = {member: locate(task, member) for member in sorted(members)}
      found |= {member: source for member, source in located.items() if source}
    else:
      found[name] = find(task, name)
  return found


def find(task: Task, name: str) -> str:
  """The data name of a set that is named by itself, of `SETS` or any other that `data.load` knows.

  Raises:
    UserError: a set of `SETS` is missing.
  """
  if name not in SETS or name == SETS[name].tfds:
    return name
  source = locate(task, name)
  if source is None:
    raise UserError(f"the out-of-distribution set {name} is missing: {missing(task, name)}")
  return source


def locate(task: Task, name: str) -> str | None:
  """The data name (see `data.load`) under which a set of `SETS` can be loaded, or None if it is not there.

  Only the places of images and of what TFDS has prepared are looked at; loading may still find them damaged.

  Raises:
    UserError: it is the path from which the network was trained.
  """
  wanted = SETS[name]
  for path in (task.data_folder / f"{stem}{ending}" for stem in _stems(name) for ending in ("", *ARRAY_FILES)):
    if holds_images(str(path)):
      if _is_own(task, path):
        raise UserError(f"the out-of-distribution set {name} is {path}, {_TRAINED_ON}")
      return f"images:{path}"
  return wanted.tfds if wanted.tfds and (task.download or _is_prepared(task.data_folder / wanted.tfds)) else None


def missing(task: Task, name: str) -> str:
  """One line: where a set was looked for, and how to give it."""
  wanted = SETS[name]
  in_tfds = f" and for TFDS's {wanted.tfds}" if wanted.tfds else ""
  give = ("prepare it with TFDS, put its test images there" if wanted.tfds
          else f"put its images there ({wanted.origin})")
  return (f"looked in {task.data_folder} for a folder, {' or '.join(ARRAY_FILES)} file of images called "
          f"{' or '.join(_stems(name))}{in_tfds}; {give}, or give another --data_dir")


def _is_own(task: Task, path: pathlib.Path) -> bool:
  """Whether the path is the one that the run's data name holds, or a split inside."""
  kind, _, own = task.data_name.partition(":")
  if kind not in data.WITH_PATH:
    return False
  inside, path = pathlib.Path(own or task.data_dir).expanduser().resolve(), path.resolve()
  return path == inside or path.parent == inside and path.name in ("train", "val", "test")


def _is_prepared(folder: pathlib.Path) -> bool:
  """Whether TFDS has prepared a version of a data set in its folder; it begins in "incomplete..._VERSION"."""
  return any(re.fullmatch(r"\d+\.\d+\.\d+", info.parent.name) for info in folder.rglob("dataset_info.json"))


def _stems(name: str) -> list[str]:
  return list(dict.fromkeys((*SETS[name].files, name)))
