"""What results depend on, which stands beside them: classifier, data, versions and code."""

import dataclasses
import hashlib
import importlib.metadata
import json
import pathlib
import platform
import subprocess
from typing import Any

import jax

from apr_jax import data
from apr_jax.classifiers.interface import ability
from apr_jax.evaluation import corruption_sources
from apr_jax.evaluation.task import Task
from apr_jax.run.configuration import is_bookkeeping
from apr_jax.settings import flatten
from apr_jax.version import __version__

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
_OF_A_TRAINING = ("seed", "step")
# The other settings choose parts and change none; where corruptions come from stands in "meta".
_CHANGE_IMAGES = ("data", "resize")


def describe(task: Task) -> dict[str, Any]:
  """What was evaluated, on what and with what: "meta" of `results.json`, for JSON.

  - "classifier": "name", "kind" ("run", "import" or "function"), "num_classes", "image_size",
    "fingerprint" of the weights; "ensemble", true, of CSI's ensemble over four rotations.
  - "config", "seed", "step": of a run; the configuration with the data and the out-of-distribution
    sets of this evaluation.
  - "weights": the fingerprint.
  - "settings": the fields of `Settings`.
  - "data": where the in-distribution set was found.
  - "data_dir": the folder of the data.
  - "corruptions": where corrupted images come from.
  - "examples": "all", or "the first 100 of each set".
  - "versions", "git", "device": of the packages, the code and the accelerator.
  """
  classifier, settings = task.classifier, task.settings
  versions = {package: importlib.metadata.version(package) for package in _PACKAGES}
  versions |= {"apr_jax": __version__, "python": platform.python_version()}
  meta = {
    "classifier": {
      "name": classifier.name,
      "kind": getattr(classifier, "kind", "function"),
      "num_classes": classifier.num_classes,
      "image_size": classifier.image_size,
      "fingerprint": classifier.fingerprint,
      **({"ensemble": True} if getattr(classifier, "ensemble", False) else {}),
    },
    **_training(task),
    "weights": classifier.fingerprint,
    "settings": dataclasses.asdict(settings),
    "data": data.source_of(settings.data, settings.data_dir),
    "data_dir": settings.data_dir,
    "corruptions": corruption_sources.describe(
      settings.data, settings.data_dir, settings.corruption_source
    ),
    "examples": f"the first {settings.limit} of each set" if settings.limit else "all",
    "versions": versions,
    "git": git_commit(pathlib.Path(__file__).parent),
    "device": jax.devices()[0].device_kind,
  }
  return json.loads(json.dumps(meta))


def conditions(meta: dict[str, Any]) -> dict[str, Any]:
  """What the result of a part depends on beside the options of its evaluator, of `describe`."""
  classifier = {key: value for key, value in meta["classifier"].items() if key != "name"}
  settings = {key: meta["settings"][key] for key in _CHANGE_IMAGES}
  found = meta | {"classifier": classifier, "settings": settings}
  if "config" in meta:
    trained_on = meta["config"]["data"]["name"]
    found["config"] = {
      key: value
      for key, value in flatten(meta["config"]).items()
      if not key.startswith("evaluation.") and not is_bookkeeping(key, trained_on)
    }
  return found


def seal(results: dict[str, Any]) -> None:
  """Writes the digest of results into their "meta" as "digest", by which `is_sealed` tells what a
  disk has damaged.
  """
  results["meta"]["digest"] = _digest(results)


def is_sealed(results: dict[str, Any]) -> bool:
  """Whether results are as they were sealed; those of earlier versions, without a digest, are."""
  return results["meta"].get("digest") in (None, _digest(results))


def _digest(results: dict[str, Any]) -> str:
  meta = {key: value for key, value in results["meta"].items() if key != "digest"}
  as_read = json.loads(json.dumps(results | {"meta": meta}))  # keys are texts, whatever they were
  text = json.dumps(as_read, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def git_commit(folder: pathlib.Path) -> str | None:
  """The commit of the working tree that a folder lies in; None outside of one.

  If tracked files differ from it, "+changes-" and a digest of the difference follow; untracked
  files do not count.
  """

  def git(*arguments: str) -> bytes:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, check=True, timeout=10).stdout

  try:
    commit = git("rev-parse", "HEAD").decode().strip()
    changes = git("diff", "HEAD", "--binary", "--no-ext-diff")
  except (OSError, subprocess.SubprocessError):
    return None
  return commit + (f"+changes-{hashlib.sha256(changes).hexdigest()[:8]}" if changes else "")


def _training(task: Task) -> dict[str, Any]:
  """What is known of the training of a run."""
  config, settings = ability(task.classifier, "config"), task.settings
  if config is None:
    return {}
  values = config.to_dict()
  values["data"] |= {"name": settings.data, "data_dir": settings.data_dir}
  values["evaluation"] |= {"ood_sets": settings.ood_sets}
  found = {name: getattr(task.classifier, name, None) for name in _OF_A_TRAINING}
  return {"config": values, **found}
