"""The sections of the attacks: accuracies, bars after each attack, and images that were turned."""

import math

from apr_jax.evaluation.thumbnails import from_text
from apr_jax.report import html, plots
from apr_jax.report.runs import Runs, prefix, sections_of


def autoattack(runs: Runs) -> str:
  """Accuracy after each attack of the ensemble, and images that were turned."""
  return _robustness_section(runs, "autoattack", "Adversarial robustness: AutoAttack")


def pgd(runs: Runs) -> str:
  """The same of PGD."""
  return _robustness_section(runs, "pgd", "Adversarial robustness: PGD")


def _robustness_section(runs: Runs, suite: str, title: str) -> str:
  sections = sections_of(runs, suite)
  if not sections:
    return ""
  rows, blocks = [], []
  for name, section in sections.items():
    steps = ", ".join(f"{step} {value:.2f}" for step, value in section["by_attack"].items())
    rows.append(
      [
        name,
        section["clean_accuracy"],
        section["robust_accuracy"],
        f"{255 * section['epsilon']:.3g} / 255",
        section["version"],
        section["images"],
        steps,
      ]
    )
    for warning in section["warnings"]:
      blocks.append(html.paragraph(f"{prefix(runs, name)}warning: {warning}."))
  header = ["run", "clean %", "robust %", "epsilon", "version", "images", "after each attack, %"]
  table = html.table(
    header, rows, "accuracies, higher is better; robust: no attack turned the image"
  )
  attacks = dict.fromkeys(step for section in sections.values() for step in section["by_attack"])
  chart = plots.bars(
    [*attacks],
    {
      name: [section["by_attack"].get(step, math.nan) for step in attacks]
      for name, section in sections.items()
    },
    "accuracy after the attack (%)",
  )
  figure = html.vector_picture(
    chart, f"{title}: accuracy after each attack", "Each attack works on what the ones before left."
  )
  pictures = [
    _attacked_images(f"{prefix(runs, name)}images that an attack turned", section)
    for name, section in sections.items()
    if section["examples"]
  ]
  return html.section(title, table, *blocks, figure, *pictures)


def _attacked_images(caption: str, section: dict) -> str:
  """The image, what was added to it, and the sum, with the network's answers."""
  rows = []
  for example in section["examples"]:
    before, after = (
      f"{prediction} ({confidence:.0f} %)"
      for prediction, confidence in zip(example["predictions"], example["confidences"])
    )
    pictures = [(from_text(example["image"]), before), (from_text(example["perturbation"]), "")]
    pictures.append((from_text(example["attacked"]), after))
    rows.append((f"class {example['label']}, {example['by']}", pictures))
  return html.picture_table(
    ["", "image", "perturbation, magnified", "attacked image"],
    rows,
    f"{caption}; below the pictures the predicted class and the confidence. Grey is no change, "
    f"black and white are −epsilon and epsilon.",
  )
