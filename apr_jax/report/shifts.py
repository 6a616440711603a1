"""The section on published test sets of the same classes under other conditions."""

import math

from apr_jax.report import html
from apr_jax.report.runs import Runs, prefix, sections_of


def shifts(runs: Runs) -> str:
  """A table of all sets and runs, a map of each set of corruptions, and what is missing."""
  sections = sections_of(runs, "shifts")
  if not sections:
    return ""
  rows, maps, notes = [], [], []
  for name, section in sections.items():
    for scores in section["sets"].values():
      is_flips = "flips" in scores
      rows.append(
        [
          name,
          scores["title"],
          "flip probability" if is_flips else "error",
          scores["flips" if is_flips else "error"],
          scores["examples"],
          scores.get("classes"),
        ]
      )
      if "by_corruption" in scores:
        maps.append(_errors(f"{prefix(runs, name)}{scores['title']}", scores))
      if is_flips:
        flips = scores["by_perturbation"].items()
        maps.append(
          html.table(
            ["perturbation", "flips %"],
            [[each.replace("_", " "), value] for each, value in flips],
            f"{prefix(runs, name)}{scores['title']}: how often the prediction changes from one "
            f"frame to the next, or from the first one where the frames are noise",
          )
        )
    notes += [
      html.paragraph(f"{prefix(runs, name)}{each} is missing: {where}.")
      for each, where in section["missing"].items()
    ]
  table = html.table(
    ["run", "set", "score", "%", "images or sequences", "classes"],
    rows,
    "lower is better; classes are those among which a prediction is made",
  )
  return html.section("Shifted test sets", table if rows else "", *maps, *notes)


def _errors(title: str, scores: dict) -> str:
  """The error of each corruption and severity."""
  errors = scores["by_corruption"]
  largest = 10 * math.ceil(max(map(max, errors.values())) / 10) or 10
  severities = len(next(iter(errors.values())))
  return html.heat_table(
    ["corruption", *(f"severity {number + 1}" for number in range(severities)), "mean"],
    [
      (name.replace("_", " "), [*values, sum(values) / len(values)])
      for name, values in errors.items()
    ],
    largest,
    f"{title}: error in %, {scores['examples']} images per set; white is 0, the darkest shade "
    f"{largest} %",
  )
