"""The report of one evaluation, `report.html`, and the page that puts several beside each other.

A page is one file, with nothing to load. A comparison has a few lines that sort its tables.
"""

import functools
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import tqdm

from apr_jax import config_files
from apr_jax.classifiers.interface import ability
from apr_jax.evaluation.runner import Evaluation
from apr_jax.files import write_text
from apr_jax.report import curves, html, ood, opening, panels, sorting, table
from apr_jax.report.results import Scores
from apr_jax.report.sections import SECTIONS, Runs

REPORT = "report.html"


def write_report(evaluation: Evaluation, original: Mapping[str, Any] | None = None) -> None:
  """Writes `report.html` beside the results.

  Args:
    evaluation: what is reported.
    original: the nested values of the configuration file of the run's name, for what the run
      changes in it; None: of the file in `configs/`. Where that is not there, no difference to
      published numbers is shown.
  """
  scores = Scores(evaluation.folder, evaluation.results)
  if original is None:
    original = config_files.original_config(scores.experiment)
  runs = {scores.title: evaluation.results}
  rows = table.make_rows([table.entry_of(scores, original)])
  draw = [
    lambda: _headline(rows, runs),
    *(functools.partial(section, runs) for section in SECTIONS),
    *(functools.partial(panels.draw, title, evaluation) for title in panels.PANELS),
    lambda: curves.curves(ability(evaluation.classifier, "workdir")),
    lambda: _about(runs),
  ]
  hidden = evaluation.task.quiet or not sys.stderr.isatty()
  drawn = [part() for part in tqdm.tqdm(draw, desc="report", unit="section", disable=hidden)]
  write_text(evaluation.folder / REPORT, html.page(f"{scores.title}: evaluation", drawn))


def comparison_page(all_scores: Sequence[Scores], rows: Sequence[table.Row]) -> str:
  """The page of several runs, side by side; `rows` is their table."""
  runs = dict(zip(_titles(all_scores), (scores.results for scores in all_scores)))
  return html.page(
    f"Comparison of {len(runs)} runs",
    [_headline(rows, runs), *(section(runs) for section in SECTIONS), _about(runs)],
    sorting.SCRIPT,
  )


def _titles(all_scores: Sequence[Scores]) -> list[str]:
  """The classifiers' names, and behind those that appear several times what tells the runs
  apart.
  """
  titles = []
  for scores in all_scores:
    alike = [other for other in all_scores if other.title == scores.title and other.config]
    differing = []
    if scores.config and len({other.network for other in alike}) > 1:
      differing.append(scores.network)
    if scores.config and len({other.seed for other in alike}) > 1:
      differing.append(f"seed {scores.seed}")
    titles.append(f"{scores.title} ({', '.join(differing)})" if differing else scores.title)
  return [
    title if titles.count(title) == 1 else f"{title} ({scores.folder})"
    for title, scores in zip(titles, all_scores)
  ]


def _headline(rows: Sequence[table.Row], runs: Runs) -> str:
  """The result in a sentence and a chart, then the scores beside the published ones; of a single
  run below each other. Its notes are text, which is long.
  """
  said = opening.sentence(runs)
  header, *lines = (line[:-1] for line in table.to_lines(rows))
  if len(lines) == 1:
    header, *lines = map(list, zip(header, lines[0]))
  notes = [
    html.paragraph(f"{row.label}, {row.network}: {'; '.join(row.notes)}.")
    for row in rows
    if row.notes
  ]
  notes += [
    html.paragraph(
      f"{f'{name}: ' if len(runs) > 1 else ''}out-of-distribution scores of {sentence}"
    )
    for name, results in runs.items()
    for sentence in ood.incomplete(results.get("ood", {}))
  ]
  first = html.lead(said) if said else ""
  scores, chart = html.table(header, lines), opening.chart(runs)
  if len(runs) == 1:
    return html.section("Scores", first, html.side_by_side(chart, scores), *notes)
  return html.section("Scores", first, scores, chart, *notes)


def _about(runs: Runs) -> str:
  """What the results depend on."""
  return html.section(
    "Configuration and versions",
    *(html.details(name, json.dumps(results["meta"], indent=2)) for name, results in runs.items()),
  )
