"""The sections on out-of-distribution detection: by the usual scores, by all, and with corrupted
images in-distribution too.
"""

from apr_jax.evaluation.ood import scored_sets
from apr_jax.report import html, plots
from apr_jax.report.runs import Runs, prefix, sections_of

_COLUMNS = {
  "auroc": "AUROC",
  "tnr95": "TNR at 95 % TPR",
  "dtacc": "detection accuracy",
  "aupr_in": "AUPR in",
  "aupr_out": "AUPR out",
  "oscr": "OSCR",
}
_UNIT = (-0.02, 1.02)  # limits of axes from 0 to 1: what lies on the edge is not cut


def usual_scores(runs: Runs) -> str:
  """Detection by the usual scores."""
  return _section(runs, "ood", "Out-of-distribution detection")


def all_scores(runs: Runs) -> str:
  """Detection by all scores that the classifier allows."""
  return _section(runs, "ood_scores", "Out-of-distribution detection by all scores")


def full_spectrum(runs: Runs) -> str:
  """Detection where corrupted test images are in-distribution too."""
  return _section(runs, "full_spectrum_ood", "Full-spectrum out-of-distribution detection")


def incomplete(section: dict) -> list[str]:
  """A sentence on each protocol that lacks sets, with the mean over those that are there."""
  sentences = []
  for protocol in section.get("protocols", []):
    if protocol["missing"]:
      mean = protocol["mean_over_present"]
      over = "" if mean is None else f"; mean AUROC over those {mean:.2f} %"
      sentences.append(
        f"{protocol['name']}: incomplete, {protocol['present']} of {len(protocol['sets'])} "
        f"sets{over}."
      )
  return sentences


def _section(runs: Runs, suite: str, title: str) -> str:
  """A table of all sets and scores, the protocols' means, what is missing, and the ROC curves of
  the headline score.
  """
  sections = sections_of(runs, suite)
  if not sections:
    return ""
  blocks = []
  for name, section in sections.items():
    headline = section["score"]
    rows = [
      [each, score, *(scores[column] for column in _COLUMNS), result["examples"]]
      for each, result in scored_sets(section).items()
      for score, scores in _by_score(headline, result).items()
    ]
    empty = [None] * len(_COLUMNS)
    means = section.get("scores", [{"name": headline, "mean_auroc": section["mean_auroc"]}])
    rows += [["mean of all sets", of["name"], of["mean_auroc"], *empty] for of in means]
    protocols = section.get("protocols", [])
    rows += [
      [f"mean: {protocol['name']}", headline, protocol["mean_auroc"], *empty]
      for protocol in protocols
    ]
    blocks.append(
      html.table(
        ["set", "score", *_COLUMNS.values(), "images"],
        rows,
        f"{prefix(runs, name)}all in %, higher is better; no mean where a set is missing",
      )
    )
    blocks += [
      html.paragraph(f"{prefix(runs, name)}{sentence}") for sentence in incomplete(section)
    ]
    blocks += [
      html.paragraph(f"{prefix(runs, name)}in-distribution: {what}.")
      for what in {result.get("inside") for result in scored_sets(section).values()} - {None}
    ]
    blocks += [
      html.paragraph(f"{prefix(runs, name)}{score['name']} is left out: {score['why']}.")
      for score in section.get("left_out", [])
    ]
    for protocol in protocols:
      blocks += [
        html.paragraph(f"{protocol['name']}: {each} is missing: {where}.")
        for each, where in protocol["missing"].items()
      ]
  sets = dict.fromkeys(each for section in sections.values() for each in scored_sets(section))
  curves = []
  for each in sets:
    shown = {name: section[each]["roc"] for name, section in sections.items() if each in section}
    picture = plots.lines(
      {name: (roc["fpr"], roc["tpr"]) for name, roc in shown.items()},
      "accepted out-of-distribution images",
      "accepted in-distribution images",
      x_limits=_UNIT,
      y_limits=_UNIT,
      diagonal=True,
      square=True,
    )
    curves.append(
      html.vector_picture(
        picture, f"ROC curve against {each}", f"ROC against {each}; grey is chance."
      )
    )
  return html.section(title, *blocks, html.side_by_side(*curves) if curves else "")


def _by_score(headline: str, result: dict) -> dict[str, dict]:
  """{name of the score: its metrics}, the headline first."""
  return {headline: result} | {
    name: scores for name, scores in result.items() if isinstance(scores, dict) and name != "roc"
  }
