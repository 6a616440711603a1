"""Time to corrupt a data set, ours beside an image-by-image baseline in NumPy, SciPy and Pillow.

    python -m benchmarks.corruption_speed --images 10000

Ours: all 15 corruptions at all 5 severities on N random 32-pixel images, in batches, compilation
apart. Only one batch is held at a time. The baseline does the same corruptions as one would write
them for a single image, without a loop over pixels where NumPy has something better; it runs on few
images and its time is scaled. Bar: at most a third of the baseline's time.
"""

import argparse
import io
import sys
import time

import jax
import numpy as np
from PIL import Image
from scipy import ndimage

from apr_jax.corruptions import CORRUPTIONS, corrupt, parameters

SEVERITIES = (1, 2, 3, 4, 5)
BAR = 1 / 3


def _stored(x):
  return np.uint8(np.clip(x, 0, 1) * 255)


def gaussian_noise(rng, image, row):
  return _stored(image / 255 + rng.normal(scale=row[0], size=image.shape))


def shot_noise(rng, image, row):
  return _stored(rng.poisson(image / 255 * row[0]) / row[0])


def glass_blur(rng, image, row):
  # For offsets of -1 or 0 the walk over the pixels reads only what it has not written, so one
  # look-up does it.
  sigma, _, scans = row
  blurred = np.uint8(ndimage.gaussian_filter(image / 255, (sigma, sigma, 0), mode="nearest") * 255)
  rows, columns = np.mgrid[2:32, 2:32]
  for _ in range(scans):
    down, right = rng.integers(-1, 1, (2, 30, 30))
    shown = blurred.copy()
    shown[2:, 2:] = blurred[rows + down, columns + right]
    blurred = shown
  return _stored(ndimage.gaussian_filter(blurred / 255, (sigma, sigma, 0), mode="nearest"))


def motion_blur(rng, image, row):
  radius, sigma = row
  angle = np.deg2rad(rng.uniform(-45, 45))
  steps = np.arange(2 * radius + 1)
  weights = np.exp(-(steps**2) / (2 * sigma**2))
  padded = np.pad(image, ((32, 32), (32, 32), (0, 0)), mode="edge").astype(np.float32)
  blurred = np.zeros(image.shape, np.float32)
  for step, weight in zip(steps, weights / weights.sum()):
    top = 32 + int(np.ceil(step * np.sin(angle) - 0.5))
    left = 32 + int(np.ceil(step * np.cos(angle) - 0.5))
    blurred += np.float32(weight) * padded[top : top + 32, left : left + 32]
  return np.uint8(blurred)


def fog(rng, image, row):
  strength, decay = row
  plane, amplitude = np.zeros((1, 1)), 1.0
  while len(plane) < 32:
    cells = len(plane)
    noise = amplitude * rng.uniform(-1, 1, (3, cells, cells))
    pairs = plane + np.roll(plane, -1, 0)
    middles = (pairs + np.roll(pairs, -1, 1)) / 4 + noise[0]
    finer = np.empty((2 * cells, 2 * cells))
    finer[::2, ::2], finer[1::2, 1::2] = plane, middles
    finer[::2, 1::2] = (
      middles + np.roll(middles, 1, 0) + plane + np.roll(plane, -1, 1)
    ) / 4 + noise[1]
    finer[1::2, ::2] = (
      middles + np.roll(middles, 1, 1) + plane + np.roll(plane, -1, 0)
    ) / 4 + noise[2]
    plane, amplitude = finer, amplitude / decay**2
  plane -= plane.min()
  x = image / 255
  return _stored((x + strength * (plane / plane.max())[..., None]) * x.max() / (x.max() + strength))


def elastic_transform(rng, image, row):
  amplitude, sigma, reach = row
  points = 16 + 10 * np.array([[1, 1], [1, -1], [-1, -1]])
  matrix = np.linalg.solve(np.c_[points + rng.uniform(-reach, reach, (3, 2)), np.ones(3)], points).T
  # In the order row, column that SciPy uses.
  forward, offset = matrix[::-1, 1::-1], matrix[::-1, 2]
  x = np.stack(
    [
      ndimage.affine_transform(plane, forward, offset, order=1, mode="mirror")
      for plane in np.moveaxis(image / 255, 2, 0)
    ]
  )
  right, down = (
    amplitude * ndimage.gaussian_filter(rng.uniform(-1, 1, (32, 32)), sigma, truncate=3)
    for _ in range(2)
  )
  y, x_axis = np.mgrid[:32, :32]
  places = (y + down, x_axis + right)
  return _stored(
    np.stack([ndimage.map_coordinates(plane, places, order=1, mode="reflect") for plane in x], -1)
  )


def jpeg_compression(rng, image, row):
  del rng
  file = io.BytesIO()
  Image.fromarray(image).save(file, "JPEG", quality=row[0])
  return np.asarray(Image.open(file))


BASELINE = {
  "gaussian_noise": gaussian_noise,
  "shot_noise": shot_noise,
  "glass_blur": glass_blur,
  "motion_blur": motion_blur,
  "fog": fog,
  "elastic_transform": elastic_transform,
  "jpeg_compression": jpeg_compression,
}


def our_seconds(name, images, batch):
  """Seconds for all severities, and for compiling them; results are fetched batch by batch and
  dropped.
  """
  running = compiling = 0.0
  for severity in SEVERITIES:
    start = time.perf_counter()
    corrupt(jax.random.key(0), images[:batch], name, severity).block_until_ready()
    compiled = time.perf_counter()
    for first in range(0, len(images), batch):
      # A last, smaller batch would compile again: it is filled up with images already done.
      chosen = np.arange(first, first + batch) % len(images)
      np.asarray(corrupt(jax.random.key(0), images[chosen], name, severity, positions=chosen))
    compiling += compiled - start
    running += time.perf_counter() - compiled
  return running, compiling


def baseline_seconds(name, images):
  rng = np.random.default_rng(0)
  start = time.perf_counter()
  for severity in SEVERITIES:
    row = parameters.at(name, severity, 32)
    for image in images:
      BASELINE[name](rng, image, row)
  return time.perf_counter() - start


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--images", type=int, default=10000)
  parser.add_argument("--batch", type=int, default=1000)
  parser.add_argument(
    "--baseline_images", type=int, default=200, help="images the baseline runs on"
  )
  arguments = parser.parse_args()
  rng = np.random.default_rng(0)
  # Smooth pictures with some noise: JPEG's time depends on the content.
  images = ndimage.gaussian_filter(
    rng.normal(size=(arguments.images, 32, 32, 3)), (0, 2, 2, 0), mode="wrap"
  )
  images = np.uint8(np.clip(128 + 400 * images + 5 * rng.normal(size=images.shape), 0, 255))
  batch = min(arguments.batch, len(images))

  print(f"Seconds for {len(images)} images at 5 severities; batches of {batch}.\n")
  print("| corruption | ours | compilation | baseline | ours / baseline |\n|---|---|---|---|---|")
  total = compilation = compared = of_baseline = 0.0
  for name in CORRUPTIONS:
    running, compiling = our_seconds(name, images, batch)
    total, compilation = total + running, compilation + compiling
    cells = ["", ""]
    if name in BASELINE:
      few = images[: arguments.baseline_images]
      seconds = baseline_seconds(name, few) * len(images) / len(few)
      compared, of_baseline = compared + running, of_baseline + seconds
      cells = [f"{seconds:.2f}", f"{running / seconds:.2f}"]
    print(f"| {name} | {running:.2f} | {compiling:.2f} | {cells[0]} | {cells[1]} |", flush=True)
  ratio = compared / of_baseline
  print(
    f"\nAll {len(CORRUPTIONS)} x {len(SEVERITIES)} sets: {total:.1f} s, "
    f"and {compilation:.1f} s of compilation."
  )
  print(
    f"{'PASS' if ratio <= BAR else 'FAIL'}: {ratio:.3f} of the baseline's time where it was "
    f"measured; bar {BAR:.3f}."
  )
  return 0 if ratio <= BAR else 1


if __name__ == "__main__":
  sys.exit(main())
