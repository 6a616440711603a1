"""What a page begins with: the result in a sentence and a chart."""

import math
import statistics

from apr_jax.report import html, plots
from apr_jax.report.runs import Runs


def sentence(runs: Runs) -> str:
  """The result in words; "" where neither clean nor corrupted images were scored."""
  clean, corrupted = _errors(runs, "clean", "error"), _errors(runs, "corruptions", "mean_error")
  if len(runs) == 1:
    ((name, results),) = runs.items()
    said = [f"{error:.2f} % of the clean test images" for error in clean.values()]
    said += [f"{error:.2f} % of the corrupted ones" for error in corrupted.values()]
    if not said:
      return ""
    auroc = results.get("ood", {}).get("mean_auroc")
    told = (
      f" It tells images of other data apart with an AUROC of {auroc:.2f} %."
      if auroc is not None
      else ""
    )
    return f"{name} is wrong on {' and on '.join(said)}.{told}"
  scored, what = (
    (corrupted, "under corruptions") if len(corrupted) > 1 else (clean, "on clean images")
  )
  if len(scored) < 2:
    return ""
  best, worst = min(scored, key=scored.__getitem__), max(scored, key=scored.__getitem__)
  if len(scored) == 2:
    return (
      f"{best} has the lower error {what}: {scored[best]:.2f} %, against {scored[worst]:.2f} % of "
      f"{worst}."
    )
  return (
    f"Of {len(scored)} runs {best} has the lowest error {what}, {scored[best]:.2f} %; the highest "
    f"is {scored[worst]:.2f} %, of {worst}."
  )


def chart(runs: Runs) -> str:
  """The errors on clean images and under each corruption, as bars; "" where there are none."""
  bars = {name: _bars(results) for name, results in runs.items()}
  shown = dict.fromkeys(group for values in bars.values() for group in values)
  if len(shown) < 2:
    return ""
  return html.vector_picture(
    plots.bars(
      [*shown],
      {name: [values.get(group, math.nan) for group in shown] for name, values in bars.items()},
      "error (%)",
      thickness=0.17 if len(runs) == 1 else 0.11,
    ),
    "Bars: the error on clean images and under each corruption; the tables below have the numbers.",
    "Error on clean images and, as a mean over the severities, under each corruption; shorter is "
    "better.",
  )


def _errors(runs: Runs, suite: str, score: str) -> dict[str, float]:
  return {name: results[suite][score] for name, results in runs.items() if suite in results}


def _bars(results: dict) -> dict[str, float]:
  """{"clean" or a corruption: error}."""
  clean = {"clean": results["clean"]["error"]} if "clean" in results else {}
  by_corruption = results.get("corruptions", {}).get("by_corruption", {})
  return clean | {name: statistics.fmean(errors) for name, errors in by_corruption.items()}
