"""Seconds of AutoAttack per standing image and attack, and whether its cost is that of its passes.

    python -m benchmarks.autoattack [--model wide_resnet_40_2] [--images 16]

The bound is so small that no image falls: each goes through every iteration, as those do that stand
to the end, which cost nearly everything. Weights and images are random, which changes no time. Each
attack runs with few iterations and with twice as many; the difference, without compilation and
start, is scaled to the numbers of the version "standard".

By the model, apgd-ce costs 101 gradients per image, apgd-t 9 times as many, fab-t 900 gradients and
900 passes forward, square 5,001 passes forward; gradients are those of the images alone. Beside it
stands what was measured. On CPU everything runs in one thread and CPU time is counted.

Where PyTorch is installed and the network is one of baseline_networks.py, its passes are timed too,
in the same turns: no attack on it can cost less than these. Where the package `autoattack` of the
paper's authors can be imported as well, its attacks run on that network in the same way.
"""

import argparse
import importlib.util
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

# Before JAX starts its threads; means nothing on a GPU.
os.environ["XLA_FLAGS"] = (
  "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1 "
  + os.environ.get("XLA_FLAGS", "")
)

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import models
from apr_jax.attacks import APGD, FAB, AutoAttack, Square
from benchmarks import timing

CLASSES, TARGETS, ITERATIONS, QUERIES = 10, 9, 100, 5000
EPSILON = 1e-6  # nothing falls
MEAN = STD = (0.5, 0.5, 0.5)
CLOCK = time.process_time if jax.default_backend() == "cpu" else time.perf_counter


class Measured:
  """One attack at two lengths.

  Args:
    make: length → attack.
    lengths: the two numbers of iterations or queries.
    full: iterations or queries per image in the version "standard", of all targets.
    gradients, forwards: per iteration or query.
  """

  def __init__(
    self, make: Callable, lengths: tuple[int, int], full: int, gradients: int, forwards: int
  ):
    self.make, self.lengths, self.full = make, lengths, full
    self.gradients, self.forwards = gradients, forwards


def attacks(iterations: int, queries: int) -> dict[str, Measured]:
  lengths, of_queries = (iterations, 2 * iterations), (queries, 2 * queries)

  def apgd(loss):
    return lambda number: APGD(loss, "apgd", iterations=number, targets=1)

  return {
    "apgd-ce": Measured(apgd("ce"), lengths, ITERATIONS + 1, 1, 0),
    "apgd-t": Measured(apgd("targeted-dlr"), lengths, TARGETS * (ITERATIONS + 1), 1, 0),
    "fab-t": Measured(
      lambda number: FAB(True, "fab", iterations=number, targets=1),
      lengths,
      TARGETS * ITERATIONS,
      1,
      1,
    ),
    "square": Measured(lambda number: Square(queries=number), of_queries, QUERIES + 1, 0, 1),
  }


def seconds_per_image(run: Callable[[int], object], measured: Measured, images: int) -> float:
  """CPU seconds of the whole attack on an image that stands, from the difference of two lengths."""
  times = timing.seconds(
    {str(length): lambda length=length: run(length) for length in measured.lengths},
    3,
    CLOCK,
  )
  short, long = (times[str(length)] for length in measured.lengths)
  return (long - short) / (measured.lengths[1] - measured.lengths[0]) / images * measured.full


def peak_memory() -> float:
  """The most memory this process, or the GPU, has used so far, in MB."""
  statistics = jax.devices()[0].memory_stats() or {}
  if "peak_bytes_in_use" in statistics:
    return statistics["peak_bytes_in_use"] / 1e6
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def pytorch_network(model: str) -> Any:
  """The same layers in PyTorch, in evaluation mode; None where they, or PyTorch, are not there."""
  if importlib.util.find_spec("torch") is None:
    return None
  import torch

  from benchmarks.baseline_networks import NETWORKS

  torch.set_num_threads(1)
  return NETWORKS[model](CLASSES).eval() if model in NETWORKS else None


def pytorch_passes(network: Any, images: np.ndarray) -> dict[str, Callable[[], object]]:
  """A pass forward and a gradient of the images."""
  import torch

  network.requires_grad_(False)
  batch = torch.tensor(images.transpose(0, 3, 1, 2))

  def forward():
    with torch.no_grad():
      return network(batch)

  def gradient():
    leaf = batch.clone().requires_grad_()
    return torch.autograd.grad(network(leaf).amax(-1).sum(), leaf)

  return {"PyTorch forward": forward, "PyTorch gradient": gradient}


def original_attacks(network: Any, images: np.ndarray) -> dict[str, Callable[[int], object]]:
  """{attack: length → runs the package's attack}; empty if it is not installed."""
  if network is None or importlib.util.find_spec("autoattack") is None:
    return {}
  import torch
  from autoattack import AutoAttack as Original

  batch = torch.tensor(images.transpose(0, 3, 1, 2))
  labels = network(batch).argmax(-1)

  def run(name, length):
    ensemble = Original(network, norm="Linf", eps=EPSILON, version="custom", device="cpu")
    ensemble.verbose, ensemble.attacks_to_run = False, [name]
    ensemble.apgd.n_restarts = 1
    ensemble.apgd.n_iter = ensemble.apgd_targeted.n_iter = ensemble.fab.n_iter = length
    ensemble.apgd_targeted.n_target_classes = ensemble.fab.n_target_classes = 1
    ensemble.square.n_queries = length
    ensemble.run_standard_evaluation(batch, labels, bs=len(batch))

  return {
    name: lambda length, name=name: run(name, length)
    for name in ("apgd-ce", "apgd-t", "fab-t", "square")
  }


def _row(name: str, model: float, seconds: float, bound: float, beside: float) -> str:
  known = [f"{value:.2f}" if np.isfinite(value) else "not installed" for value in (bound, beside)]
  return f"| {name} | {model:.2f} | {seconds:.2f} | {seconds / model:.2f} | {' | '.join(known)} |"


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument(
    "--model", default="wide_resnet_40_2", help="a network of apr_jax/models/zoo.py"
  )
  parser.add_argument("--images", type=int, default=16, help="in one batch")
  parser.add_argument("--iterations", type=int, default=3, help="of the shorter run")
  parser.add_argument("--queries", type=int, default=10, help="of the shorter run")
  arguments = parser.parse_args()

  network = models.make(arguments.model, CLASSES, mean=MEAN, std=STD)
  images = np.random.default_rng(0).uniform(0, 1, (arguments.images, 32, 32, 3)).astype(np.float32)
  variables = network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))

  def logits_fn(images):
    return network.apply(variables, images)

  forward = jax.jit(logits_fn)
  gradient = jax.jit(jax.grad(lambda images: logits_fn(images).max(-1).sum()))
  labels = np.asarray(forward(images).argmax(-1))
  in_pytorch = pytorch_network(arguments.model)
  passes = timing.seconds(
    {
      "forward": lambda: forward(images).block_until_ready(),
      "gradient": lambda: gradient(images).block_until_ready(),
    }
    | (pytorch_passes(in_pytorch, images) if in_pytorch else {}),
    7,
    CLOCK,
  )
  passes = {name: seconds / len(images) for name, seconds in passes.items()}
  print(
    f"{arguments.model}, {len(images)} images in a batch, jax {jax.__version__} on "
    f"{jax.devices()[0].device_kind}. Milliseconds per image:"
  )
  print(", ".join(f"{name} {1e3 * seconds:.2f}" for name, seconds in passes.items()), "\n")

  original = original_attacks(in_pytorch, images)
  print("Seconds per standing image:\n")
  print("| attack | by the model | measured | ratio | PyTorch's passes alone | original package |")
  print("|---|---|---|---|---|---|")
  rows = []
  for name, measured in attacks(arguments.iterations, arguments.queries).items():
    # one ensemble per length, so that its programs are kept from call to call
    ensembles = {
      length: AutoAttack(
        logits_fn, epsilon=EPSILON, attacks=(measured.make(length),), batch_size=len(images)
      )
      for length in measured.lengths
    }
    results = []

    def run(length, ensembles=ensembles, results=results):
      results.append(ensembles[length](images, labels, key=jax.random.key(0), progress=False))

    seconds = seconds_per_image(run, measured, len(images))
    fallen = max(100 - result.robust_accuracy for result in results)
    model, bound = (
      measured.full
      * (
        measured.gradients * passes.get(f"{of}gradient", np.nan)
        + measured.forwards * passes.get(f"{of}forward", np.nan)
      )
      for of in ("", "PyTorch ")
    )
    beside = np.nan
    if original:
      beside = seconds_per_image(original[name], measured, len(images))
    rows.append((model, seconds, bound, beside))
    print(_row(name, *rows[-1]), flush=True)
    if fallen > 0:
      print(f"{fallen:.1f} % of the images fell, and cost less", file=sys.stderr)
  print(_row("all", *np.sum(rows, axis=0)))
  print(f"\nMost memory used: {peak_memory():,.0f} MB")
  return 0


if __name__ == "__main__":
  sys.exit(main())
