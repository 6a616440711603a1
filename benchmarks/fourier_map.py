"""Seconds that a Fourier heat map takes, and how fast the network alone would be.

    python -m benchmarks.fourier_map

Every frequency of 32-pixel images, through the evaluator that `evaluate.py --suites fourier` runs. The weights are
random, which changes no time: of 1,000 random images, as CIFAR has them, and of the 360 test digits. Exit code 1 if
a map misses its bar, which holds on a CPU with 2 cores.
"""

import argparse
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import data, models, parallel
from apr_jax.data import ArrayData
from apr_jax.evaluation import fourier
from apr_jax.evaluation.suite import Task

BAR = 120.0


def random_images(count: int) -> ArrayData:
  """Noise in place of photographs: no time depends on the pixels."""
  images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
  return ArrayData(images, np.zeros(count, np.int32), 10, "random")


def measure(model: str, batch_size: int, test: ArrayData) -> tuple[float, int, float]:
  """Seconds for the map, images that went through the network, and its images per second on ready images."""
  network = models.make(model, test.num_classes, mean=(0.5,) * 3, std=(0.2,) * 3)
  predictor = parallel.Predictor(network.apply, batch_size)
  variables = predictor.place(jax.device_get(network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))))
  passed = []

  def logits(images):
    passed.append(len(images))
    return predictor.logits(variables, images)

  task = Task(logits=logits, data_name=test.name, data_dir="", num_classes=test.num_classes,
              image_size=test.image_size, load_test=lambda name: test, limit=0, ood_sets=(),
              corruption_source="auto")
  parts = dict(fourier.parts(task))
  parts["clean"](), parts["row/0"]()  # compiles
  ready = np.resize(test.images, (8 * predictor_size(batch_size), 32, 32, 3))
  start = time.perf_counter()
  predictor.logits(variables, ready)
  speed = len(ready) / (time.perf_counter() - start)
  passed.clear()
  start = time.perf_counter()
  fourier.summarise({name: compute() for name, compute in parts.items()})
  return time.perf_counter() - start, sum(passed), speed


def predictor_size(batch_size: int) -> int:
  """Images per call over all devices."""
  return -(-batch_size // jax.local_device_count()) * jax.local_device_count()


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--model", default="wide_resnet_10_1", help="a network of apr_jax/models/zoo.py")
  parser.add_argument("--batch_sizes", type=int, nargs="+", default=[500, 50], help="images per call")
  arguments = parser.parse_args()

  on_cpu = jax.default_backend() == "cpu"
  print(f"{arguments.model}, jax {jax.__version__} on {jax.default_backend()}\n")
  print("| images | batch | seconds | images through the network | images/s | network alone, images/s | bar |")
  print("|---|---|---|---|---|---|---|")
  missed = False
  for test in (random_images(fourier.EXAMPLES), data.load("digits", "test")):
    for batch_size in arguments.batch_sizes:
      seconds, count, speed = measure(arguments.model, batch_size, test)
      missed |= on_cpu and seconds >= BAR
      verdict = ("PASS" if seconds < BAR else "FAIL") if on_cpu else "on CPU only"
      print(f"| {len(test.labels):,} {test.name} | {batch_size} | {seconds:.0f} | {count:,} | {count / seconds:,.0f} "
            f"| {speed:,.0f} | under {BAR:.0f} s, {verdict} |", flush=True)
  return int(missed)


if __name__ == "__main__":
  sys.exit(main())
