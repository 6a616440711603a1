"""The report of one evaluation, `report.html`, and the page that puts several beside each other."""

import json
import pathlib
from collections.abc import Mapping

from apr_jax.evaluation.classifier import LoadedClassifier
from apr_jax.evaluation.suite import Task
from apr_jax.report import html, training
from apr_jax.report.panels import PANELS
from apr_jax.report.scores import SECTIONS, Runs
from apr_jax.training.workdir import write_text

REPORT = "report.html"


def write_report(folder: pathlib.Path, title: str, results: dict, headline: str, workdir: pathlib.Path,
                 classifier: LoadedClassifier, task: Task) -> pathlib.Path:
  """Writes `folder/report.html`: one file, with nothing to load and nothing that runs.

  Args:
    folder: of the results.
    title: of the run.
    results: as in `results.json`.
    headline: the table of the headline scores, HTML.
    workdir: of the run, for its training curves.
    classifier: the network.
    task: what it was evaluated on.

  Returns:
    the path of the page.
  """
  sections = [html.section("Scores", headline), *(section({title: results}) for section in SECTIONS),
              *(panel(classifier, task, results) for panel in PANELS), training.curves(workdir),
              _about({title: results})]
  write_text(folder / REPORT, html.page(f"{title}: evaluation", sections))
  return folder / REPORT


def comparison_page(runs: Runs, headline: str) -> str:
  """The page of several runs: their scores side by side."""
  return html.page(" and ".join(runs) if len(runs) < 4 else f"{len(runs)} runs",
                   [html.section("Scores", headline), *(section(runs) for section in SECTIONS), _about(runs)])


def _about(runs: Mapping[str, dict]) -> str:
  """What the results depend on."""
  return html.section("Configuration and versions", *(
      html.details(name, json.dumps(results["meta"], indent=2)) for name, results in runs.items()))
