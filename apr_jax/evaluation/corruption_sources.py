"""Where corrupted test images come from:

    published      CIFAR-10-C or CIFAR-100-C (a folder of `.npy` files), or ImageNet-C (a tree of
                   JPEG files)
    tfds           TFDS's copy of CIFAR-10-C, `cifar10_corrupted/NAME_SEVERITY`
    regenerated    made here from the test images by `apr_jax.corruptions`; not comparable with
                   published scores

The results of an evaluation name their source.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

from apr_jax import corruptions, files
from apr_jax.classifiers.interface import need
from apr_jax.corruptions.whole_sets import MADE, regenerate
from apr_jax.data import ArrayData
from apr_jax.data.imagenet_c import ImageNetC
from apr_jax.data.published_corruptions import PublishedCorruptions
from apr_jax.errors import UserError
from apr_jax.evaluation.settings import AUTO, data_folder
from apr_jax.evaluation.task import Task

Load = Callable[[str, int], Iterator[ArrayData]]
"""(corruption, severity) → the corrupted test images in chunks, which bound the memory."""

_PUBLISHED = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C", "imagenet2012": "ImageNet-C"}
_NAMES = (*corruptions.CORRUPTIONS, *corruptions.EXTRA_CORRUPTIONS)
_TFDS = {"cifar10": "cifar10_corrupted"}
_TFDS_NAMES = {"glass_blur": "frosted_glass_blur", "elastic_transform": "elastic"}


@dataclasses.dataclass(frozen=True)
class CorruptionSource:
  """Corrupted test images.

  Attributes:
    name: "published", "tfds" or "regenerated", as results call it.
    load: (corruption, severity) → images in chunks.
  """

  name: str
  load: Load

  def logits(self, task: Task, corruption: str, severity: int) -> tuple[np.ndarray, np.ndarray]:
    """The classifier's logits of one set, float32 `[N, K]`, and the labels, int32 `[N]`; N up to
    the limit.

    They are kept until another set is asked for, so that several evaluators can look at them.
    """
    return task.once(
      f"{self.name}: {corruption}/{severity}",
      lambda: _predict(task, self.load(corruption, severity)),
    )

  def adapted_logits(
    self, task: Task, corruption: str, severity: int, batch: int, prior: float
  ) -> tuple[np.ndarray, np.ndarray]:
    """As `logits`, with batch statistics of the images themselves, one batch after the other.

    The images are held in memory, and batches are drawn from all of them in a fixed order: the
    published trees are sorted by class, and the statistics of one class are not those of a set.

    Args:
      task, corruption, severity: as of `logits`.
      batch: at most so many images share their statistics; batches are of equal size, up to one
        image.
      prior: how many images the statistics of the training count as.
    """
    adapted = need(task.classifier, "adapted_logits", "the option adapt of corruptions")
    chunks = list(limited(task, self.load(corruption, severity)))
    images = np.concatenate([data.images for data in chunks])
    # RandomState, because NumPy promises that its stream never changes; default_rng's may.
    order = np.random.RandomState(0).permutation(len(images))
    logits = np.empty((len(images), task.num_classes), np.float32)
    for chosen in np.array_split(order, -(-len(images) // batch)):
      logits[chosen] = adapted(images[chosen], prior)
    return logits, np.concatenate([data.labels for data in chunks])


def open_source(task: Task, names: tuple[str, ...]) -> CorruptionSource:
  """The source that the settings ask for, or with "auto" the first that is there.

  Args:
    task: `settings.corruption_source` is "auto" or a key of `SOURCES`.
    names: corruptions that will be loaded.

  Raises:
    UserError: the source is not there, or does not fit.
  """
  settings = task.settings
  source = _choose(settings.data, settings.data_dir, settings.corruption_source, names)
  load = SOURCES[source](task, names)
  made_here = source == "published" and _made_here(task)
  return CorruptionSource("regenerated" if made_here else source, load)


def describe(data_name: str, data_dir: str, wanted: str = AUTO) -> str:
  """The source and, if it is one, the folder that `open_source` would open now for these values of
  a task.
  """
  source = _choose(data_name, data_dir, wanted, corruptions.CORRUPTIONS)
  return f"{source}: {_published_folder(data_name, data_dir)}" if source == "published" else source


def _predict(task: Task, chunks: Iterator[ArrayData]) -> tuple[np.ndarray, np.ndarray]:
  logits, labels = [], []
  for data in limited(task, chunks):
    logits.append(task.logits(data.images))
    labels.append(data.labels)
  return np.concatenate(logits), np.concatenate(labels)


def limited(task: Task, chunks: Iterator[ArrayData]) -> Iterator[ArrayData]:
  """The chunks up to the limit of the settings."""
  seen = 0
  for data in chunks:
    if task.settings.limit:
      data = data.take(min(task.settings.limit - seen, len(data.labels)))
    yield data
    seen += len(data.labels)
    if seen == task.settings.limit:
      break


def _choose(data_name: str, data_dir: str, wanted: str, names: tuple[str, ...]) -> str:
  if wanted != AUTO:
    return wanted
  if _published_folder(data_name, data_dir):
    return "published"
  return "tfds" if _tfds_folder(data_name, data_dir, names) else "regenerated"


def published(task: Task, names: tuple[str, ...]) -> Load:
  """The published files, in the data folder itself or in its folder of their name."""
  name, data_dir = task.settings.data, task.settings.data_dir
  folder = _published_folder(name, data_dir)
  if folder is None or not (_has_files(folder) or _has_tree(folder)):
    known = _PUBLISHED.get(name)
    inside = f" or its folder {known}" if known else ""
    raise UserError(
      f"the published corruptions of {name} were not found: looked for labels.npy and "
      f"{names[0]}.npy (or {names[0]}/1) in "
      f"{data_dir or 'the folder of --data_dir, which is not given'}{inside}; "
      f"give --data_dir and unpack the archives there, or choose other --corruptions: tfds, "
      f"regenerated"
    )
  if not _has_files(folder):
    return ImageNetC(folder, task.num_classes, names, task.image_size).load
  arrays = PublishedCorruptions(folder, task.num_classes, names, task.image_size)
  _check_labels(task, arrays.labels, folder)
  return lambda name, severity: iter([arrays.load(name, severity)])


def tfds(task: Task, names: tuple[str, ...]) -> Load:
  """TFDS's copy; the four extra corruptions are not in it."""
  missing = sorted(set(names) - set(corruptions.CORRUPTIONS))
  if task.settings.data not in _TFDS or missing:
    lacking = f" with {', '.join(missing)}" if missing else ""
    raise UserError(
      f"TFDS has no corrupted {task.settings.data}{lacking}; "
      f"use --corruptions published or regenerated"
    )
  return lambda name, severity: iter(
    [task.load_test(f"{_TFDS[task.settings.data]}/{_TFDS_NAMES.get(name, name)}_{severity}")]
  )


def regenerated(task: Task, names: tuple[str, ...]) -> Load:
  """The test images, corrupted here."""
  del names
  test = task.test

  def load(name: str, severity: int) -> Iterator[ArrayData]:
    start = 0
    for images in regenerate(test.images, name, severity):
      yield ArrayData(
        images,
        test.labels[start : start + len(images)],
        test.num_classes,
        f"{test.name} with {name}/{severity}",
      )
      start += len(images)

  return load


SOURCES: dict[str, Callable[[Task, tuple[str, ...]], Load]] = {
  "published": published,
  "tfds": tfds,
  "regenerated": regenerated,
}


def _published_folder(data_name: str, data_dir: str) -> pathlib.Path | None:
  """The data folder's own folder of the published name, whatever it holds, or the data folder if it
  has such files.

  An incomplete one counts: it is to be reported, and not to be passed over for corruptions that are
  made here.
  """
  if not data_dir:
    return None
  folder = files.path(data_dir).expanduser()
  if data_name in _PUBLISHED and (folder / _PUBLISHED[data_name]).is_dir():
    return folder / _PUBLISHED[data_name]
  return folder if _has_files(folder) or _has_tree(folder) else None


def _has_files(folder: pathlib.Path) -> bool:
  """Whether it holds files as those of CIFAR-10-C."""
  return any((folder / f"{name}.npy").is_file() for name in ("labels", *_NAMES))


def _has_tree(folder: pathlib.Path) -> bool:
  """Whether it holds a tree as that of ImageNet-C, not one folder deeper the published folder of
  another data set.
  """
  return any(
    (folder / name / "1").is_dir()
    or any(path.parents[1].name not in _PUBLISHED.values() for path in folder.glob(f"*/{name}/1"))
    for name in _NAMES
  )


def _made_here(task: Task) -> bool:
  """Whether the folder is one that `apr_jax.make_corruptions` wrote, in the published layout."""
  folder = _published_folder(task.settings.data, task.settings.data_dir)
  return folder is not None and (folder / MADE).is_file()


def _check_labels(task: Task, labels: np.ndarray, folder: pathlib.Path) -> None:
  """Refuses the corruptions of another data set. The order may differ: TFDS shuffles, the published
  files do not.
  """
  if task.settings.limit:  # the clean labels are cut
    return
  try:
    clean = task.test.labels
  except UserError:  # the clean images are not here, and without them there is nothing to compare
    return
  counts = [np.bincount(values, minlength=task.num_classes) for values in (labels, clean)]
  if (counts[0] != counts[1]).any():
    label = int(np.argmax(counts[0] != counts[1]))
    raise UserError(
      f"{folder / 'labels.npy'} disagrees with the test split of {task.settings.data}: "
      f"{counts[0][label]} images of class {label} there, {counts[1][label]} here; give the folder "
      f"of this data set"
    )


def _tfds_folder(data_name: str, data_dir: str, names: tuple[str, ...]) -> pathlib.Path | None:
  if data_name not in _TFDS or not set(names) <= set(corruptions.CORRUPTIONS):
    return None
  folder = data_folder(data_dir) / _TFDS[data_name]
  return folder if folder.is_dir() else None
