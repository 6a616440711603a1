"""Runs evaluators over a classifier and writes `results.json`. It knows none of them by name."""

import dataclasses
import json
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import jax
import tqdm

from apr_jax.classifiers.interface import Classifier, check_classifier, need
from apr_jax.errors import UserError, one_line
from apr_jax.evaluation import provenance
from apr_jax.evaluation.evaluator import Evaluator, options
from apr_jax.evaluation.part_store import PartStore, key_of
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.suites import SUITES, Suites, choose
from apr_jax.evaluation.task import Task
from apr_jax.files import make_folder, path, write_json

RESULTS = "results.json"


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """A finished evaluation.

  Attributes:
    results: what `results.json` holds: {suite: summary} and "meta".
    task: what the evaluators knew; it still holds the test images.
    classifier: what was evaluated.
    folder: of the results.
    suites: the evaluators of the summaries, {suite: evaluator}.
  """

  results: dict[str, Any]
  task: Task
  classifier: Classifier
  folder: pathlib.Path
  suites: Mapping[str, Evaluator]

  def lines(self) -> list[str]:
    """The headline of each suite, for a terminal."""
    return summary_lines(self.results, self.suites)


def evaluate(
  classifier: Classifier,
  settings: Settings,
  suites: Suites,
  out: str | pathlib.Path,
  *,
  quiet: bool = False,
) -> Evaluation:
  """Scores a classifier and writes the scores to `OUT/results.json`.

  Each part that is finished is on disk at once; an interrupted evaluation with the same arguments
  goes on there. Summaries that an earlier call has written stay, if they would be the same now:
  under the same conditions, with the same options of the evaluator, and with the same settings
  where it reads them.

  Args:
    classifier: any object of `classifiers.interface.Classifier`.
    settings: on what.
    suites: names of `SUITES`, or {name: evaluator}.
    out: folder of the results.
    quiet: show no progress.

  Returns:
    the evaluation. "meta" of its results is that of `provenance.describe`, and "suites" {suite:
    options of its evaluator}, "parts" the digest of the conditions.

  Raises:
    UserError: something the user gave cannot be used.
  """
  chosen = choose(suites)
  if jax.process_count() > 1:
    raise UserError(
      "an evaluation runs in one process, and this one has joined others; start it by itself"
    )
  check_classifier(classifier)
  for suite, evaluator in chosen.items():
    for ability in evaluator.needs:
      need(classifier, ability, f"the suite {suite}")
  folder = _made(path(out))
  task = Task(classifier, settings, folder=folder, quiet=quiet)

  # All of them before the first is computed: what is missing for the last suite is said at once,
  # not after hours.
  parts = {suite: dict(evaluator.parts(task)) for suite, evaluator in chosen.items()}
  keys = {suite: key_of(evaluator) for suite, evaluator in chosen.items()}
  known = {**SUITES, **chosen}
  meta = provenance.describe(task)
  store = PartStore(folder, provenance.conditions(meta))
  meta["parts"] = store.digest
  results = _earlier_results(folder / RESULTS, meta, known)
  for suite in parts:
    progress = tqdm.tqdm(
      parts[suite], desc=suite, unit="set", disable=quiet or not sys.stderr.isatty()
    )
    for name in progress:
      # Parts of the same name look at the same images: side by side, they share the network's
      # answers.
      for other, key in keys.items():
        if name in parts[other] and store.get(key, name) is None:
          store.put(key, name, parts[other][name]())
    summary = chosen[suite].summarise({name: store.get(keys[suite], name) for name in parts[suite]})
    results[suite] = summary
    results["meta"]["suites"][suite] = options(chosen[suite])
    write_json(folder / RESULTS, results)
    # First what is no longer there, for two suites of one class write the same files.
    kept = {made["evaluator"] for made in results["meta"]["suites"].values()}
    for name in sorted(known, key=lambda name: name in results):
      if name in results or type(known[name]).__name__ not in kept:
        known[name].write(folder, results.get(name))
  return Evaluation(results, task, classifier, folder, known)


def summary_lines(
  results: Mapping[str, Any], suites: Mapping[str, Evaluator] = SUITES
) -> list[str]:
  """The headline of each suite in `results`, for a terminal; of those whose evaluator is given."""
  return [
    line
    for suite, evaluator in suites.items()
    if suite in results
    for line in evaluator.lines(results[suite])
  ]


def _made(folder: pathlib.Path) -> pathlib.Path:
  try:
    make_folder(folder)
  except OSError as error:
    raise UserError(
      f"the folder {folder} cannot be written: {one_line(error)}; use another --out"
    ) from error
  return folder


def _earlier_results(stored: pathlib.Path, meta: dict, known: Mapping[str, Evaluator]) -> dict:
  """Those suites of `stored` that would be the same now, with their "meta"; see `evaluate`."""
  kept, suites = {}, {}
  try:
    results = json.loads(stored.read_text(encoding="utf-8"))
    before = results.pop("meta")
    if before["parts"] == meta["parts"]:
      kept = {
        suite: summary
        for suite, summary in results.items()
        if _would_be_the_same(suite, before, meta, known)
      }
      suites = {suite: before["suites"][suite] for suite in kept}
  except (OSError, ValueError, KeyError, TypeError, AttributeError):
    kept, suites = {}, {}
  return {"meta": meta | {"suites": suites}, **kept}


def _would_be_the_same(
  suite: str, before: dict, meta: dict, known: Mapping[str, Evaluator]
) -> bool:
  evaluator = known.get(suite)
  if evaluator is None:  # one of the user's in an earlier call, which may read all settings
    return before["settings"] == meta["settings"]
  return before["suites"][suite] == options(evaluator) and all(
    before["settings"][name] == meta["settings"][name] for name in evaluator.reads
  )
