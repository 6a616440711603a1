"""The picture of README.md: images that exchange amplitudes, and what two networks say to them.

    make demo
    python docs/figures/draw_front.py runs/demo

The photographs are scikit-learn's. The digits and the answers are those of the demo's reports: the
first pair of test digits whose exchange the two networks answer differently.
"""

import json
import pathlib
import sys

import numpy as np
from canvas import Canvas, write
from photographs import temple_and_flower

from apr_jax import data
from apr_jax.evaluation.swap import panel

NETWORKS = {"standard": "Standard", "apr_sp": "APR-SP"}
COLUMNS = (("A",), ("B",), ("phase of A,", "amplitude of B"), ("phase of B,", "amplitude of A"))
WIDTH, LEFT, STEP = 900, 84, 204
PHOTO = (192, 128)
DIGIT = 96


def main(folder: pathlib.Path) -> None:
  swaps = {
    name: json.loads((folder / name / "eval" / "results.json").read_text())["swap"][
      "in_distribution"
    ]
    for name in NETWORKS
  }
  examples = {name: swap["examples"] for name, swap in swaps.items()}
  chosen = next(
    number
    for number in range(len(examples["standard"]))
    if len({str(examples[name][number]["predictions"][2:]) for name in NETWORKS}) > 1
  )
  answers = {name: examples[name][chosen] for name in NETWORKS}
  test = data.load("digits", "test").images
  digits = panel(*(test[place] for place in answers["standard"]["images"]))
  photographs = panel(*temple_and_flower())
  labels = answers["standard"]["labels"]
  write(
    "front",
    (WIDTH, 424),
    "Two photographs and two digits exchange their amplitude spectra. The eye, and a network "
    "trained with APR, go by the phase; a network trained without is misled more often.",
    lambda canvas: draw(canvas, photographs, digits, labels, answers, swaps),
  )


def draw(
  canvas: Canvas,
  photographs: np.ndarray,
  digits: np.ndarray,
  labels: list[int],
  answers: dict[str, dict],
  swaps: dict[str, dict],
) -> None:
  theme = canvas.theme
  middles = [LEFT + STEP * column + PHOTO[0] / 2 for column in range(4)]
  for middle, title in zip(middles, COLUMNS):
    for line, words in enumerate(reversed(title)):
      canvas.text(middle, 36 - 18 * line, words, anchor="middle", bold=True)
  for middle, photo in zip(middles, photographs):
    canvas.image(middle - PHOTO[0] / 2, 46, *PHOTO, photo, photo=True)
  canvas.text(0, 196, "You see", theme.faint)
  for middle, word in zip(middles, ("a temple", "a flower", "a temple", "a flower")):
    canvas.text(middle, 196, word, theme.good, anchor="middle")
  canvas.line(0, 214, WIDTH, 214)
  for middle, digit in zip(middles, digits):
    canvas.image(middle - DIGIT / 2, 228, DIGIT, DIGIT, digit)
  phases = [*labels, *labels]
  for row, (name, title) in enumerate(NETWORKS.items()):
    y = 348 + 24 * row
    canvas.text(0, y, title, bold=True)
    said = zip(answers[name]["predictions"], answers[name]["confidences"])
    for middle, phase, (prediction, confidence) in zip(middles, phases, said):
      right = prediction == phase
      canvas.text(
        middle,
        y,
        f"{'✓' if right else '✗'} says {prediction} ({confidence:.0f} %)",
        theme.good if right else theme.bad,
        anchor="middle",
      )
  rates = " and ".join(
    f"{swaps[name]['phase']:.0f} % of the {title} network's" for name, title in NETWORKS.items()
  )
  canvas.text(
    0,
    414,
    f"Of {swaps['standard']['pairs']} pairs of test digits, {rates} answers follow the phase.",
    theme.faint,
    size=14,
  )


if __name__ == "__main__":
  main(pathlib.Path(sys.argv[1]))
