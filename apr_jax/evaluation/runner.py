"""Runs evaluators over a classifier and writes `results.json`. It knows none of them by name."""

import dataclasses
import hashlib
import json
import pathlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import tqdm

from apr_jax import files
from apr_jax.classifiers.interface import Classifier, check_classifier, need
from apr_jax.companions import Companions
from apr_jax.errors import UserError, one_line
from apr_jax.evaluation import provenance
from apr_jax.evaluation.division import Board, Division
from apr_jax.evaluation.evaluator import Evaluator, options
from apr_jax.evaluation.part_store import PartStore, key_of
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.suites import SUITES, Suites, choose
from apr_jax.evaluation.task import Task
from apr_jax.files import make_folder, write_json
from apr_jax.run.claim import Claim

RESULTS = "results.json"


def beside(out: pathlib.Path) -> pathlib.Path:
  """Where the results of a run's averaged weights stand, whose own weights' stand in `out`."""
  return out.with_name(f"{out.name}-average")


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
  out: files.Place,
  *,
  quiet: bool = False,
  companions: Companions | None = None,
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
    companions: of process 0 of several; the others call `assist` with the same arguments. None:
      there is one process.

  Returns:
    the evaluation. "meta" of its results is that of `provenance.describe`, and "suites" {suite:
    options of its evaluator}, "parts" the digest of the conditions.

  Raises:
    UserError: something the user gave cannot be used.
  """
  if jax.process_count() > 1 and companions is None:
    raise UserError(
      "an evaluation runs in one process, and this one has joined others; start it by itself, or "
      "divide it: evaluate.py --coordinator"
    )
  plan = _Plan(classifier, settings, suites, out, quiet, companions)
  with Claim(plan.folder, "evaluation", _say, "--out") as claim:
    claim.take()
    return _evaluate(classifier, plan, companions, claim)


def _evaluate(
  classifier: Classifier, plan: "_Plan", companions: Companions | None, claim: Claim
) -> Evaluation:
  """`evaluate` in a folder that is claimed."""
  known = {**SUITES, **plan.chosen}
  store = PartStore(plan.folder, provenance.conditions(plan.meta))
  meta = plan.meta | {"parts": store.digest}
  results = _earlier_results(plan.folder / RESULTS, meta, known)

  def summarise(suite: str) -> None:
    claim.check()
    evaluator, key = plan.chosen[suite], plan.keys[suite]
    summary = evaluator.summarise({name: store.get(key, name) for name in plan.parts[suite]})
    results[suite] = summary
    results["meta"]["suites"][suite] = options(evaluator)
    provenance.seal(results)
    write_json(plan.folder / RESULTS, results)
    # First what is no longer there, for two suites of one class write the same files.
    kept = {made["evaluator"] for made in results["meta"]["suites"].values()}
    for name in sorted(known, key=lambda name: name in results):
      if name in results or type(known[name]).__name__ not in kept:
        known[name].write(plan.folder, results.get(name))

  if companions is None:
    for suite in plan.parts:
      for name in plan.progress(plan.parts[suite], suite):
        for key in plan.missing(name, store):
          store.put(key, name, plan.results_of(name, [key])[key])
      summarise(suite)
  else:
    for suite in _divided(plan, store, companions):
      summarise(suite)
  return Evaluation(results, plan.task, classifier, plan.folder, known)


def assist(
  classifier: Classifier,
  settings: Settings,
  suites: Suites,
  out: files.Place,
  *,
  companions: Companions,
) -> None:
  """Computes parts of the evaluation that process 0 writes; arguments as of `evaluate`.

  Raises:
    UserError: something the user gave cannot be used, or is not what process 0 was given.
  """
  plan = _Plan(classifier, settings, suites, out, True, companions)
  assert plan.division is not None
  for _ in plan.division.work(plan.digest, plan.results_of):
    pass


class _Plan:
  """What there is to compute."""

  def __init__(
    self,
    classifier: Classifier,
    settings: Settings,
    suites: Suites,
    out: files.Place,
    quiet: bool,
    companions: Companions | None,
  ):
    self.chosen = choose(suites)
    check_classifier(classifier)
    for suite, evaluator in self.chosen.items():
      for ability in evaluator.needs:
        need(classifier, ability, f"the suite {suite}")
    self.folder = _made(files.path(out))
    self.division = None if companions is None else Division(companions)
    self.task = Task(classifier, settings, folder=self.folder, quiet=quiet, division=self.division)
    # All of them before the first is computed: what is missing for the last suite is said at once,
    # not after hours.
    self.parts = {
      suite: dict(evaluator.parts(self.task)) for suite, evaluator in self.chosen.items()
    }
    self.keys = {suite: key_of(evaluator) for suite, evaluator in self.chosen.items()}
    self.meta = provenance.describe(self.task)
    self._quiet = quiet

  @property
  def digest(self) -> str:
    """Of the conditions and of what is evaluated, which all processes must have alike."""
    parts = {suite: list(parts) for suite, parts in self.parts.items()}
    about = [provenance.conditions(self.meta), self.keys, parts]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:8]

  def names(self) -> list[str]:
    """The names of all parts, in order, each once."""
    return list(dict.fromkeys(name for parts in self.parts.values() for name in parts))

  def missing(self, name: str, store: PartStore) -> list[str]:
    """The keys of the evaluators that lack the part of this name."""
    return list(
      dict.fromkeys(
        key
        for suite, key in self.keys.items()
        if name in self.parts[suite] and store.get(key, name) is None
      )
    )

  def results_of(self, name: str, keys: Sequence[str]) -> dict[str, Any]:
    """{key: result} of the parts of this name of these evaluators.

    Parts of the same name look at the same images: side by side, they share the network's answers.
    """
    functions = {
      key: self.parts[suite][name]
      for suite, key in self.keys.items()
      if key in keys and name in self.parts[suite]
    }
    return {key: functions[key]() for key in keys}

  def progress(self, names: Iterable[str], title: str) -> tqdm.tqdm:
    """Shows how many are done."""
    off = self._quiet or not sys.stderr.isatty()
    return tqdm.tqdm(names, desc=title, unit="set", disable=off)


def _divided(plan: _Plan, store: PartStore, companions: Companions) -> Iterator[str]:
  """Has all parts computed, by this process and the others; yields the suites that are complete, in
  order.
  """
  assert plan.division is not None
  wanted = {name: plan.missing(name, store) for name in plan.names()}
  wanted = {name: keys for name, keys in wanted.items() if keys}
  progress = plan.progress((), "parts")
  progress.total = len(wanted)

  def record(name: str, results: dict[str, Any]) -> None:
    for key, result in results.items():
      store.put(key, name, result)
    progress.update()

  board = Board(wanted, companions.count, plan.digest, record)
  companions.serve(board.answer)
  left = list(plan.parts)

  def complete() -> Iterator[str]:
    while left and not any(plan.missing(name, store) for name in plan.parts[left[0]]):
      yield left.pop(0)

  yield from complete()
  for _ in plan.division.work(plan.digest, plan.results_of):
    yield from complete()
  yield from complete()
  progress.close()


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


def _say(line: str) -> None:
  print(line, file=sys.stderr)


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
    results = files.read_json(stored)
    if not provenance.is_sealed(results):
      raise ValueError("it is not what was written")
    before = results.pop("meta")
    if before["parts"] == meta["parts"]:
      kept = {
        suite: summary
        for suite, summary in results.items()
        if _would_be_the_same(suite, before, meta, known)
      }
      suites = {suite: before["suites"][suite] for suite in kept}
  except FileNotFoundError:
    pass
  except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
    kept, suites = {}, {}
    _say(
      f"{stored} is damaged ({one_line(error)}): the scores of this command are made again, of the "
      f"parts on disk"
    )
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
