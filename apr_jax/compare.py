"""Prints the scores of evaluated runs as one table, beside the published numbers:

    python -m apr_jax.compare runs/a runs/b ...

Each folder is that of a run with eval/results.json, or one that `evaluate.py --out` wrote. Runs that differ in the
seed alone share a row; runs of the same seed too stand apart, with their folders. What a run changes in the
configuration file of its name stands behind the name, where `configs/` lies beside the package.
"""

import collections
import dataclasses
import pathlib
from collections.abc import Sequence

import apr_jax
from apr_jax import cli
from apr_jax.comparison import table
from apr_jax.comparison.scores import Scores, deviations, read_scores
from apr_jax.errors import UserError


def compare(folders: Sequence[str]) -> str:
  """The table in Markdown, and one line per run that says what was evaluated.

  Raises:
    UserError: no folder is given, or one holds no results.
  """
  if not folders:
    raise UserError("no runs are named; give their folders: python -m apr_jax.compare DIR DIR ...")
  runs = [read_scores(folder) for folder in dict.fromkeys(map(pathlib.Path, folders))]
  rows = table.make_rows(_apart([_entry(run) for run in runs]))
  return table.to_markdown(rows) + "\n" + "".join(map(_origin, runs))


def _entry(scores: Scores) -> table.Entry:
  config = scores.config
  name = config.get("name", "")  # runs of earlier versions have none
  file = pathlib.Path(apr_jax.__file__).parents[1] / "configs" / f"{name}.py"
  changes = deviations(config, cli.load_config(str(file)).to_dict()) if name and file.is_file() else ""
  return table.Entry(name or scores.folder.name, changes, config["model"]["name"], config["seed"], table.FINISHED,
                     scores)


def _apart(entries: list[table.Entry]) -> list[table.Entry]:
  """The same; where a row would have a seed twice, which is no mean over seeds, its runs get rows of their own."""
  row = lambda entry: (entry.experiment, entry.changes, entry.network)
  seeds = collections.Counter((row(entry), entry.seed) for entry in entries)
  twice = {key for (key, _), count in seeds.items() if count > 1}
  return [dataclasses.replace(entry, changes=", ".join(filter(None, (entry.changes, str(entry.scores.folder)))))
          if row(entry) in twice else entry for entry in entries]


def _origin(scores: Scores) -> str:
  meta = scores.results["meta"]
  versions = ", ".join(f"{package} {meta['versions'][package]}" for package in ("apr_jax", "jax", "flax"))
  return (f"- {scores.folder}: seed {meta['seed']}, step {meta['step']}, {versions}, "
          f"commit {meta['git'] or 'unknown'}, {meta['device']}\n")


def _main(*folders: str) -> None:
  print(compare(folders), end="")


if __name__ == "__main__":
  cli.run(_main, positional=True)
