"""The section of the training: its curves."""

import json
import pathlib

from apr_jax.report import html, plots
from apr_jax.training.logs import METRICS

_CURVES = {
    ("train", "loss"): "training loss",
    ("train", "accuracy"): "training accuracy (%)",
    ("eval", "clean_error"): "test error (%)",
    ("train", "learning_rate"): "learning rate",
}
"""{(kind of line, value): label of the axis}."""


def curves(workdir: pathlib.Path) -> str:
  """What `metrics.jsonl` recorded, over the epochs; empty for a run that was not trained here."""
  path = workdir / METRICS
  lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
  charts = []
  for (kind, value), label in _CURVES.items():
    points = [(line["epoch"], line[value]) for line in lines if line["kind"] == kind]
    if points:
      epochs, values = zip(*points)
      charts.append(html.vector_picture(
          plots.lines({label: (epochs, values)}, "epoch", label, markers=len(points) < 30), f"{label} over the epochs"))
  return html.section("Training", html.side_by_side(*charts)) if charts else ""
