"""What APR costs in a training step, images per second, and the same step in PyTorch.

    python -m benchmarks.train_step [--model wide_resnet_40_2] [--json FILE]

The steps run as in training: data on the device, `train_step` through `ResidentSteps`, on a GPU
many per dispatch. Random images stand in for CIFAR-10. All steps are measured in turns:

- APR-SP: B images become 2B views, as in configs/cifar10_apr_sp.py;
- ready: the same network and loss on 2B images that are ready but for the conversion to float, two
  copies of B;
- standard: B images with crop and flip.

The cost of APR is the time of APR-SP over that of "ready". Where PyTorch is installed its steps are
among them, from batches that are ready on the device (see baseline_step.py).

On a GPU they are of APR-SP and of standard training: "released", float32 and eager; "optimized",
with torch.compile, bfloat16 and channels_last; "optimized, CUDA graphs", which spares PyTorch the
launches that many steps per dispatch spare JAX. PyTorch must see the GPU too; JAX leaves it 60 % of
the memory.

On CPU they are of standard training in float32, "eager" as released, with channels_last, and with
torch.compile too. All is measured twice, in a process each: on one core by CPU time, so that other
processes hardly count, and on all cores by the clock. `--only standard` leaves out APR.

Images per second count the B images of the data set. Prints Markdown tables; exit code 1 if a bar
is missed.
"""

import argparse
import functools
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable

os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", ".4")

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import cpu_settings, experiment, losses, optimizers, parallel
from apr_jax.data import ArrayData
from apr_jax.run.state import create_state
from apr_jax.training import resident_steps
from apr_jax.training.step import train_step
from benchmarks import cores, timing
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
# {baseline on a CPU: how it differs from the released step}.
TORCH_ON_CPU = {
  "PyTorch standard, eager": {},
  "PyTorch standard, channels_last": {"channels_last": True},
  "PyTorch standard, compiled, channels_last": {"channels_last": True, "compiled": True},
}
CPU_BAR = 0.9  # images/s of standard training over those of PyTorch's eager step


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
      skip_nonfinite=config.optimizer.skip_nonfinite,
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


def jax_steps(
  model: str, batch_size: int, per_dispatch: int, only: str | None = None
) -> dict[str, Steps]:
  """The three variants, or one of them, each call a dispatch."""
  data = random_data(batch_size * per_dispatch)
  functions = {}
  for name, module, ready in (
    ("APR-SP", cifar10_apr_sp, False),
    ("ready", cifar10_apr_sp, True),
    ("standard", cifar10_standard, False),
  ):
    if only not in (None, name):
      continue
    config = module.get_config()
    config.model.name = model
    config.batch_size = batch_size
    functions[name] = Steps(config, ready, data, per_dispatch)
  return functions


def torch_steps(
  model: str, batch_size: int, steps: int, device: str, compiled_on_cpu: bool
) -> dict[str, Callable[[], None]]:
  """The PyTorch variants, each call so many steps; what does not compile here is left out."""
  from benchmarks import baseline_step

  variants = (
    {
      name: {"apr": False, **how}
      for name, how in TORCH_ON_CPU.items()
      if compiled_on_cpu or "compiled" not in how
    }
    if device == "cpu"
    else {
      name: {"apr": "APR-SP" in name, "optimized": "optimized" in name, "graphs": "CUDA" in name}
      for name in TORCH_BARS
    }
  )
  functions = {}
  for name, how in variants.items():
    step = baseline_step.make_step(model, batch_size, NUM_CLASSES, device, **how)

    def several(step=step):
      for _ in range(steps):
        step()
      baseline_step.synchronize()

    if how.get("compiled"):
      try:
        step()
      except Exception as error:  # whatever its compiler says, such as that there is none
        print(f"{name} does not run here: {type(error).__name__}", file=sys.stderr)
        continue
    functions[name] = several
  return functions


def with_torch(parser: argparse.ArgumentParser, model: str, on_cpu: bool) -> bool:
  """Whether PyTorch's steps are measured: on a CPU if it is there and has the network."""
  if on_cpu and importlib.util.find_spec("torch") is None:
    return False
  from benchmarks.baseline_networks import NETWORKS

  if model not in NETWORKS and not on_cpu:
    parser.error(f"PyTorch's step has the networks {', '.join(NETWORKS)}; give one as --model")
  return model in NETWORKS


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument(
    "--model", default="wide_resnet_40_2", help="a network of apr_jax/models/zoo.py"
  )
  parser.add_argument(
    "--batch", "--batch_size", type=int, help="images per step; default: 128, on CPU 16"
  )
  parser.add_argument(
    "--steps", type=int, help="steps of each variant to measure; default: 640, on CPU 8"
  )
  parser.add_argument("--steps_per_dispatch", type=int, help="default: as in training, 1 on CPU")
  parser.add_argument("--only", choices=("standard",), help="leave out the steps of APR")
  parser.add_argument(
    "--torch_compile",
    action=argparse.BooleanOptionalAction,
    default=True,
    help="on CPU: measure torch.compile, which compiles for minutes",
  )
  parser.add_argument("--cores", type=int, help="on CPU: so many; default: one, and all")
  parser.add_argument("--json", metavar="FILE", help="write the numbers here")
  arguments = parser.parse_args()

  cores.restrict(arguments.cores)
  cpu_settings.apply()
  on_cpu = jax.default_backend() == "cpu"
  if on_cpu and not arguments.cores and hasattr(os, "sched_getaffinity"):
    return cores.on_each_number("benchmarks.train_step", arguments.json)
  batch_size = arguments.batch or (16 if on_cpu else 128)
  per_dispatch = arguments.steps_per_dispatch or (
    1 if on_cpu else resident_steps.STEPS_PER_DISPATCH
  )
  rounds = max(1, (arguments.steps or (8 if on_cpu else 640)) // per_dispatch)
  clock = cores.clock(arguments.cores)

  results = {
    "model": arguments.model,
    "batch_size": batch_size,
    "steps_per_dispatch": per_dispatch,
    "rounds": rounds,
    "device": jax.devices()[0].device_kind,
    "devices": jax.device_count(),
    "cores": arguments.cores,
    "jax": jax.__version__,
  }
  started = time.process_time()
  functions = jax_steps(arguments.model, batch_size, per_dispatch, arguments.only)
  for function in functions.values():
    function()
  results["cpu_seconds_to_first_step"] = (time.process_time() - started) / len(functions)
  if with_torch(parser, arguments.model, on_cpu):
    import torch

    from benchmarks.baseline_device import baseline_device

    torch.set_num_threads(arguments.cores or 1)
    results["torch"] = torch.__version__
    device = baseline_device(parser)
    functions |= torch_steps(
      arguments.model, batch_size, per_dispatch, device, arguments.torch_compile
    )
  seconds = {
    name: value / per_dispatch for name, value in timing.seconds(functions, rounds, clock).items()
  }
  results |= {"seconds_per_step": seconds, "load": os.getloadavg()[0]}
  return report(results, arguments.json)


def report(results: dict, path: str | None) -> int:
  """Prints the tables, writes the numbers and returns the exit code."""
  seconds, failed = results["seconds_per_step"], False
  print(
    f"{results['model']}, batch {results['batch_size']}, "
    f"{results['steps_per_dispatch']} step(s) per dispatch, median of {results['rounds']}; "
    f"{results['devices']} × {results['device']}, "
    + ("" if results["cores"] is None else f"{results['cores']} core(s), ")
    + f"load {results['load']:.1f}, jax {results['jax']}"
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

  if "ready" in seconds:
    cost = results["cost_of_apr"] = seconds["APR-SP"] / seconds["ready"]
    bar = COST_BAR[1] if results["model"] == COST_BAR[0] else None
    failed |= row("APR-SP / ready, time", cost, bar, cost <= COST_BAR[1])
  for name, (ours, minimum) in TORCH_BARS.items():
    if name in seconds:
      speedup = seconds[name] / seconds[ours]
      results[f"speedup over {name}"] = speedup
      bar = minimum if results["model"] == "resnet18_cifar" else None
      failed |= row(f"{ours} / {name}, images/s", speedup, bar, bar is None or speedup >= bar)
  results["images_per_second"] = {
    "ours": results["batch_size"] / seconds["standard"],
    **{
      name.replace("PyTorch standard, ", "torch ").replace("torch eager", "torch"): (
        results["batch_size"] / seconds[name]
      )
      for name in TORCH_ON_CPU
      if name in seconds
    },
  }
  for number, name in enumerate(TORCH_ON_CPU):
    if name in seconds:
      ratio = seconds[name] / seconds["standard"]
      if number == 0:
        results["ratio"] = ratio
      bar = None if number else CPU_BAR
      failed |= row(f"standard / {name}, images/s", ratio, bar, ratio >= CPU_BAR)
  if path:
    with open(path, "w") as file:
      json.dump(results, file, indent=2)
  return int(failed)


if __name__ == "__main__":
  sys.exit(main())
