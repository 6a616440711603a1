"""The section of the training: its curves."""

import pathlib

from apr_jax.report import html, plots
from apr_jax.run.metrics import METRICS, read_metrics

_CURVES = {
  ("train", "loss"): "training loss",
  ("train", "accuracy"): "training accuracy (%)",
  ("eval", "clean_error"): "test error (%)",
  ("pgd", "pgd_accuracy"): "training accuracy under PGD (%)",
  ("train", "learning_rate"): "learning rate",
}
"""{(kind of line, value): label of the axis}."""


def curves(workdir: pathlib.Path | None) -> str:
  """What `metrics.jsonl` recorded, over the epochs; empty for what was not trained here, and for a
  classifier that has no folder.
  """
  if workdir is None:
    return ""
  lines = read_metrics(workdir / METRICS)
  charts = []
  for (kind, value), label in _CURVES.items():
    points = [
      (line["epoch"], line[value])
      for line in lines
      if line["kind"] == kind and isinstance(line.get(value), (int, float))
    ]
    if points:
      epochs, values = zip(*points)
      charts.append(
        html.vector_picture(
          plots.lines({label: (epochs, values)}, "epoch", label, markers=len(points) < 30),
          f"{label} over the epochs",
        )
      )
  return html.section("Training", html.side_by_side(*charts)) if charts else ""
