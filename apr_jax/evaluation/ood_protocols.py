"""The out-of-distribution benchmarks by name, and where each of their sets is looked for.

    apr       the six sets of APR's Table 2: CSI's (https://github.com/alinlab/CSI) without its
              interpolations
    openood   OpenOOD v1.5's sets for CIFAR (https://github.com/Jingkang50/OpenOOD), near and far

CIFAR-100 is out-of-distribution for CIFAR-10. For a network trained on CIFAR-100 its place is taken
by CIFAR-10, as OpenOOD has it; the paper has no such table.

A set is a folder of images or an .npz or .npy file in the data folder, else the test split of a
TFDS data set that is prepared there (of Places365 the validation split: the test images have no
labels). OpenOOD takes its images by lists of its own, from other splits too; only a folder made
after its lists is comparable to its leaderboard.
"""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Callable
from typing import Any

from apr_jax import data, files
from apr_jax.data import ArrayData
from apr_jax.data.unlabelled import ARRAY_FILES, holds_images
from apr_jax.errors import UserError
from apr_jax.evaluation.evaluator import Parts
from apr_jax.evaluation.task import Task

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
  "tiny_imagenet": OodSet(
    ("tiny-imagenet-200/val", "tin/val", "tin"),
    origin="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
  ),
  "mnist": OodSet(("mnist",), "mnist"),
  "textures": OodSet(("texture", "dtd"), "dtd"),
  "places365": OodSet(("places365",), "places365_small"),
}
PROTOCOLS: dict[str, dict[str, tuple[str, ...]]] = {
  "apr": {
    "apr": ("svhn", "lsun_resize", "imagenet_resize", "lsun_fix", "imagenet_fix", "cifar100")
  },
  "openood": {
    "openood_near": ("cifar100", "tiny_imagenet"),
    "openood_far": ("mnist", "svhn", "textures", "places365"),
  },
}
"""{protocol: {the name of a mean: the sets it is taken over}}."""


def expand(protocol: str, data_name: str) -> dict[str, tuple[str, ...]]:
  """The sets of a protocol, {the name of a mean: its sets}, for a network trained on `data_name`.

  What a network was trained on is known by its TFDS name only: one that learnt CIFAR-100 from a
  path, `npz:FILE` or `folder:DIR`, still gets CIFAR-100. `locate` refuses that path itself, no copy
  of what is there.

  Raises:
    UserError: one of the sets is what the network was trained on.
  """
  stand_in = {"cifar100": "cifar10"} if data_name == "cifar100" else {}
  groups = {
    group: tuple(stand_in.get(name, name) for name in names)
    for group, names in PROTOCOLS[protocol].items()
  }
  for name in (name for names in groups.values() for name in names):
    if SETS[name].tfds == data_name:
      raise UserError(f"the out-of-distribution sets {protocol!r} hold {name}, {_TRAINED_ON}")
  return groups


def parts(task: Task, score: Callable[[str, ArrayData], dict]) -> Parts:
  """One part for each set that `settings.ood_sets` names, by itself or in a protocol; of both, by
  itself.

  A set that the user names must be there, which is found out at once; one of a protocol may be
  missing or damaged. A part's name holds where its set was found, so that one that was missing or
  has moved is scored anew.

  Args:
    score: (data name, images) → the scores of a set.

  Yields:
    name, and a function that returns {"name", "scores"}, or {"name", "missing": where it was looked
    for, or why it cannot be loaded}.

  Raises:
    UserError: as `find`, `expand` and `locate`, or a set that is named by itself cannot be loaded.
  """
  chosen: dict[str, tuple[str | None, bool]] = {}
  for entry in task.settings.ood_sets:
    if entry in PROTOCOLS:
      for name in (name for names in expand(entry, task.settings.data).values() for name in names):
        chosen.setdefault(name, (locate(task, name), False))
    else:
      chosen[entry] = find(task, entry), True
  for name, (source, by_itself) in chosen.items():
    if by_itself and source is not None:
      task.load_kept(source)
    yield (
      f"{name}: {source or 'missing'}",
      functools.partial(_score, task, score, name, source, by_itself),
    )


def of_kind(results: dict, kind: str) -> dict[str, Any]:
  """{"name": what stands under `kind`} of those results of parts that hold it."""
  return {result["name"]: result[kind] for result in results.values() if kind in result}


def find(task: Task, name: str) -> str:
  """The data name of a set that is named by itself, of `SETS` or any other that `data.load` knows.

  Raises:
    UserError: as `locate`, or a set of `SETS` is missing.
  """
  if name not in SETS:
    return data.source_of(name, task.settings.data_dir)
  source = locate(task, name) or (name if name == SETS[name].tfds else None)
  if source is None:
    raise UserError(f"the out-of-distribution set {name} is missing: {missing(task, name)}")
  return source


def locate(task: Task, name: str) -> str | None:
  """The data name (see `data.load`) under which a set of `SETS` can be loaded, or None if it is not
  there.

  Only the places of images and of what TFDS has prepared are looked at; loading may still find them
  damaged.

  Raises:
    UserError: it is the path from which the network was trained.
  """
  wanted = SETS[name]
  for path in (
    task.data_folder / f"{stem}{ending}" for stem in _stems(name) for ending in ("", *ARRAY_FILES)
  ):
    if holds_images(str(path)):
      if _is_own(task, path):
        raise UserError(f"the out-of-distribution set {name} is {path}, {_TRAINED_ON}")
      return f"images:{path}"
  return (
    wanted.tfds
    if wanted.tfds and (task.settings.download or _is_prepared(task.data_folder / wanted.tfds))
    else None
  )


def missing(task: Task, name: str) -> str:
  """One line: where a set was looked for, and how to give it."""
  wanted = SETS[name]
  in_tfds = f" and for TFDS's {wanted.tfds}" if wanted.tfds else ""
  give = (
    "prepare it with TFDS, put its test images there"
    if wanted.tfds
    else f"put its images there ({wanted.origin})"
  )
  return (
    f"looked in {task.data_folder} for a folder, {' or '.join(ARRAY_FILES)} file of images called "
    f"{' or '.join(_stems(name))}{in_tfds}; {give}, or give another --data_dir"
  )


def _score(
  task: Task,
  score: Callable[[str, ArrayData], dict],
  name: str,
  source: str | None,
  by_itself: bool,
) -> dict:
  if source is None:
    return {"name": name, "missing": missing(task, name)}
  try:
    outside = task.load_kept(source) if by_itself else task.load_test(source)
  except UserError as error:  # half prepared or damaged, which shows only now
    return {"name": name, "missing": str(error)}
  return {"name": name, "scores": score(source, outside)}


def _is_own(task: Task, path: pathlib.Path) -> bool:
  """Whether the path is the one that the run's data name holds, or a split inside."""
  own = data.DataName.parse(task.settings.data)
  if not own.has_path:
    return False
  place = files.path(own.path or task.settings.data_dir)
  inside, path = place.expanduser().resolve(), path.resolve()
  return path == inside or (path.parent == inside and path.name in ("train", "val", "test"))


def _is_prepared(folder: pathlib.Path) -> bool:
  """Whether TFDS has prepared a version of a data set in its folder; it begins in
  "incomplete..._VERSION".
  """
  return any(
    re.search(r"/\d+\.\d+\.\d+/dataset_info\.json$", file) for file in files.files_below(folder)
  )


def _stems(name: str) -> list[str]:
  return list(dict.fromkeys((*SETS[name].files, name)))
