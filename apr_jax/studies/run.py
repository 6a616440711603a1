"""Runs a study: computes what is not on disk yet, then writes its numbers, its figure and its page.

A study that is started again with the same options, data, networks, code and versions skips the
parts that are finished.
"""

import dataclasses
import importlib.metadata
import json
import pathlib
import platform
import sys
from collections.abc import Mapping
from typing import Any

import jax
import tqdm

from apr_jax.errors import UserError, one_line
from apr_jax.evaluation.part_store import PartStore
from apr_jax.evaluation.provenance import git_commit
from apr_jax.files import make_folder, write_bytes, write_json, write_text
from apr_jax.report import html, plots
from apr_jax.run.claim import Claim
from apr_jax.studies.study import Request, Study
from apr_jax.version import __version__

NUMBERS, PAGE, FIGURE_SVG, FIGURE_PNG = "study.json", "study.html", "figure.svg", "figure.png"
_PACKAGES = ("jax", "jaxlib", "flax", "numpy", "scikit-learn", "matplotlib")
# {part of the request: its flag}
_FLAGS = {"data_dir": "--data_dir", "config": "--config", "changes": "--set", "runs": "--runs"}


def run(name: str, study: Study, request: Request) -> dict[str, Any]:
  """Runs a study and writes its files into the folder of the request.

  Args:
    name: of the study.
    study: with its options.
    request: what else was asked for.

  Returns:
    what `study.json` holds: "study", "options", "meta" (what the numbers depend on: conditions,
    versions, commit, device) and "results", the summary.

  Raises:
    UserError: something the user gave cannot be used.
    Stopped: a signal arrived in a training; what is finished is on disk.
  """
  for part, flag in _FLAGS.items():
    if getattr(request, part) and part not in study.takes:
      raise UserError(f"the study {name} takes no {flag}; leave it out")
  folder = request.workdir
  try:
    make_folder(folder)
  except OSError as error:
    raise UserError(
      f"the folder {folder} cannot be written: {one_line(error)}; use another --workdir"
    ) from error
  with Claim(folder, "study", print) as claim:
    claim.take()
    return _run(name, study, request, claim)


def _run(name: str, study: Study, request: Request, claim: Claim) -> dict[str, Any]:
  """`run` in a folder that is claimed."""
  folder = request.workdir
  meta = _meta(name, study, request)
  parts = dict(study.parts(request))
  store = PartStore(folder, meta)
  progress = tqdm.tqdm(
    parts.items(), desc=name, unit="part", disable=request.quiet or not sys.stderr.isatty()
  )
  for part, compute in progress:
    if store.get(name, part) is None:
      store.put(name, part, compute())
  claim.check()
  summary = study.summarise({part: store.get(name, part) for part in parts})
  written = {
    "study": name,
    "options": meta["options"],
    "meta": {key: value for key, value in meta.items() if key not in ("study", "options")},
    "results": summary,
  }
  write_json(folder / NUMBERS, written)
  figure = study.figure(summary)
  write_bytes(folder / FIGURE_SVG, plots.to_svg(figure))
  write_bytes(folder / FIGURE_PNG, plots.to_png(figure))
  write_text(folder / PAGE, page(study, written, plots.to_svg(figure)))
  return written


def page(study: Study, written: Mapping[str, Any], figure: bytes) -> str:
  """The page of a study: question, finding, figure, tables and what they depend on.

  Args:
    study: with its options.
    written: what `run` returns.
    figure: SVG.
  """
  summary = written["results"]
  return html.page(
    f"{study.title}: a study",
    [
      html.section(
        "Question",
        html.paragraph(study.asks),
        html.paragraph(f"Published: {study.published}"),
      ),
      html.section(
        "Finding",
        *(html.paragraph(line) for line in (*study.lines(summary), agreement(summary))),
        html.vector_picture(figure, study.title, is_map=True),  # pictures stand in it
        *study.blocks(summary),
      ),
      html.section(
        "Conditions",
        html.details("Options", json.dumps(written["options"], indent=2)),
        html.details("Data, networks, versions, code", json.dumps(written["meta"], indent=2)),
      ),
    ],
  )


def agreement(summary: Mapping[str, Any]) -> str:
  """Whether the sign of the published finding is ours, in a sentence."""
  sentences = {
    True: "The sign agrees with the published finding.",
    False: "The sign does not agree with the published finding.",
    None: "Whether the sign agrees cannot be told from this run.",
  }
  return sentences[summary["agrees"]]


def _meta(name: str, study: Study, request: Request) -> dict[str, Any]:
  versions = {package: importlib.metadata.version(package) for package in _PACKAGES}
  meta = {
    "study": name,
    "options": dataclasses.asdict(study),
    "quick": request.quick,
    "conditions": dict(study.conditions(request)),
    "versions": versions | {"apr_jax": __version__, "python": platform.python_version()},
    "git": git_commit(pathlib.Path(__file__).parent),
    "device": jax.devices()[0].device_kind,
  }
  return json.loads(json.dumps(meta))
