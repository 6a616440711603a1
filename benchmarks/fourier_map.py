"""Seconds that a Fourier heat map takes, and how fast the network alone would be.

    python -m benchmarks.fourier_map

Every frequency of 32-pixel images, through the evaluator that `evaluate.py --suites fourier` runs.
The weights are random, which changes no time: of 1,000 random images, as many as are taken of
CIFAR, and of the 360 test digits. Other processes lengthen the seconds and hardly the CPU seconds,
which count every core. Exit code 1 if a map misses its bar, which holds on a CPU with 2 cores.
"""

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import data, models
from apr_jax.classifiers.predictor import Predictor
from apr_jax.data import ArrayData
from apr_jax.evaluation.fourier import Fourier
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.task import Task

BAR = 120.0


@dataclasses.dataclass(frozen=True)
class Network:
  """A network with random weights, as a classifier."""

  logits: Callable[[np.ndarray], np.ndarray]
  num_classes: int
  image_size: tuple[int, int]
  name: str = "random"
  fingerprint: str = "random"


def random_images(count: int) -> ArrayData:
  """Noise in place of photographs: no time depends on the pixels."""
  images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
  return ArrayData(images, np.zeros(count, np.int32), 10, "random")


def measure(model: str, batch_size: int, test: ArrayData) -> tuple[int, float, float, int, float]:
  """Images per call, seconds for the map, CPU seconds, images that the network saw, and its images
  per second on ready images.
  """
  network = models.make(model, test.num_classes, mean=(0.5,) * 3, std=(0.2,) * 3)
  predictor = Predictor(network.apply, batch_size)
  variables = predictor.place(
    jax.device_get(network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))
  )
  passed = []

  def logits(images):
    passed.append(len(images))
    return predictor.logits(variables, images)

  classifier = Network(logits, test.num_classes, test.image_size)
  task = Task(classifier, Settings(test.name), load=lambda *_, **__: test)
  fourier = Fourier()
  parts = dict(fourier.parts(task))
  parts["clean"](), parts["row/0"]()  # compiles
  ready = np.resize(test.images, (40 * predictor.batch_size, 32, 32, 3))
  start = time.perf_counter()
  predictor.logits(variables, ready)
  speed = len(ready) / (time.perf_counter() - start)
  passed.clear()
  start, start_cpu = time.perf_counter(), time.process_time()
  fourier.summarise({name: compute() for name, compute in parts.items()})
  return (
    predictor.batch_size,
    time.perf_counter() - start,
    time.process_time() - start_cpu,
    sum(passed),
    speed,
  )


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument(
    "--model", default="wide_resnet_10_1", help="a network of apr_jax/models/zoo.py"
  )
  parser.add_argument("--batch_size", type=int, default=500, help="images per call at most")
  parser.add_argument(
    "--images",
    nargs="+",
    choices=("random", "digits"),
    default=("random", "digits"),
    help="1,000 random images, the 360 test digits",
  )
  arguments = parser.parse_args()

  on_cpu = jax.default_backend() == "cpu"
  print(f"{arguments.model}, jax {jax.__version__} on {jax.default_backend()}\n")
  print(
    "| images | batch | seconds | CPU seconds | images seen | images/s "
    "| network alone, images/s | bar |"
  )
  print("|---|---|---|---|---|---|---|---|")
  missed = False
  for name in arguments.images:
    test = random_images(Fourier().examples) if name == "random" else data.load(name, "test")
    batch_size, seconds, cpu_seconds, count, speed = measure(
      arguments.model, arguments.batch_size, test
    )
    missed |= on_cpu and seconds >= BAR
    verdict = ("PASS" if seconds < BAR else "FAIL") if on_cpu else "on CPU only"
    print(
      f"| {len(test.labels):,} {name} | {batch_size} | {seconds:.0f} | {cpu_seconds:.0f} "
      f"| {count:,} | {count / seconds:,.0f} | {speed:,.0f} | under {BAR:.0f} s, {verdict} |",
      flush=True,
    )
  return int(missed)


if __name__ == "__main__":
  sys.exit(main())
