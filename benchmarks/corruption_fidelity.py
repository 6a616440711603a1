"""Compares our corruptions with the output of the benchmark's own generator on the same images.

    python -m benchmarks.corruption_fidelity --aligned FILE.npz

The file holds `clean` [N, 32, 32, 3] and, per corruption, [5, N, 32, 32, 3], all uint8. Corruptions
without a draw are compared pixel by pixel. The others are compared by what they do on average: mean
absolute change, standard deviation of the change inside an image, PSNR to the clean image, and
power of the change in four bands of frequency. Ours are averaged over several keys, theirs are one
draw; "theirs, sigma" says how far their draw lies from our average, in standard deviations of such
a draw as our keys show them: a fair copy stays within about 2.

Prints Markdown tables and PASS or FAIL per bar. Exit code 1 when a bar fails that is not listed as
an exception.
"""

import argparse
import os
import sys

import jax
import numpy as np

from apr_jax.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS, corrupt

SEVERITIES = (1, 2, 3, 4, 5)
# Levels by which an image may differ on average; JPEG's decoders differ more among themselves than
# the rest.
PIXEL_BARS = {
  "defocus_blur": 1,
  "zoom_blur": 1,
  "contrast": 1,
  "brightness": 1,
  "saturate": 1,
  "pixelate": 1,
  "gaussian_blur": 1,
  "jpeg_compression": 2,
}
SHARE_OF_IMAGES = 0.99
# Relative difference of mean and standard deviation; difference of PSNR in dB.
BAR = (0.10, 0.7)
LOOSE_BAR = (0.20, 1.5)
LOOSE = ("frost", "snow", "fog", "spatter")
# Cycles per image: from, to (included).
BANDS = ((1, 2), (3, 4), (5, 8), (9, 16))
# (corruption, severity): why its bar is not met.
EXCEPTIONS = {}


def band_power(change: np.ndarray) -> np.ndarray:
  """Mean power of the change [..., H, W, C] in each of BANDS; its mean over everything is a
  variance.
  """
  height, width = change.shape[-3:-1]
  power = np.abs(np.fft.fft2(change, axes=(-3, -2))) ** 2 / (height * width)
  radius = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.fftfreq(width) * width).round()
  power = power.mean(-1).reshape(-1, height, width).mean(0)
  return np.array([power[(radius >= low) & (radius <= high)].mean() for low, high in BANDS])


def statistics(corrupted: np.ndarray, clean: np.ndarray) -> np.ndarray:
  """Mean absolute change, standard deviation of the change in an image, and PSNR; averages over the
  images.
  """
  change = corrupted.astype(float) - clean
  squares = np.maximum((change**2).mean((1, 2, 3)), 1e-9)
  return np.array(
    [np.abs(change).mean(), change.std((1, 2, 3)).mean(), (10 * np.log10(255**2 / squares)).mean()]
  )


def pixel_rows(clean, theirs, name):
  """Rows (corruption, severity, mean difference, worst image, share of images within the bar) and
  verdicts.
  """
  for severity in SEVERITIES:
    ours = np.asarray(corrupt(jax.random.key(0), clean, name, severity)).astype(float)
    difference = np.abs(ours - theirs[severity - 1]).mean((1, 2, 3))
    share = (difference <= PIXEL_BARS[name]).mean()
    cells = (f"{difference.mean():.3f}", f"{difference.max():.3f}", f"{100 * share:.0f} %")
    yield (name, severity, *cells), bool(share >= SHARE_OF_IMAGES)


def statistics_rows(clean, theirs, name, keys):
  """Rows of both sides' statistics, and verdicts."""
  relative_bar, psnr_bar = LOOSE_BAR if name in LOOSE else BAR
  for severity in SEVERITIES:
    draws = np.stack(
      [np.asarray(corrupt(jax.random.key(key), clean, name, severity)) for key in range(keys)]
    )
    of_draws = np.stack([statistics(draw, clean) for draw in draws])
    ours, spread = of_draws.mean(0), of_draws.std(0, ddof=1)
    target = statistics(theirs[severity - 1], clean)
    tilt = 10 * np.log10(
      band_power(draws.astype(float) - clean) / band_power(theirs[severity - 1] - clean * 1.0)
    )
    cells = (
      *(f"{a:.2f} / {b:.2f}" for a, b in zip(ours, target)),
      " ".join(f"{x:+.1f}" for x in (target - ours) / np.maximum(spread, 1e-9)),
      " ".join(f"{x:+.1f}" for x in tilt),
    )
    off = np.abs(ours - target)
    yield (
      (name, severity, *cells),
      bool((off[:2] <= relative_bar * target[:2]).all() and off[2] <= psnr_bar),
    )


def print_table(header, rows) -> int:
  """Prints a Markdown table with verdicts and returns how many bars failed unexpectedly."""
  failures = 0
  print("| " + " | ".join((*header, "bar")) + " |")
  print("|" + "---|" * (len(header) + 1))
  for row, passed in rows:
    excepted = row[:2] in EXCEPTIONS
    failures += not passed and not excepted
    verdict = "PASS" if passed else "EXCEPTION" if excepted else "FAIL"
    print("| " + " | ".join(str(cell) for cell in (*row, verdict)) + " |", flush=True)
  print()
  return failures


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument(
    "--aligned",
    required=True,
    metavar="FILE.npz",
    help=(
      "clean [N, 32, 32, 3] and, under each corruption's name, the generator's output "
      "[5, N, 32, 32, 3]; uint8"
    ),
  )
  parser.add_argument(
    "--keys", type=int, default=32, help="draws of ours to average over, at least 2"
  )
  arguments = parser.parse_args()
  if not os.path.exists(arguments.aligned):
    print(
      f"--aligned: no file {arguments.aligned}; give the generator's output, see --help.",
      file=sys.stderr,
    )
    return 2
  with np.load(arguments.aligned) as file:
    aligned = {name: file[name] for name in ("clean", *CORRUPTIONS, *EXTRA_CORRUPTIONS)}
  clean = aligned["clean"]
  names = CORRUPTIONS + EXTRA_CORRUPTIONS

  print(
    f"Pixel by pixel, {len(clean)} images: absolute difference to the generator's output, "
    f"in levels.\n"
  )
  rows = [
    row for name in names if name in PIXEL_BARS for row in pixel_rows(clean, aligned[name], name)
  ]
  header = ("corruption", "severity", "mean", "worst image", "images within the bar")
  failures = print_table(header, rows)

  print(
    f"On average, {len(clean)} images, ours over {arguments.keys} keys: ours / theirs, "
    f"in levels and dB.\n"
  )
  header = (
    "corruption",
    "severity",
    "mean absolute change",
    "std of the change",
    "PSNR",
    "theirs, sigma (mean, std, PSNR)",
    "power ours / theirs, dB (" + ", ".join(f"{low}-{high}" for low, high in BANDS) + " cycles)",
  )
  failures += print_table(
    header,
    (
      row
      for name in names
      if name not in PIXEL_BARS
      for row in statistics_rows(clean, aligned[name], name, arguments.keys)
    ),
  )
  if EXCEPTIONS:
    print("Exceptions:\n")
    for (name, severity), reason in EXCEPTIONS.items():
      print(f"- {name} {severity}: {reason}")
    print()
  verdict = "FAIL" if failures else "PASS"
  print(f"{verdict}: {failures} bars failed unexpectedly, {len(EXCEPTIONS)} exceptions listed.")
  return 1 if failures else 0


if __name__ == "__main__":
  sys.exit(main())
