"""Errors under the common corruptions, and their mean.

The corrupted images come from one of three sources, and the results say which:

    published      the folder of `.npy` files of CIFAR-10-C or CIFAR-100-C
    tfds           TFDS's copy of CIFAR-10-C, `cifar10_corrupted/NAME_SEVERITY`
    regenerated    made here from the test images by `apr_jax.corruptions`; not comparable with published scores
"""

import pathlib
from collections.abc import Callable
from typing import Protocol

import jax
import numpy as np

from apr_jax import corruptions, metrics
from apr_jax.data import ArrayData
from apr_jax.data.published_corruptions import PublishedCorruptions
from apr_jax.errors import UserError
from apr_jax.evaluation.suite import Parts, Task

SEVERITIES = range(1, 6)

_PUBLISHED_FOLDERS = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C"}
_TFDS = {"cifar10": "cifar10_corrupted"}
_TFDS_NAMES = {"glass_blur": "frosted_glass_blur", "elastic_transform": "elastic"}

# Images corrupted at a time; bounds the memory of regenerating.
_BATCH = 500

Load = Callable[[str, int], ArrayData]
"""(corruption, severity) → the corrupted test images."""


class Source(Protocol):
  """Opens the corrupted images of a task, or says why it cannot with a UserError."""

  def __call__(self, task: Task) -> Load:
    ...


def parts(task: Task) -> Parts:
  source, load = _open(task)
  for name in corruptions.CORRUPTIONS:
    for severity in SEVERITIES:
      yield f"{name}/{severity}", lambda name=name, severity=severity: _score_set(task, load(name, severity)) | {
          "source": source}


def summarise(results: dict) -> dict:
  """"mean_error", "by_corruption" {name: [error per severity]} in percent; "source"; "examples" per set."""
  errors = {}
  for part, result in results.items():
    errors.setdefault(part.split("/")[0], []).append(result["error"])
  first = next(iter(results.values()))
  return {"mean_error": metrics.mean_error(errors), "by_corruption": errors, "source": first["source"],
          "examples": first["examples"]}


def _score_set(task: Task, data: ArrayData) -> dict:
  if task.limit:
    data = data.take(min(task.limit, len(data.labels)))
  error = metrics.accuracy_and_error(task.logits(data.images), data.labels)["error"]
  return {"error": error, "examples": len(data.labels)}


def _open(task: Task) -> tuple[str, Load]:
  """The name of the source and its images: the one asked for, or with "auto" the first that the task has."""
  if task.corruption_source != "auto":
    return task.corruption_source, SOURCES[task.corruption_source](task)
  if _published_folder(task) is not None:
    return "published", SOURCES["published"](task)
  if _tfds_folder(task) is not None:
    return "tfds", SOURCES["tfds"](task)
  return "regenerated", SOURCES["regenerated"](task)


def _published(task: Task) -> Load:
  folder = _published_folder(task)
  if folder is None:
    raise UserError(f"the published corruptions of {task.data_name} were not found: looked for labels.npy in "
                    f"{task.data_dir or '(no --data_dir)'} and its folder "
                    f"{_PUBLISHED_FOLDERS.get(task.data_name, 'of that set')}; give --data_dir")
  return PublishedCorruptions(folder, task.num_classes, corruptions.CORRUPTIONS).load


def _published_folder(task: Task) -> pathlib.Path | None:
  if not task.data_dir:
    return None
  folders = [pathlib.Path(task.data_dir)]
  if task.data_name in _PUBLISHED_FOLDERS:
    folders.insert(0, folders[0] / _PUBLISHED_FOLDERS[task.data_name])
  return next((folder for folder in folders if (folder / "labels.npy").is_file()), None)


def _tfds(task: Task) -> Load:
  if task.data_name not in _TFDS:
    raise UserError(f"TFDS has no corrupted {task.data_name}, only {', '.join(_TFDS)}; "
                    f"use --corruptions published or regenerated")
  return lambda name, severity: task.load_test(
      f"{_TFDS[task.data_name]}/{_TFDS_NAMES.get(name, name)}_{severity}")


def _tfds_folder(task: Task) -> pathlib.Path | None:
  if task.data_name not in _TFDS:
    return None
  folder = pathlib.Path(task.data_dir or "~/tensorflow_datasets").expanduser() / _TFDS[task.data_name]
  return folder if folder.is_dir() else None


def _regenerated(task: Task) -> Load:

  def load(name: str, severity: int) -> ArrayData:
    test = task.test
    key = jax.random.fold_in(jax.random.key(severity), corruptions.CORRUPTIONS.index(name))
    batches = []
    for start in range(0, len(test.images), _BATCH):
      batch = test.images[start:start + _BATCH]
      # The last batch is padded to the shape that is compiled.
      padded = np.concatenate([batch, np.zeros((min(_BATCH, len(test.images)) - len(batch), *batch.shape[1:]), np.uint8)])
      positions = start + np.arange(len(padded))
      batches.append(np.asarray(corruptions.corrupt(key, padded, name, severity, positions=positions))[:len(batch)])
    return ArrayData(np.concatenate(batches), test.labels, test.num_classes, f"{test.name} with {name}/{severity}")

  return load


SOURCES: dict[str, Source] = {"published": _published, "tfds": _tfds, "regenerated": _regenerated}
