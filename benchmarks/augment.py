"""Images per second of APR-P and APR-S beside the straightforward PyTorch, Pillow and NumPy
functions.

    python -m benchmarks.augment

On CPU everything runs on one core in one thread, and CPU time is measured, so that other processes
hardly count. On a GPU APR-P's baseline runs there too; APR-S's stays on one CPU core, where the
released data loader runs it. Both sides recombine every time (`prob=1`), and APR-S wraps as the
released code does.

Prints a Markdown table. Exit code 1 if a bar is missed; the bars hold for 32-pixel images on CPU.
"""

import argparse
import os
import sys
import time

# Before JAX starts its threads.
os.environ["XLA_FLAGS"] = (
  "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1 "
  + os.environ.get("XLA_FLAGS", "")
)
if hasattr(os, "sched_setaffinity"):
  os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import jax
import numpy as np
import torch
from PIL import Image
from sklearn import datasets

import apr_jax
from benchmarks import baseline_augment, timing
from benchmarks.baseline_device import baseline_device

BARS = {"APR-P": 4.0, "APR-S": 3.0}


def photographs(count: int, size: int) -> np.ndarray:
  """Random crops of scikit-learn's two photographs; uint8 `[count, size, size, 3]`."""
  images = datasets.load_sample_images().images
  rng = np.random.default_rng(0)
  crops = []
  for index in range(count):
    image = images[index % len(images)]
    top, left = (rng.integers(side - size + 1) for side in image.shape[:2])
    crops.append(image[top : top + size, left : left + size])
  return np.stack(crops)


def measure(
  size: int, batch_size: int, repeats: int, device: str
) -> dict[str, tuple[float, float]]:
  """Images per second of one batch: name → (ours, the baseline's, with APR-P on that device)."""
  images = photographs(batch_size, size)
  floats = (images / 255).astype(np.float32)
  ours_uint8, ours_float = jax.device_put((images, floats))
  theirs_float = torch.from_numpy(floats.transpose(0, 3, 1, 2).copy()).to(device)
  theirs_pillow = [Image.fromarray(image) for image in images]
  key, rng = jax.random.key(0), np.random.default_rng(0)
  apr_p = jax.jit(lambda key, images: apr_jax.apr_p(key, images, 1.0))
  apr_s = jax.jit(lambda key, images: apr_jax.apr_s(key, images, overflow="wrap"))

  def baseline_apr_p():
    baseline_augment.apr_p(theirs_float, 1.0)
    if device == "cuda":
      torch.cuda.synchronize()

  seconds = timing.seconds(
    {
      "APR-P": lambda: apr_p(key, ours_float).block_until_ready(),
      "APR-P baseline": baseline_apr_p,
      "APR-S": lambda: apr_s(key, ours_uint8).block_until_ready(),
      "APR-S baseline": lambda: [baseline_augment.apr_s(rng, image) for image in theirs_pillow],
    },
    repeats,
    time.process_time if device == "cpu" else time.perf_counter,
  )
  return {
    name: (batch_size / seconds[name], batch_size / seconds[f"{name} baseline"]) for name in BARS
  }


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument(
    "--batch_size", type=int, default=128, help="of 32-pixel images; 16 at 224 pixels"
  )
  parser.add_argument("--repeats", type=int, default=20, help="rounds to take the median of")
  arguments = parser.parse_args()

  torch.set_num_threads(1)
  backend = jax.default_backend()
  device = baseline_device(parser)
  print(f"jax {jax.__version__} on {backend}, torch {torch.__version__}, NumPy {np.__version__}\n")
  print("| function | pixels | batch | ours, images/s | baseline, images/s | ratio | bar |")
  print("|---|---|---|---|---|---|---|")
  missed = False
  for size, batch_size in ((32, arguments.batch_size), (224, 16)):
    for name, (ours, baseline) in measure(size, batch_size, arguments.repeats, device).items():
      ratio, bar = ours / baseline, "none"
      if size == 32 and backend == "cpu":
        missed |= ratio < BARS[name]
        bar = f"{BARS[name]:.0f}, {'PASS' if ratio >= BARS[name] else 'FAIL'}"
      print(
        f"| {name} | {size} | {batch_size} | {ours:,.0f} | {baseline:,.0f} | {ratio:.2f} | {bar} |",
        flush=True,
      )
  return int(missed)


if __name__ == "__main__":
  sys.exit(main())
