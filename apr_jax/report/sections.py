"""The sections that need nothing but `results.json`, of one run or of several side by side.

To add one: write a function of the runs and add a line to `SECTIONS`. A run without the suite is
left out of it.
"""

import math
from collections.abc import Callable

from apr_jax.evaluation.fourier import fourier_map
from apr_jax.report import filters, html, ood, plots, robustness, shifts
from apr_jax.report.runs import Runs, prefix, sections_of

_CALIBRATION_COLUMNS = {
  "ece": "ECE",
  "rms": "RMS error",
  "ece_equal_mass": "ECE, equal mass",
  "rms_equal_mass": "RMS, equal mass",
  "nll": "NLL (nats)",
  "brier": "Brier",
}
_UNIT = (-0.02, 1.02)  # limits of axes from 0 to 1: what lies on the edge is not cut


def clean(runs: Runs) -> str:
  """The error on the test images as they are."""
  rows = [
    [name, section["error"], section["examples"]]
    for name, section in sections_of(runs, "clean").items()
  ]
  return (
    html.section("Clean images", html.table(["run", "error %", "images"], rows)) if rows else ""
  )


def corruptions(runs: Runs) -> str:
  """Errors under the 15 corruptions of the benchmark; the page begins with their chart."""
  return _corruption_section(runs, "corruptions", "Common corruptions", charted=False)


def extra_corruptions(runs: Runs) -> str:
  """Errors under the 4 corruptions beside them."""
  return _corruption_section(runs, "extra_corruptions", "Extra corruptions")


def calibration(runs: Runs) -> str:
  """Scores with and without temperature, and reliability diagrams, clean and per severity."""
  sections = sections_of(runs, "calibration")
  if not sections:
    return ""
  rows, diagrams, notes = [], [], []
  for name, section in sections.items():
    fitted = section["temperature"]
    temperature = f"{fitted['value']:.2f}" + (" (a bound)" if fitted.get("at_bound") else "")
    if fitted.get("at_bound"):
      notes.append(
        f"{prefix(runs, name)}The temperature stands at a bound of its search: the fitted images "
        f"have no "
        f"best one, as when all of them are classified correctly."
      )
    for images, scores in (
      ("clean", section["clean"]),
      ("corrupted", section["corruptions"]["mean"]),
    ):
      half = scores["scored_half"]
      variants = {
        "all images": scores,
        "scored half, before": half["before"],
        f"scored half, temperature {temperature}": half["after"],
      }
      rows += [
        [
          f"{prefix(runs, name)}{images}",
          which,
          *(f"{found[score]:.3f}" for score in _CALIBRATION_COLUMNS),
        ]
        for which, found in variants.items()
        if found
      ]
    if section["corruptions"]["mean"]["scored_half"]["after"] is None:
      notes.append(
        f"{prefix(runs, name)}No scores with the temperature on corrupted images: their order is "
        f"not that "
        f"of the clean ones, so that half of the scored images would be copies of fitted ones."
      )
    bins = {"clean": section["clean"]["reliability"]} | {
      f"severity {severity}": section["corruptions"]["reliability"][severity - 1]
      for severity in (1, 3, 5)
    }
    picture = plots.lines(
      {title: _filled(found) for title, found in bins.items()},
      "confidence",
      "accuracy",
      x_limits=_UNIT,
      y_limits=_UNIT,
      diagonal=True,
      markers=True,
      square=True,
    )
    diagrams.append(
      html.vector_picture(
        picture,
        f"{prefix(runs, name)}reliability diagram",
        f"{prefix(runs, name)}accuracy of the predictions of each confidence, without "
        f"temperature; below the grey "
        f"line the network is overconfident. Corruptions are pooled.",
      )
    )
  section = next(iter(sections.values()))
  note = (
    f"{section['bins']} bins of confidence. The temperature is fitted on one half of the clean "
    f"test images and "
    f"scored on the other."
  )
  return html.section(
    "Calibration",
    html.paragraph(note),
    *map(html.paragraph, notes),
    html.table(
      ["images", "scored", *_CALIBRATION_COLUMNS.values()],
      rows,
      "lower is better; corrupted: mean over all sets",
    ),
    html.side_by_side(*diagrams),
  )


def fourier(runs: Runs) -> str:
  """The heat maps."""
  sections = sections_of(runs, "fourier")
  maps = [
    html.vector_picture(
      plots.square_map(fourier_map(runs[name]) / 100, "error", "frequency (cycles per image)"),
      f"{prefix(runs, name)}Fourier heat map",
      f"{prefix(runs, name)}error under each Fourier basis image of norm {section['norm']:.3g} "
      f"per channel, {section['examples']} images; mean {section['mean_error']:.1f} %, "
      f"clean {section['clean_error']:.1f} %. Low "
      f"frequencies are in the centre.",
      is_map=True,
    )
    for name, section in sections.items()
  ]
  return html.section("Sensitivity to each frequency", html.side_by_side(*maps)) if maps else ""


def swap(runs: Runs) -> str:
  """Whose label is predicted when phase and amplitude come from two images."""
  sections = sections_of(runs, "swap")
  if not sections:
    return ""
  inside, outside = [], []
  for name, section in sections.items():
    rates = section["in_distribution"]
    inside.append(
      [
        name,
        *(rates[key] for key in ("phase", "amplitude", "neither", "confidence")),
        rates["pairs"],
      ]
    )
    outside += [
      [
        name,
        other,
        *(rates[role][key] for role in ("phase", "amplitude") for key in ("label", "confidence")),
        rates["pairs"],
      ]
      for other, rates in section["out_of_distribution"].items()
    ]
  blocks = [
    html.table(
      ["run", "label of the phase", "label of the amplitude", "neither", "confidence", "pairs"],
      inside,
      "Two test images of different classes: whose label is predicted, in %",
    )
  ]
  if outside:
    blocks.append(
      html.table(
        [
          "run",
          "other image from",
          "test image gives phase",
          "confidence",
          "it gives amplitude",
          "confidence",
          "pairs",
        ],
        outside,
        "A test image and an out-of-distribution image: the test image's label is predicted, in %",
      )
    )
  blocks += [
    html.paragraph(f"{name}: {other} is missing: {why}.")
    for name, section in sections.items()
    for other, why in section.get("missing", {}).items()
  ]
  return html.section("Amplitude and phase", *blocks)


SECTIONS: tuple[Callable[[Runs], str], ...] = (
  clean,
  corruptions,
  extra_corruptions,
  shifts.shifts,
  ood.usual_scores,
  ood.all_scores,
  ood.full_spectrum,
  calibration,
  fourier,
  swap,
  filters.first_layer,
  robustness.autoattack,
  robustness.pgd,
)


def _corruption_section(runs: Runs, suite: str, title: str, charted: bool = True) -> str:
  """The error of each corruption and severity as a map, and the means over severities as bars."""
  sections = sections_of(runs, suite)
  if not sections:
    return ""
  shown = {name: _plain_and_adapted(section) for name, section in sections.items()}
  largest = max(
    max(errors)
    for kinds in shown.values()
    for by_corruption in kinds.values()
    for errors in by_corruption.values()
  )
  largest = 10 * math.ceil(largest / 10) or 10
  maps = [
    html.heat_table(
      [
        "corruption",
        *(f"severity {severity}" for severity in _severities(runs, name, suite)),
        "mean",
      ],
      [
        (corruption.replace("_", " "), [*errors, _mean(errors)])
        for corruption, errors in by_corruption.items()
      ],
      largest,
      f"{prefix(runs, name)}{kind} in %, {section['examples']} images per set, "
      f"source: {section['source']}; white is 0, the darkest shade {largest} %",
    )
    for name, section in sections.items()
    for kind, by_corruption in shown[name].items()
  ]
  regenerated = any(section["source"] == "regenerated" for section in sections.values())
  note = "Corruptions regenerated from the test images are not comparable with published scores."
  return html.section(
    title,
    html.paragraph(note) if regenerated else "",
    *maps,
    _bars(sections, title) if charted else "",
  )


def _plain_and_adapted(section: dict) -> dict[str, dict[str, list[float]]]:
  """{what is shown: errors by corruption}: the network as it is and, if it was scored so, with
  adapted batch statistics.
  """
  kinds = {"error": section["by_corruption"]}
  if "adapted" in section:
    of = section["adapted"]
    kinds[
      f"error with batch statistics of {of['batch']} corrupted images at a time (prior "
      f"{of['prior']}; mean {of['mean_error']:.2f} %)"
    ] = of["by_corruption"]
  return kinds


def _bars(sections: Runs, title: str) -> str:
  """The mean error of each corruption."""
  means = {
    name: {corruption: _mean(errors) for corruption, errors in section["by_corruption"].items()}
    for name, section in sections.items()
  }
  shown = dict.fromkeys(corruption for values in means.values() for corruption in values)
  chart = plots.bars(
    [*shown],
    {name: [values.get(each, math.nan) for each in shown] for name, values in means.items()},
    "error, mean over severities (%)",
  )
  return html.vector_picture(
    chart, f"{title}: mean error of each", "Mean over the severities; shorter is better."
  )


def _severities(runs: Runs, name: str, suite: str) -> list[int]:
  return runs[name]["meta"]["suites"][suite]["severities"]


def _filled(bins: dict) -> tuple[list[float], list[float]]:
  """Confidence and accuracy of the bins that hold images."""
  filled = [
    (confidence, accuracy)
    for count, confidence, accuracy in zip(bins["count"], bins["confidence"], bins["accuracy"])
    if count
  ]
  return [confidence for confidence, _ in filled], [accuracy for _, accuracy in filled]


def _mean(values: list[float]) -> float:
  return sum(values) / len(values)
