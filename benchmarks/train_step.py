"""What APR costs in a training step, images per second, and the same step in PyTorch.

    python -m benchmarks.train_step [--model wide_resnet_40_2] [--torch] [--json FILE]

The steps run as in training: data on the device, `train_step` through `ResidentSteps`, on a GPU
many per dispatch. Random images stand in for CIFAR-10. All steps are measured in turns:

- APR-SP: B images become 2B views, as in configs/cifar10_apr_sp.py;
- ready: the same network and loss on 2B images that are ready but for the conversion to float, two
  copies of B;
- standard: B images with crop and flip.

The cost of APR is the time of APR-SP over that of "ready". With --torch, and on a GPU, PyTorch's
steps are among them, of APR-SP and of standard training, from batches that are ready on the device
(see baseline_step.py): "released", float32 and eager; "optimized", with torch.compile, bfloat16 and
channels_last; on a GPU also "optimized, CUDA graphs", which spares PyTorch the launches that many
steps per dispatch spare JAX. On a GPU PyTorch must see it too; JAX leaves it 60 % of the memory.

On CPU everything runs in one thread and CPU time is measured, so that other processes hardly count.
Images per second count the B images of the data set. Prints Markdown tables; exit code 1 if a bar
is missed.
"""

import argparse
import functools
import json
import os
import sys
import time
from collections.abc import Callable

# Before JAX starts its threads; means nothing on a GPU.
os.environ["XLA_FLAGS"] = (
  "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1 "
  + os.environ.get("XLA_FLAGS", "")
)
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", ".4")

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import experiment, losses, optimizers, parallel
from apr_jax.data import ArrayData
from apr_jax.run.state import create_state
from apr_jax.training import resident_steps
from apr_jax.training.step import train_step
from benchmarks import timing
from configs import cifar10_apr_sp, cifar10_standard

NUM_CLASSES, NUM_IMAGES = 10, 50000
COST_BAR = ("wide_resnet_40_2", 1.05)
# {baseline: (our step, by which factor it must be faster)}, of resnet18_cifar on a GPU.
TORCH_BARS = {
  "PyTorch APR-SP, released": ("APR-SP", 2.0),
  "PyTorch APR-SP, optimized": ("APR-SP", 1.0),
  "PyTorch APR-SP, optimized, CUDA graphs": ("APR-SP", None),
  "PyTorch standard, released": ("standard", None),
  "PyTorch standard, optimized": ("standard", None),
}


class Steps:
  """The training of one variant; calling it runs one dispatch and waits for it.

  Attributes:
    config: a file of configs/, with the model and the batch size set.
    ready: replace the augmentation by two float copies of the batch.
    data: training set; its length is a multiple of the images of a dispatch.
    per_dispatch: steps per dispatch.
  """

  def __init__(self, config, ready: bool, data: ArrayData, per_dispatch: int):
    config = experiment.resolve(config, data)
    parts = experiment.build(config)
    update_rule = optimizers.make_optimizer(
      config.optimizer, lambda step: config.optimizer.learning_rate
    )
    step = functools.partial(
      train_step,
      model=parts.model,
      augmentation=_TwoCopies() if ready else parts.augmentation,
      optimizer=update_rule,
    )
    self._state = parallel.call_replicated(
      functools.partial(create_state, config.seed, parts.model, parts.image_size, update_rule)
    )
    self._steps = resident_steps.ResidentSteps(
      step, data, config.batch_size, self._state.key, per_dispatch
    )
    self._per_dispatch = per_dispatch
    self._done = 0

  def __call__(self) -> None:
    self._state, self._done, sums = self._steps.run(
      self._state, self._done, self._done + self._per_dispatch
    )
    jax.block_until_ready(sums)


class _TwoCopies:
  """In place of an augmentation: two float copies of the batch, with the loss of APR."""

  batch_norm_groups = None
  auxiliary_views = 0

  def __call__(self, key, images, labels, positions, shard):
    del key, positions, shard
    images = images.astype(jnp.float32) / 255
    return jnp.stack([images, images]), jax.nn.one_hot(labels, NUM_CLASSES)

  def loss(self, outputs, targets, axis_name):
    del axis_name
    return losses.apr_loss(outputs.logits, targets)


def random_data(multiple: int) -> ArrayData:
  """Random images and labels, as many as CIFAR-10 has, down to a multiple of `multiple`."""
  rng = np.random.default_rng(0)
  count = max(1, NUM_IMAGES // multiple) * multiple
  return ArrayData(
    rng.integers(0, 256, (count, 32, 32, 3), np.uint8),
    rng.integers(0, NUM_CLASSES, count, np.int32),
    NUM_CLASSES,
    "random",
  )


def jax_steps(model: str, batch_size: int, per_dispatch: int) -> dict[str, Steps]:
  """The three variants, each call a dispatch."""
  data = random_data(batch_size * per_dispatch)
  functions = {}
  for name, module, ready in (
    ("APR-SP", cifar10_apr_sp, False),
    ("ready", cifar10_apr_sp, True),
    ("standard", cifar10_standard, False),
  ):
    config = module.get_config()
    config.model.name = model
    config.batch_size = batch_size
    functions[name] = Steps(config, ready, data, per_dispatch)
  return functions


def torch_steps(
  model: str, batch_size: int, steps: int, device: str
) -> dict[str, Callable[[], None]]:
  """The PyTorch variants, each call so many steps."""
  from benchmarks import baseline_step

  functions = {}
  for name in TORCH_BARS:
    if device == "cpu" and "CUDA" in name:
      continue
    step = baseline_step.make_step(
      model,
      batch_size,
      NUM_CLASSES,
      device,
      apr="APR-SP" in name,
      optimized="optimized" in name,
      graphs="CUDA" in name,
    )

    def several(step=step):
      for _ in range(steps):
        step()
      baseline_step.synchronize()

    functions[name] = several
  return functions


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument(
    "--model", default="wide_resnet_40_2", help="a network of apr_jax/models/zoo.py"
  )
  parser.add_argument("--batch_size", type=int, help="images per step; default: 128, on CPU 16")
  parser.add_argument(
    "--steps", type=int, help="steps of each variant to measure; default: 640, on CPU 8"
  )
  parser.add_argument("--steps_per_dispatch", type=int, help="default: as in training, 1 on CPU")
  parser.add_argument("--torch", action="store_true", help="on CPU too, compare with PyTorch")
  parser.add_argument("--json", metavar="FILE", help="write the numbers here")
  arguments = parser.parse_args()

  on_cpu = jax.default_backend() == "cpu"
  batch_size = arguments.batch_size or (16 if on_cpu else 128)
  per_dispatch = arguments.steps_per_dispatch or (
    1 if on_cpu else resident_steps.STEPS_PER_DISPATCH
  )
  rounds = max(1, (arguments.steps or (8 if on_cpu else 640)) // per_dispatch)
  clock = time.process_time if on_cpu else time.perf_counter

  results = {
    "model": arguments.model,
    "batch_size": batch_size,
    "steps_per_dispatch": per_dispatch,
    "rounds": rounds,
    "device": jax.devices()[0].device_kind,
    "devices": jax.device_count(),
    "jax": jax.__version__,
  }
  with_torch = arguments.torch or not on_cpu
  if with_torch:
    import torch

    from benchmarks.baseline_device import baseline_device
    from benchmarks.baseline_networks import NETWORKS

    device = baseline_device(parser)
    if arguments.model not in NETWORKS:
      parser.error(
        f"PyTorch's step has the networks {', '.join(NETWORKS)}; give one of them as --model"
      )
    torch.set_num_threads(1)
    results["torch"] = torch.__version__
  functions = jax_steps(arguments.model, batch_size, per_dispatch)
  if with_torch:
    functions |= torch_steps(arguments.model, batch_size, per_dispatch, device)
  seconds = {
    name: value / per_dispatch for name, value in timing.seconds(functions, rounds, clock).items()
  }
  results |= {"seconds_per_step": seconds, "cost_of_apr": seconds["APR-SP"] / seconds["ready"]}
  return report(results, on_cpu, arguments.json)


def report(results: dict, on_cpu: bool, path: str | None) -> int:
  """Prints the tables, writes the numbers and returns the exit code."""
  seconds, failed = results["seconds_per_step"], False
  print(
    f"{results['model']}, batch {results['batch_size']}, "
    f"{results['steps_per_dispatch']} step(s) per dispatch, median of {results['rounds']}; "
    f"{results['devices']} × {results['device']}, jax {results['jax']}"
    + (f", torch {results['torch']}" if "torch" in results else "")
    + "\n"
  )
  print("| step | ms | images/s |\n|---|---|---|")
  for name, value in seconds.items():
    print(f"| {name} | {1000 * value:.2f} | {results['batch_size'] / value:,.1f} |")
  print("\n| ratio | value | bar |\n|---|---|---|")

  def row(name: str, value: float, bar: float | None, passed: bool) -> bool:
    print(
      f"| {name} | {value:.3f} | "
      + ("none |" if bar is None else f"{bar}, {'PASS' if passed else 'FAIL'} |")
    )
    return bar is not None and not passed

  cost_bar = COST_BAR[1] if results["model"] == COST_BAR[0] else None
  failed |= row(
    "APR-SP / ready, time", results["cost_of_apr"], cost_bar, results["cost_of_apr"] <= COST_BAR[1]
  )
  for name, (ours, minimum) in TORCH_BARS.items():
    if name in seconds:
      speedup = seconds[name] / seconds[ours]
      results[f"speedup over {name}"] = speedup
      bar = minimum if results["model"] == "resnet18_cifar" and not on_cpu else None
      failed |= row(f"{ours} / {name}, images/s", speedup, bar, bar is None or speedup >= bar)
  if path:
    with open(path, "w") as file:
      json.dump(results, file, indent=2)
  return int(failed)


if __name__ == "__main__":
  sys.exit(main())
