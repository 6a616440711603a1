"""All runs of a sweep, one after the other, and the tables that are kept of them."""

import dataclasses
import pathlib
import time
from collections.abc import Sequence

from apr_jax.errors import UserError, one_line
from apr_jax.evaluation import runner
from apr_jax.files import write_text
from apr_jax.report import table
from apr_jax.report.results import Scores, read_scores
from apr_jax.sweep import process
from apr_jax.sweep.plan import Run

TABLE, TABLE_CSV = "table.md", "table.csv"


def run_all(
  runs: Sequence[Run],
  suites: Sequence[str],
  workdir: pathlib.Path,
  command: Sequence[str] = process.COMMAND,
) -> list[table.Entry]:
  """Brings every run to its end that is not there yet; says what happens, and keeps the tables.

  Args:
    runs: of `make_plan`.
    suites: names of evaluations.
    workdir: folder of the sweep.
    command: what trains and evaluates a run; see `process.execute`.

  Returns:
    the state of each run.

  Raises:
    UserError: another sweep is at work in the folder, or it cannot be written.
    Stopped: by a signal.
  """
  with process.only_sweep(workdir) as lock, process.stopping_on_signals():
    entries = [_entry(run, run.finished(suites)) for run in runs]
    _write_tables(entries, workdir)
    for number, run in enumerate(runs):
      where = f"[{number + 1}/{len(runs)}] {run.folder.name}"
      if entries[number].state == table.FINISHED:
        print(f"{where}: is finished", flush=True)
        continue
      print(f"{where}: runs, see {run.folder / process.LOG}", flush=True)
      started = time.monotonic()
      entries[number] = entry = _execute(run, suites, lock, command)
      took = f"{entry.state} after {time.monotonic() - started:.0f} s"
      print(f"{where}: {took}" + (f": {entry.reason}" if entry.reason else ""), flush=True)
      _write_tables(entries, workdir)
      print(f"\n{_markdown(entries)}", flush=True)
  return entries


def _execute(
  run: Run, suites: Sequence[str], lock: int | None, command: Sequence[str]
) -> table.Entry:
  reason = process.execute(run, suites, lock, command)
  scores = run.finished(suites)
  return _entry(run, scores, reason or "it ended without results")


def _entry(run: Run, scores: Scores | None, reason: str = "") -> table.Entry:
  """The run's place in the table; `reason` says why it failed, should it have no scores."""
  if scores:
    state, reason = table.FINISHED, ""
  else:
    state = table.FAILED if reason else table.NOT_RUN
  return table.Entry(
    run.config.name,
    run.changes,
    run.config.model.name,
    run.config.seed,
    state,
    scores,
    reason,
    run.config.data.name,
  )


def _write_tables(entries: Sequence[table.Entry], workdir: pathlib.Path) -> None:
  try:
    write_text(workdir / TABLE, _markdown(entries))
    write_text(workdir / TABLE_CSV, table.to_csv(_rows(entries)))
  except OSError as error:
    raise UserError(
      f"the tables in {workdir} cannot be written: {one_line(error)}; make room or use another "
      f"--workdir, and the same command goes on"
    ) from error


def _markdown(entries: Sequence[table.Entry]) -> str:
  return table.to_markdown(_rows(entries))


def _rows(entries: Sequence[table.Entry]) -> list[table.Row]:
  """The rows of the runs, and behind each those of its averaged weights, where it keeps such."""
  shown: list[table.Entry] = []
  for entry in entries:
    shown.append(entry)
    if entry.scores is None or entry.scores.config is None:
      continue
    if entry.scores.config["optimizer"].get("average_decay"):
      scores = read_scores(runner.beside(entry.scores.folder / "eval"))
      shown.append(dataclasses.replace(entry, experiment=scores.title, scores=scores))
  return table.make_rows(shown)
