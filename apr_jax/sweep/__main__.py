"""Trains and evaluates many runs one after the other, and keeps a table of them beside the
published numbers:

    python -m apr_jax.sweep --configs 'configs/cifar10_*.py' --models allconv,wide_resnet_40_2
        --seeds 0,1,2 \\ --workdir runs/cifar10 --data_dir DIR --set checkpoint.keep=1

Each configuration × network × seed is a run in WORKDIR/CONFIG-NETWORK-sSEED, as `train.py` and
`evaluate.py` make it, in a process of its own; its output is in log.txt there. WORKDIR/table.md and
WORKDIR/table.csv are rewritten after every run. The same command goes on where an earlier one
stopped: finished runs are skipped, interrupted ones continue from their checkpoint, failed ones are
tried again. The exit code is 1 if a run failed.
"""

import pathlib
import sys
import time
from collections.abc import Sequence

from absl import flags

from apr_jax import cli
from apr_jax.errors import Stopped, UserError, lookup, one_line
from apr_jax.evaluation import suites as evaluation_suites
from apr_jax.files import write_text
from apr_jax.report import table
from apr_jax.report.results import Scores
from apr_jax.sweep import process
from apr_jax.sweep.plan import Run, make_plan

FLAGS = flags.FlagValues()
_CONFIGS = flags.DEFINE_list(
  "configs", None, "Configuration files; quote * and ?.", flag_values=FLAGS
)
_MODELS = flags.DEFINE_list(
  "models", [], "Names of networks; default: each configuration's own.", flag_values=FLAGS
)
_SEEDS = flags.DEFINE_list("seeds", ["0"], "Whole numbers.", flag_values=FLAGS)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the sweep.", flag_values=FLAGS)
_SUITES = flags.DEFINE_list(
  "suites",
  list(evaluation_suites.DEFAULT_SUITES),
  f"What to evaluate, of {', '.join(evaluation_suites.SUITES)}.",
  flag_values=FLAGS,
)
_DATA_DIR = flags.DEFINE_string(
  "data_dir", None, "Where data sets and published corruptions lie.", flag_values=FLAGS
)
_SET = flags.DEFINE_multi_string(
  "set", [], "KEY=VALUE for all configurations; may be given several times.", flag_values=FLAGS
)
_DRY_RUN = flags.DEFINE_bool(
  "dry_run", False, "Say what would run, and do nothing.", flag_values=FLAGS
)
flags.mark_flags_as_required(["configs", "workdir"], flag_values=FLAGS)

TABLE, TABLE_CSV = "table.md", "table.csv"


def sweep(runs: Sequence[Run], suites: Sequence[str], workdir: pathlib.Path) -> list[table.Entry]:
  """Brings every run to its end that is not there yet, and keeps the tables.

  Args:
    runs: of `make_plan`.
    suites: names of `evaluation.suites.SUITES`.
    workdir: folder of the sweep.

  Returns:
    the state of each run.

  Raises:
    UserError: another sweep is at work in the folder, or it cannot be written.
    Stopped: by a signal.
  """
  with process.only_sweep(workdir) as lock, process.stopping_on_signals():
    entries = [_entry(run, run.finished(suites)) for run in runs]
    write_tables(entries, workdir)
    for number, run in enumerate(runs):
      where = f"[{number + 1}/{len(runs)}] {run.folder.name}"
      if entries[number].state == table.FINISHED:
        print(f"{where}: is finished", flush=True)
        continue
      print(f"{where}: runs, see {run.folder / process.LOG}", flush=True)
      started = time.monotonic()
      reason = process.execute(run, suites, lock)
      scores = run.finished(suites)
      if not scores:
        reason = reason or "it ended without results"
      entries[number] = _entry(run, scores, reason)
      print(
        f"{where}: {entries[number].state} after {time.monotonic() - started:.0f} s"
        + (f": {reason}" if reason else ""),
        flush=True,
      )
      write_tables(entries, workdir)
      print(f"\n{_markdown(entries)}", flush=True)
  return entries


def write_tables(entries: Sequence[table.Entry], workdir: pathlib.Path) -> None:
  """Writes both tables.

  Raises:
    UserError: they cannot be written.
  """
  try:
    write_text(workdir / TABLE, _markdown(entries))
    write_text(workdir / TABLE_CSV, table.to_csv(table.make_rows(entries)))
  except OSError as error:
    raise UserError(f"the tables in {workdir} cannot be written: {one_line(error)}") from error


def _markdown(entries: Sequence[table.Entry]) -> str:
  return table.to_markdown(table.make_rows(entries))


def _entry(run: Run, scores: Scores | None, reason: str | None = None) -> table.Entry:
  state = table.FINISHED if scores else table.FAILED if reason else table.NOT_RUN
  return table.Entry(
    run.config.name,
    run.changes,
    run.config.model.name,
    run.config.seed,
    state,
    scores,
    "" if scores else reason or "",
    run.config.data.name,
  )


def _main() -> None:
  for suite in _SUITES.value:
    lookup(evaluation_suites.SUITES, suite, "suite")
  if not _SUITES.value:
    raise UserError(f"no suites are named; give --suites, of {', '.join(evaluation_suites.SUITES)}")
  data_dir = [] if _DATA_DIR.value is None else [f"data.data_dir={_DATA_DIR.value}"]
  runs = make_plan(
    _CONFIGS.value, _MODELS.value, _SEEDS.value, [*_SET.value, *data_dir], _WORKDIR.value
  )
  if _DRY_RUN.value:
    for run in runs:
      print(
        f"{run.folder}: {'is finished' if run.finished(_SUITES.value) else 'to run'}"
        + (f" ({run.changes})" if run.changes else "")
      )
    return
  try:
    entries = sweep(runs, _SUITES.value, pathlib.Path(_WORKDIR.value))
  except Stopped as stopped:
    print(stopped, file=sys.stderr)
    sys.exit(stopped.exit_code)
  failed = sum(entry.state == table.FAILED for entry in entries)
  print(
    f"{len(entries) - failed} of {len(entries)} runs are finished; the table is in "
    f"{_WORKDIR.value}/{TABLE}"
  )
  if failed:
    print(f"{failed} failed; the same command tries them again", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
  cli.run(_main, FLAGS)
