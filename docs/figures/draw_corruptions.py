"""The chart of README.md: the demo's two networks under each of the 15 corruptions.

make demo
python docs/figures/draw_corruptions.py runs/demo
"""

import json
import pathlib
import sys

from canvas import Canvas, write

NETWORKS = {"standard": "Standard", "apr_sp": "APR-SP"}
LEFT, SCALE_WIDTH, ROW, BAR, TOP = 150, 640, 25, 9, 44


def main(folder: pathlib.Path) -> None:
  means = {}
  for name in NETWORKS:
    results = json.loads((folder / name / "eval" / "results.json").read_text())
    by_corruption = results["corruptions"]["by_corruption"]
    means[name] = {key: sum(errors) / len(errors) for key, errors in by_corruption.items()}
  write(
    "corruptions",
    (840, TOP + ROW * len(means["standard"]) + 34),
    "Error of the demo's two networks under each of the 15 corruptions, mean over 5 severities: "
    + "; ".join(
      f"{name.replace('_', ' ')} {error:.1f} % standard, {means['apr_sp'][name]:.1f} % APR-SP"
      for name, error in means["standard"].items()
    ),
    lambda canvas: draw(canvas, means),
  )


def draw(canvas: Canvas, means: dict[str, dict[str, float]]) -> None:
  theme = canvas.theme
  colours = {"standard": theme.first, "apr_sp": theme.second}
  largest = 10 * (int(max(max(errors.values()) for errors in means.values())) // 10 + 1)
  per_percent = SCALE_WIDTH / largest
  for number, (name, title) in enumerate(NETWORKS.items()):
    canvas.box(LEFT + 130 * number, 6, 14, 14, colours[name])
    canvas.text(LEFT + 130 * number + 20, 18, title)
  bottom = TOP + ROW * len(means["standard"])
  for tick in range(0, largest + 1, 10):
    x = LEFT + tick * per_percent
    canvas.line(x, TOP - 6, x, bottom)
    canvas.text(x, bottom + 16, f"{tick}", theme.faint, size=12, anchor="middle")
  canvas.text(LEFT, bottom + 31, "error, mean over 5 severities (%)", theme.faint, size=12)
  for row, corruption in enumerate(means["standard"]):
    y = TOP + ROW * row
    canvas.text(LEFT - 10, y + 14, corruption.replace("_", " "), size=13, anchor="end")
    for number, name in enumerate(NETWORKS):
      error = means[name][corruption]
      canvas.box(LEFT, y + number * (BAR + 1), max(error * per_percent, 1), BAR, colours[name])
      canvas.text(
        LEFT + error * per_percent + 5,
        y + number * (BAR + 1) + BAR,
        f"{error:.1f}",
        theme.faint,
        size=10,
      )


if __name__ == "__main__":
  main(pathlib.Path(sys.argv[1]))
