"""Images per second of a classifier's logits, beside the same network in PyTorch.

    python -m benchmarks.inference [--model wide_resnet_40_2] [--json FILE]

Ours is what evaluations call: `Predictor`, from uint8 images, in its own batches. PyTorch gets
batches of the same size, uint8 as well, in `inference_mode`: eager as released, and with
channels_last. Both have random weights. All are measured in turns; on a CPU twice, on one core by
CPU time and on all by the clock.

Prints a Markdown table. Exit code 1 if the bar is missed, which holds on CPU.
"""

import argparse
import json
import os
import sys

import jax
import numpy as np

from apr_jax import cpu_settings, models
from apr_jax.classifiers.predictor import Predictor
from benchmarks import cores, timing

CLASSES = 10
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
BAR = 0.9  # images/s over those of PyTorch's eager network, on CPU


def ours(name: str, images: np.ndarray, batch_size: int):
  """A call that computes the logits of all images, and the size of its batches."""
  network = models.make(name, CLASSES, mean=MEAN, std=STD)
  variables = jax.jit(network.init)(jax.random.key(0), np.zeros((1, *images.shape[1:]), np.float32))
  predictor = Predictor(network.apply, batch_size)
  placed = predictor.place(variables)
  return lambda: predictor.logits(placed, images), predictor.batch_size


def pytorchs(name: str, images: np.ndarray, batch_size: int, device: str, channels_last: bool):
  """The same in PyTorch."""
  import torch

  from benchmarks.baseline_networks import NETWORKS

  layout = torch.channels_last if channels_last else torch.contiguous_format
  network = NETWORKS[name](CLASSES).eval().to(device).to(memory_format=layout)
  mean, std = (torch.tensor(values, device=device).reshape(-1, 1, 1) for values in (MEAN, STD))

  def logits():
    parts = []
    with torch.inference_mode():
      for start in range(0, len(images), batch_size):
        batch = torch.from_numpy(images[start : start + batch_size]).to(device)
        batch = (batch.permute(0, 3, 1, 2).float() / 255 - mean) / std
        parts.append(network(batch.contiguous(memory_format=layout)))
      return torch.cat(parts).cpu().numpy()

  return logits


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--model", default="wide_resnet_40_2", help="a CIFAR network of the zoo")
  parser.add_argument("--batch", type=int, default=100, help="images per call; on CPU 48 at most")
  parser.add_argument("--images", type=int, default=192)
  parser.add_argument("--rounds", type=int, default=5)
  parser.add_argument("--cores", type=int, help="on CPU: so many; default: one, and all")
  parser.add_argument("--json", metavar="FILE", help="write the numbers here")
  arguments = parser.parse_args()

  cores.restrict(arguments.cores)
  cpu_settings.apply()
  on_cpu = jax.default_backend() == "cpu"
  if on_cpu and not arguments.cores and hasattr(os, "sched_getaffinity"):
    return cores.on_each_number("benchmarks.inference", arguments.json)

  import torch

  from benchmarks.baseline_device import baseline_device
  from benchmarks.baseline_networks import NETWORKS

  if arguments.model not in NETWORKS:
    parser.error(f"PyTorch has the networks {', '.join(NETWORKS)}; give one of them as --model")
  torch.set_num_threads(arguments.cores or 1)
  device = baseline_device(parser)
  images = np.random.default_rng(0).integers(0, 256, (arguments.images, 32, 32, 3), np.uint8)
  predict, batch_size = ours(arguments.model, images, arguments.batch)
  functions = {"ours": predict}
  for column, channels_last in (("torch", False), ("torch channels_last", True)):
    functions[column] = pytorchs(arguments.model, images, batch_size, device, channels_last)
  seconds = timing.seconds(functions, arguments.rounds, cores.clock(arguments.cores))

  speeds = {name: arguments.images / value for name, value in seconds.items()}
  ratio = speeds["ours"] / speeds["torch"]
  print(
    f"{arguments.model}, batch {batch_size}, median of {arguments.rounds}; "
    f"{jax.devices()[0].device_kind}, {arguments.cores or 'all'} core(s), "
    f"load {os.getloadavg()[0]:.1f}, jax {jax.__version__}, torch {torch.__version__}\n"
  )
  print("| network | images/s | ours over it |\n|---|---|---|")
  for name, speed in speeds.items():
    print(f"| {name} | {speed:,.0f} | {speeds['ours'] / speed:.2f} |")
  verdict = "PASS" if ratio >= BAR else "FAIL"
  print(f"\nours / torch: {ratio:.2f}" + (f"; bar {BAR}, {verdict}" if on_cpu else ""))
  if arguments.json:
    with open(arguments.json, "w") as file:
      found = {"model": arguments.model, "images_per_second": speeds, "ratio": ratio}
      json.dump(found, file, indent=2)
  return int(on_cpu and ratio < BAR)


if __name__ == "__main__":
  sys.exit(main())
