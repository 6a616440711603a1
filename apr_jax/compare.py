"""Prints the scores of evaluations as one table, beside the published numbers:

    python -m apr_jax.compare runs/a runs/b ... [--out compare.html]

Each folder is that of a run with eval/results.json, or one that `evaluate.py --out` wrote. Runs
that differ in the seed alone share a row; runs of the same seed too stand apart, with their
folders. What a run changes in the configuration file of its name stands behind the name, where
`configs/` lies beside the package. --out also writes a page with all scores side by side: one file,
which needs no other and no network.
"""

import collections
import dataclasses
from collections.abc import Sequence

from absl import flags

from apr_jax import cli, config_files, files
from apr_jax.errors import UserError, one_line
from apr_jax.report import table
from apr_jax.report.results import Scores, read_scores
from apr_jax.report.write import comparison_page

FLAGS = flags.FlagValues()

_OUT = flags.DEFINE_string(
  "out", None, "HTML file for a page with all scores side by side.", flag_values=FLAGS
)


def compare(folders: Sequence[str], out: str | None = None) -> str:
  """The table in Markdown, and one line per run that says what was evaluated.

  Args:
    folders: of the runs.
    out: of the page, an HTML file; None writes none.

  Raises:
    UserError: no folder is given, one holds no results, or the page cannot be written.
  """
  if not folders:
    raise UserError("no runs are named; give their folders: python -m apr_jax.compare DIR DIR ...")
  runs = [read_scores(folder) for folder in dict.fromkeys(map(files.path, folders))]
  rows = table.make_rows(
    _apart([table.entry_of(run, config_files.original_config(run.experiment)) for run in runs])
  )
  if out is not None:
    if files.is_dir(out):
      raise UserError(
        f"the page {out} cannot be written: it is a folder; give --out a file, such as compare.html"
      )
    try:
      files.write_text(files.path(out), comparison_page(runs, rows))
    except OSError as error:
      raise UserError(
        f"the page {out} cannot be written: {one_line(error)}; give another --out"
      ) from error
  return table.to_markdown(rows) + "\n" + "".join(map(_origin, runs))


def _apart(entries: list[table.Entry]) -> list[table.Entry]:
  """The same; where a row would have a seed twice, which is no mean over seeds, its runs get rows
  of their own.
  """

  def row(entry: table.Entry) -> tuple[str, str, str]:
    return entry.experiment, entry.changes, entry.network

  seeds = collections.Counter((row(entry), entry.seed) for entry in entries)
  twice = {key for (key, _), count in seeds.items() if count > 1}
  return [
    dataclasses.replace(entry, folder=str(entry.scores.folder))
    if entry.scores is not None and row(entry) in twice
    else entry
    for entry in entries
  ]


def _origin(scores: Scores) -> str:
  meta = scores.results["meta"]
  versions = ", ".join(
    f"{package} {meta['versions'][package]}" for package in ("apr_jax", "jax", "flax")
  )
  training = "".join(f"{name} {meta[name]}, " for name in ("seed", "step") if name in meta)
  commit = meta["git"] or "unknown"
  return f"- {scores.folder}: {training}{versions}, commit {commit}, {meta['device']}\n"


def _main(*folders: str) -> None:
  print(compare(folders, _OUT.value), end="")
  if _OUT.value:
    print(f"\nThe page is {_OUT.value}")


if __name__ == "__main__":
  cli.run(_main, FLAGS, positional=True)
