"""Runs suites of evaluators over a trained run and writes `results.json`."""

import hashlib
import importlib.metadata
import json
import pathlib
import platform
import subprocess
import sys
from collections.abc import Callable

import jax
import tqdm

from apr_jax import data, experiment
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.data import ArrayData
from apr_jax.errors import UserError, lookup, one_line
from apr_jax.evaluation import (
  calibration,
  clean,
  corruption_sources,
  corruptions,
  extra_corruptions,
  fourier,
  ood,
  swap,
)
from apr_jax.evaluation.part_store import PartStore
from apr_jax.evaluation.suite import Task
from apr_jax.files import write_json
from apr_jax.run.configuration import is_bookkeeping
from apr_jax.settings import flatten
from apr_jax.version import __version__

SUITES = {
  "clean": clean,
  "corruptions": corruptions,
  "extra_corruptions": extra_corruptions,
  "calibration": calibration,
  "ood": ood,
  "fourier": fourier,
  "swap": swap,
}
# calibration looks at the sets of corruptions
DEFAULT_SUITES = ("clean", "corruptions", "calibration", "ood")
_OF_OOD_SETS = ("ood", "swap")
RESULTS = "results.json"
Report = Callable[[pathlib.Path, pathlib.Path, dict, LoadedClassifier, Task], None]
"""(folder of the results, workdir, results, network, what it was evaluated on) → files beside the
results.
"""
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def evaluate(
  workdir: str,
  *,
  suites: tuple[str, ...] = DEFAULT_SUITES,
  data_dir: str | None = None,
  limit: int = 0,
  out: str | None = None,
  corruption_source: str = "auto",
  ood_sets: tuple[str, ...] | None = None,
  batch_size: int | None = None,
  devices: list[jax.Device] | None = None,
  quiet: bool = False,
  report: Report | None = None,
) -> dict:
  """Scores the newest checkpoint of a run and writes the scores to `OUT/results.json`.

  Each part that is finished is on disk at once; an interrupted evaluation with the same arguments
  goes on there.

  Args:
    workdir: folder of the run.
    suites: names of `SUITES`.
    data_dir: where data sets lie; default: as in training.
    limit: evaluate on the first so many images of each set; 0 = all.
    out: folder of the results; default `WORKDIR/eval`.
    corruption_source: "auto", or a key of `corruption_sources.SOURCES`.
    ood_sets: names of out-of-distribution sets, or of `ood_protocols.PROTOCOLS`; default: the run's
      `evaluation.ood_sets`.
    batch_size: images per call; changes no result.
    devices: where to compute; changes no result.
    quiet: print nothing.
    report: called at the end, to draw what was found; `report.write.write_report`.

  Returns:
    what is written: {suite: summary} and "meta" (configuration with this call's `data_dir` and
    `ood_sets`, seed, step, digest of the weights, versions, git, examples, ...). Suites that an
    earlier call under the same conditions has written stay. The map of the suite "fourier" is
    written to `OUT/fourier.npy` too.

  Raises:
    UserError: something the user gave cannot be used.
  """
  if not suites:
    raise UserError(f"no suites are named; give --suites, of {', '.join(SUITES)}")
  for suite in suites:
    lookup(SUITES, suite, "suite")
  if corruption_source != "auto":
    lookup(corruption_sources.SOURCES, corruption_source, "source of corruptions")
  if limit < 0:
    raise UserError(f"limit must be 0 (all images) or more, got {limit}")
  if jax.process_count() > 1:
    raise UserError(
      "an evaluation runs in one process, and this one has joined others; start it by itself"
    )
  classifier = LoadedClassifier(workdir, devices, batch_size)
  if (
    data_dir
    and "://" not in str(data_dir)
    and not pathlib.Path(data_dir).expanduser().exists()
    and not classifier.config.data.download
  ):
    raise UserError(f"there is no folder {data_dir}: correct --data_dir")
  task = _task(classifier, data_dir, limit, corruption_source, ood_sets)
  folder = pathlib.Path(out or pathlib.Path(workdir) / "eval")
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise UserError(
      f"the folder {folder} cannot be written: {one_line(error)}; use another --out"
    ) from error

  # All of them before the first is computed: what is missing for the last suite is said at once,
  # not after hours.
  parts = {suite: dict(SUITES[suite].parts(task)) for suite in suites}
  meta = _meta(classifier, task)
  store = PartStore(folder, _conditions(meta))
  results = _earlier_results(folder / RESULTS, store.digest, task.ood_sets)
  results["meta"] = meta | {"parts": store.digest}
  for suite in suites:
    progress = tqdm.tqdm(
      parts[suite], desc=suite, unit="set", disable=quiet or not sys.stderr.isatty()
    )
    for name in progress:
      # Parts of the same name look at the same images: side by side, they share the network's
      # answers.
      for other in suites:
        if name in parts[other] and store.get(other, name) is None:
          store.put(other, name, parts[other][name]())
    results[suite] = SUITES[suite].summarise(
      {name: store.get(suite, name) for name in parts[suite]}
    )
    write_json(folder / RESULTS, results)
    fourier.write_map(folder, results)
  if report is not None:
    report(folder, pathlib.Path(workdir), results, classifier, task)
  return results


def summary_lines(results: dict) -> list[str]:
  """The headline of each suite in `results`, for a terminal."""
  return [
    line
    for suite, evaluator in SUITES.items()
    if suite in results
    for line in evaluator.lines(results[suite])
  ]


def _task(
  classifier: LoadedClassifier,
  data_dir: str | None,
  limit: int,
  corruption_source: str,
  ood_sets: tuple[str, ...] | None,
) -> Task:
  config = classifier.config
  with config.unlocked():  # of which the results keep a copy
    config.data.data_dir = config.data.data_dir if data_dir is None else data_dir
    config.evaluation.ood_sets = config.evaluation.ood_sets if ood_sets is None else tuple(ood_sets)

  def load_test(name: str) -> ArrayData:
    data = _load_at_size(config.data, name, classifier.image_size)
    if name == config.data.name and data.num_classes != classifier.num_classes:
      raise UserError(
        f"data set {name!r} has {data.num_classes} classes, the network {classifier.num_classes}; "
        f"give the --data_dir of the data it was trained on"
      )
    return data.take(min(limit, len(data.labels)))

  return Task(
    logits=classifier.logits,
    data_name=config.data.name,
    data_dir=config.data.data_dir,
    num_classes=classifier.num_classes,
    image_size=classifier.image_size,
    load_test=load_test,
    limit=limit,
    ood_sets=config.evaluation.ood_sets,
    corruption_source=corruption_source,
    download=config.data.download,
  )


def _load_at_size(settings, name: str, image_size: tuple[int, int]) -> ArrayData:
  height, width = image_size
  if height == width:
    return experiment.load_data(settings, "test", name=name, image_size=height)
  data = experiment.load_data(settings, "test", name=name)
  if data.image_size != image_size:
    raise UserError(
      f"data set {name!r} has {data.image_size} pixels, the network takes {image_size}; "
      f"only square images can be resized"
    )
  return data


def _earlier_results(path: pathlib.Path, digest: str, ood_sets: tuple[str, ...]) -> dict:
  """The suites that `path` holds of the same evaluation; nothing of another, whose parts stay in
  their own file.

  Without the suites of other out-of-distribution sets, which "meta" would no longer name.
  """
  try:
    results = json.loads(path.read_text(encoding="utf-8"))
    if results["meta"]["parts"] != digest:
      return {}
    if tuple(results["meta"]["config"]["evaluation"]["ood_sets"]) != tuple(ood_sets):
      results = {suite: summary for suite, summary in results.items() if suite not in _OF_OOD_SETS}
    return results
  except (OSError, ValueError, KeyError, TypeError):
    return {}


def _conditions(meta: dict) -> dict:
  """What the result of a part depends on, of "meta": an evaluation's settings choose parts, and
  change none.
  """
  config = {
    key: value
    for key, value in flatten(meta["config"]).items()
    if not is_bookkeeping(key, meta["config"]["data"]["name"]) and not key.startswith("evaluation.")
  }  # the folder of the data is in "meta" itself
  return meta | {"config": config}


def _meta(classifier: LoadedClassifier, task: Task) -> dict:
  """What was evaluated, on what and with what."""
  versions = {package: importlib.metadata.version(package) for package in _PACKAGES}
  versions |= {"apr_jax": __version__, "python": platform.python_version()}
  return {
    "config": classifier.config.to_dict(),
    "seed": classifier.config.seed,
    "step": classifier.step,
    "data": data.source_of(task.data_name, task.data_dir),
    "weights": classifier.weights,
    "versions": versions,
    "git": _git_commit(),
    "device": jax.devices()[0].device_kind,
    "data_dir": task.data_dir,
    "corruptions": corruption_sources.describe(
      task.data_name, task.data_dir, task.corruption_source
    ),
    "examples": f"the first {task.limit} of each set" if task.limit else "all",
  }


def _git_commit() -> str | None:
  """The commit of the working tree this package lies in; None outside of one.

  If tracked files differ from it, "+changes-" and a digest of the difference follow; untracked
  files do not count.
  """
  git = lambda *arguments: (
    subprocess.run(
      ["git", "-C", str(pathlib.Path(__file__).parent), *arguments],
      capture_output=True,
      check=True,
      timeout=10,
    ).stdout
  )
  try:
    commit, changes = (
      git("rev-parse", "HEAD").decode().strip(),
      git("diff", "HEAD", "--binary", "--no-ext-diff"),
    )
    return commit + (f"+changes-{hashlib.sha256(changes).hexdigest()[:8]}" if changes else "")
  except (OSError, subprocess.SubprocessError):
    return None
