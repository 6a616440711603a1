"""Seconds of AutoAttack per standing image and attack, and whether its cost is that of its passes.

The bound is so small that no image falls: each goes through every iteration, as those do that stand
to the end, which cost nearly everything. Weights and images are random, which changes no time. Each
attack runs with few iterations and with twice as many; the difference, without compilation and
start, is scaled to the numbers of the version "standard".

By the model, apgd-ce costs 101 gradients per image, apgd-t 9 times as many, fab-t 900 gradients and
900 passes forward, square 5,001 passes forward; gradients are those of the images alone. Beside it
stands what was measured. On CPU everything runs in one thread and CPU time is counted.

Where PyTorch is installed and the network is one of baseline_networks.py, its passes are timed too,
in the same turns: no attack on it can cost less than these. Where the package of the paper's
authors is installed as well, its attacks run on that network in the same way.
"""

import dataclasses
import importlib.util
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import models
from apr_jax.attacks import APGD, FAB, AutoAttack, Square
from apr_jax.attacks.attack import Attack
from benchmarks import memory, timing

CLASSES, TARGETS, ITERATIONS, QUERIES = 10, 9, 100, 5000
EPSILON = 1e-6  # nothing falls
MEAN = STD = (0.5, 0.5, 0.5)
CLOCK = time.process_time if jax.default_backend() == "cpu" else time.perf_counter


@dataclasses.dataclass(frozen=True)
class Measured:
  """One attack at two lengths.

  Attributes:
    make: length → attack.
    length: iterations or queries of the shorter run; the longer one has twice as many.
    full: iterations or queries per image in the version "standard", of all targets.
    gradients, forwards: per iteration or query.
  """

  make: Callable[[int], Attack]
  length: int
  full: int
  gradients: int
  forwards: int

  @property
  def lengths(self) -> tuple[int, int]:
    return self.length, 2 * self.length


def attacks(iterations: int, queries: int) -> dict[str, Measured]:
  def apgd(loss):
    return lambda number: APGD(loss, "apgd", iterations=number, targets=1)

  def fab(number):
    return FAB(True, "fab", iterations=number, targets=1)

  once = ITERATIONS + 1
  return {
    "apgd-ce": Measured(apgd("ce"), iterations, once, 1, 0),
    "apgd-t": Measured(apgd("targeted-dlr"), iterations, TARGETS * once, 1, 0),
    "fab-t": Measured(fab, iterations, TARGETS * ITERATIONS, 1, 1),
    "square": Measured(lambda number: Square(queries=number), queries, QUERIES + 1, 0, 1),
  }


def seconds_per_image(run: Callable[[int], object], measured: Measured, images: int) -> float:
  """CPU seconds of the whole attack on an image that stands, from the difference of two lengths."""
  times = timing.seconds(
    {str(length): lambda length=length: run(length) for length in measured.lengths},
    3,
    CLOCK,
  )
  short, long = (times[str(length)] for length in measured.lengths)
  return (long - short) / measured.length / images * measured.full


def pytorch_network(model: str) -> Any:
  """The same layers in PyTorch, in evaluation mode; None where they, or PyTorch, are not there."""
  if importlib.util.find_spec("torch") is None:
    return None
  import torch

  from benchmarks.baseline_networks import NETWORKS

  torch.set_num_threads(1)
  return NETWORKS[model](CLASSES).eval().requires_grad_(False) if model in NETWORKS else None


def pytorch_passes(network: Any, images: np.ndarray) -> dict[str, Callable[[], object]]:
  """A pass forward and a gradient of the images."""
  import torch

  batch = torch.tensor(images.transpose(0, 3, 1, 2))

  def forward():
    with torch.no_grad():
      return network(batch)

  def gradient():
    leaf = batch.clone().requires_grad_()
    return torch.autograd.grad(network(leaf).amax(-1).sum(), leaf)

  return {"PyTorch forward": forward, "PyTorch gradient": gradient}


def original_attack(network: Any, name: str, images: np.ndarray) -> Callable[[int], object] | None:
  """Length → runs the package's attack; None if it is not installed."""
  if network is None:
    return None
  import torch

  from benchmarks import baseline_autoattack

  if baseline_autoattack.package() is None:
    return None
  labels = network(torch.tensor(images.transpose(0, 3, 1, 2))).argmax(-1).numpy()

  def run(length):
    original = baseline_autoattack.Original(
      network, EPSILON, batch_size=len(images), length=length, targets=1
    )
    original(name, images, labels)

  return run


def our_attack(
  logits_fn: Callable, name: str, measured: Measured, images: np.ndarray, labels: np.ndarray
) -> Callable[[int], object]:
  """Length → runs our attack."""
  # one ensemble per length, so that its programs are kept from call to call
  ensembles = {
    length: AutoAttack(
      logits_fn, epsilon=EPSILON, attacks=(measured.make(length),), batch_size=len(images)
    )
    for length in measured.lengths
  }

  def run(length):
    result = ensembles[length](images, labels, key=jax.random.key(0), progress=False)
    if (fallen := 100 - result.robust_accuracy) > 0:
      print(f"{name}: {fallen:.1f} % of the images fell, and cost less", file=sys.stderr)

  return run


def _row(name: str, model: float, seconds: float, bound: float, beside: float) -> str:
  known = [f"{value:.2f}" if np.isfinite(value) else "not installed" for value in (bound, beside)]
  return f"| {name} | {model:.2f} | {seconds:.2f} | {seconds / model:.2f} | {' | '.join(known)} |"


def measure(model: str, number: int, iterations: int, queries: int) -> dict[str, Any]:
  """Prints the table, and returns what it says.

  Args:
    model: name of the network.
    number: of images, in one batch.
    iterations, queries: of the shorter run.
  """
  network = models.make(model, CLASSES, mean=MEAN, std=STD)
  images = np.random.default_rng(0).uniform(0, 1, (number, 32, 32, 3)).astype(np.float32)
  variables = network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))

  def logits_fn(images):
    return network.apply(variables, images)

  forward = jax.jit(logits_fn)
  gradient = jax.jit(jax.grad(lambda images: logits_fn(images).max(-1).sum()))
  labels = np.asarray(forward(images).argmax(-1))
  in_pytorch = pytorch_network(model)
  passes = timing.seconds(
    {
      "forward": lambda: forward(images).block_until_ready(),
      "gradient": lambda: gradient(images).block_until_ready(),
    }
    | (pytorch_passes(in_pytorch, images) if in_pytorch else {}),
    7,
    CLOCK,
  )
  passes = {name: seconds / number for name, seconds in passes.items()}
  print(
    f"{model}, {number} images in a batch, jax {jax.__version__} on "
    f"{jax.devices()[0].device_kind}. Milliseconds per image:"
  )
  print(", ".join(f"{name} {1e3 * seconds:.2f}" for name, seconds in passes.items()), "\n")

  print("Seconds per standing image:\n")
  print("| attack | by the model | measured | ratio | PyTorch's passes alone | original package |")
  print("|---|---|---|---|---|---|")
  rows = {}
  for name, measured in attacks(iterations, queries).items():
    seconds = seconds_per_image(
      our_attack(logits_fn, name, measured, images, labels), measured, number
    )
    model_seconds, bound = (
      measured.full
      * (
        measured.gradients * passes.get(f"{of}gradient", np.nan)
        + measured.forwards * passes.get(f"{of}forward", np.nan)
      )
      for of in ("", "PyTorch ")
    )
    original = original_attack(in_pytorch, name, images)
    beside = seconds_per_image(original, measured, number) if original else np.nan
    rows[name] = (model_seconds, seconds, bound, beside)
    print(_row(name, *rows[name]), flush=True)
  rows["all"] = tuple(np.sum(list(rows.values()), axis=0))
  print(_row("all", *rows["all"]))
  print(f"\nMost memory used: {memory.peak():,.0f} MB")
  columns = ("by_the_model", "measured", "passes_in_pytorch", "original")
  return {
    "network": model,
    "images": number,
    "milliseconds_per_pass": {name: 1e3 * seconds for name, seconds in passes.items()},
    "seconds_per_standing_image": {
      name: {key: value for key, value in zip(columns, row) if np.isfinite(value)}
      for name, row in rows.items()
    },
    "memory_mb": memory.peak(),
  }
