"""The programs that a TPU would run, compiled without one: what they hold, cost and send.

    python -m benchmarks.tpu_program --config configs/cifar10_apr_sp.py --topology v5e:2x2 \\
        [--chips 1] [--set model.name=wide_resnet_10_1 batch_size=128] [--json FILE]

Needs `pip install -e '.[tpu-compile]'`: libtpu holds XLA's compiler for TPUs, and needs no TPU. The
training program is `training/step.py` as `ParallelStep` runs it on images on the device, one step,
or on a stream where the configuration says so; the evaluation program is `Predictor`'s; the
augmentation by itself ends in what the network is given. They are compiled from shapes alone, so no
data are read. `model.dtype=auto` is bfloat16, as on a TPU.
batch_size counts the images of all chips.

Cycles are the compiler's own estimates, part by part; it gives none for gathers, scatters and
collectives, which are listed by themselves. Gathers of single elements take a TPU about a cycle
each or more. Minutes per program: compiling uses the compiler's full effort.
"""

import argparse
import functools
import json
import os
import sys
import time
from typing import Any

# Before JAX is imported. libtpu asks a TPU's host for what this one cannot know.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")
os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jax.experimental import topologies

from apr_jax import device_group, experiment, keys, optimizers, parallel
from apr_jax.attacks.pgd import make_adversary
from apr_jax.augment.pipeline import Augmentation
from apr_jax.classifiers.predictor import from_bytes
from apr_jax.config_files import load_config
from apr_jax.errors import UserError
from apr_jax.run.state import create_state
from apr_jax.training.resident_steps import resident_step
from apr_jax.training.step import train_step
from apr_jax.training.stream_steps import stream_step
from benchmarks import tpu_parts, tpu_text

DATA = {
  "cifar10": (50000, 10, 32),
  "cifar100": (50000, 100, 32),
  "imagenet2012": (1281167, 1000, 224),
}
"""{data set: (training images, classes, pixels)}, so that none is read."""

PROGRAMS = ("training", "evaluation", "augmentation")

HBM = {"v5e": 16, "v5p": 95, "v6e": 32}
"""{chip: GB of memory}, published by the maker."""


class Shapes:
  """A training set without its images: what a configuration asks of one."""

  def __init__(self, config: ml_collections.ConfigDict):
    name = config.data.name
    known = DATA.get(name)
    if known is None and not (config.model.num_classes and all(config.model.image_size)):
      raise UserError(
        f"the size of data set {name!r} is not known here: give --set model.num_classes=K "
        f"model.image_size='(H, W)', or one of {', '.join(DATA)}"
      )
    count, classes, pixels = known or (50000, 0, 0)
    self.name, self.num_examples = name, config.data.limit or count
    self.num_classes = config.model.num_classes or classes
    size = config.data.image_size or pixels
    self.image_size = (size, size) if known else tuple(config.model.image_size)


def lower(
  config: ml_collections.ConfigDict, devices: list[jax.Device], name: str
) -> jax.stages.Lowered:
  """A program of a configuration for these devices.

  Args:
    name: one of `PROGRAMS`.

  Raises:
    UserError: the configuration cannot be used.
  """
  data = Shapes(config)
  config = experiment.resolve(config, data)
  parallel.check_batch_size(config.batch_size, len(devices))
  device_group.check_size(config.device_group, len(devices))
  with config.unlocked():
    if config.model.dtype == "auto":
      config.model.dtype = "bfloat16"
  parts = experiment.build(config)
  rule = optimizers.make_optimizer(config.optimizer, lambda _: config.optimizer.learning_rate)
  state = jax.eval_shape(
    functools.partial(create_state, config.seed, parts.model, parts.image_size, rule)
  )
  step = functools.partial(
    train_step,
    model=parts.model,
    augmentation=parts.augmentation,
    optimizer=rule,
    adversary=make_adversary(config.adversary),
  )
  chips, height, width = len(devices), *parts.image_size

  def images(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((*shape, height, width, 3), np.uint8)

  def numbers(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, np.int32)

  size = config.batch_size // chips
  if name == "evaluation":
    share = -(-config.evaluation.batch_size // chips)
    inference = from_bytes(parts.model.apply)
    return parallel.lower_inference(inference, devices, state.variables, images(chips, share))
  if name == "augmentation":
    batch = images(chips, size), numbers(chips, size), numbers(chips)
    function = functools.partial(augmented, parts.augmentation)
    return parallel.lower_inference(function, devices, state.key, batch)
  if config.data.stream:
    batch = images(chips, size), numbers(chips, size)
    return parallel.lower_step(stream_step(step), devices, state, batch, split_inputs=True)
  count = data.num_examples
  rows = jax.ShapeDtypeStruct((count, height * width * 3), np.uint8)
  return parallel.lower_step(
    resident_step(step, count, parts.image_size, config.batch_size, chips),
    devices,
    state,
    (rows, numbers(count), numbers(count)),
  )


def augmented(
  augmentation: Augmentation, key: jax.Array, batch: tuple[jax.Array, jax.Array, jax.Array]
) -> jax.Array:
  """The augmentation of a step by itself, up to the network's normalised input, bfloat16
  `[V·B, H, W, 3]`.

  Args:
    augmentation: of a configuration.
    key: of the step.
    batch: images uint8 `[B, H, W, 3]`, labels int32 `[B]`, and the device's index int32 `[]`.
  """
  images, labels, shard = batch
  positions = shard * len(images) + jnp.arange(len(images))
  views, _ = augmentation(keys.stream(key, "augment"), images, labels, positions, shard)
  mean, std = jnp.asarray(augmentation.mean), jnp.asarray(augmentation.std)
  return ((views - mean) / std).astype(jnp.bfloat16).reshape(-1, *images.shape[1:])


def describe(lowered: jax.stages.Lowered, text_file: str | None = None) -> dict[str, Any]:
  """Compiles a program and says what it holds; {"compiles": False, "error": ...} where that fails.

  Args:
    lowered: the program.
    text_file: where to write it as the compiler prints it.
  """
  started = time.perf_counter()
  try:
    compiled = lowered.compile()
  except jax.errors.JaxRuntimeError as error:
    return {"compiles": False, "error": str(error)}
  text = compiled.as_text()
  if text_file:
    with open(text_file, "w") as file:
      file.write(text)
  memory, cost = compiled.memory_analysis(), compiled.cost_analysis()
  needed = (
    memory.argument_size_in_bytes
    + memory.output_size_in_bytes
    - memory.alias_size_in_bytes
    + memory.temp_size_in_bytes
    + memory.generated_code_size_in_bytes
  )
  return {
    "compiles": True,
    "seconds_to_compile": round(time.perf_counter() - started),
    "bytes_per_chip": needed,
    "temporary_bytes": memory.temp_size_in_bytes,
    "fits": {chip: needed <= size * 10**9 for chip, size in HBM.items()},
    "flops": cost.get("flops"),
    **summary(tpu_text.parse(text)),
  }


def summary(program: tpu_text.Program) -> dict[str, Any]:
  """What the text of a program tells."""
  by_part = tpu_parts.cycles(program)
  found = tpu_parts.reads(program)
  return {
    "cycles": sum(by_part.values()),
    "cycles_by_part": by_part,
    "share_outside_the_network": tpu_parts.share_outside(by_part),
    "single_element_reads": sum(read.count for read in found if read.single),
    "gathers": [
      {
        "kind": read.opcode,
        "part": read.part,
        "count": read.count,
        "slice": read.slice_size,
        "op_name": read.op_name,
      }
      for read in found
    ],
    "loops": tpu_parts.loops(program),
    "collectives": tpu_parts.collectives(program),
  }


def report(name: str, found: dict[str, Any]) -> None:
  """Prints a program as Markdown."""
  print(f"\n## {name}\n")
  if not found["compiles"]:
    print(f"does not compile: {found['error']}")
    return
  fits = ", ".join(f"{chip} {'yes' if fit else 'NO'}" for chip, fit in found["fits"].items())
  print(
    f"{found['bytes_per_chip'] / 2**20:,.0f} MiB per chip ({found['temporary_bytes'] / 2**20:,.0f} "
    f"of them temporary); fits: {fits}; {found['flops'] / 1e9:,.1f} GFLOP; compiled in "
    f"{found['seconds_to_compile']} s\n"
  )
  total = found["cycles"] or 1
  print("| part | estimated cycles | share |\n|---|---|---|")
  for part, cycles in found["cycles_by_part"].items():
    print(f"| {part} | {cycles:,} | {100 * cycles / total:.1f} % |")
  print(f"| all | {found['cycles']:,} | |")
  print(
    f"| outside forward, backward and update | | {100 * found['share_outside_the_network']:.1f} % |"
  )
  print(f"\nSingle elements read or written one by one: {found['single_element_reads']:,}.\n")
  if found["gathers"]:
    print("| gathers and scatters | part | places | elements at each |\n|---|---|---|---|")
    for row in found["gathers"]:
      if row["count"] >= tpu_parts.SINGLES:
        print(f"| {row['kind']} | {row['part']} | {row['count']:,} | {row['slice']:,} |")
  for row in found["loops"]:
    rounds = row["rounds"] or "an unknown number of"
    print(f"\nloop: {rounds} rounds, {row['part']}, {row['op_name']}")
  print()
  for row in found["collectives"]:
    print(f"{row['operation']}: {row['bytes']:,} bytes, {row['times']} per step")


def main() -> int:
  parser = argparse.ArgumentParser(
    description=__doc__.splitlines()[0], formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument("--config", required=True, help="a file of configs/")
  parser.add_argument("--topology", default="v5e:2x2", help="such as v5e:4x4, v5p:2x2x2, v6e:2x2")
  parser.add_argument("--chips", type=int, help="use the first so many of it; default: all")
  parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="of the config")
  parser.add_argument("--only", choices=PROGRAMS, help="one of the programs")
  parser.add_argument("--json", metavar="FILE", help="write the numbers here")
  parser.add_argument("--text", metavar="PREFIX", help="write the programs to PREFIX.<name>.txt")
  arguments = parser.parse_args()
  try:
    config = load_config(arguments.config, arguments.set)
    devices = topology(arguments.topology)[: arguments.chips]
    names = (arguments.only,) if arguments.only else PROGRAMS
    programs = {name: lower(config, devices, name) for name in names}
  except UserError as error:
    print(f"error: {error}", file=sys.stderr)
    return 2
  results: dict[str, Any] = {
    "config": arguments.config,
    "set": arguments.set,
    "topology": arguments.topology,
    "chips": len(devices),
    "network": config.model.name,
    "batch_size": config.batch_size,
    "jax": jax.__version__,
  }
  print(
    f"{config.model.name}, {arguments.config}, {config.batch_size} images per step on "
    f"{len(devices)} chip(s) of {arguments.topology}; jax {jax.__version__}"
  )
  for name, lowered in programs.items():
    file = f"{arguments.text}.{name}.txt" if arguments.text else None
    results[name] = describe(lowered, file)
    report(name, results[name])
    sys.stdout.flush()
  if arguments.json:
    with open(arguments.json, "w") as file:
      json.dump(results, file, indent=2)
  return int(not all(found["compiles"] for found in results.values() if isinstance(found, dict)))


def topology(name: str) -> list[jax.Device]:
  """The chips of a slice that is not there.

  Raises:
    UserError: libtpu is not installed, or knows no such slice.
  """
  try:
    return list(topologies.get_topology_desc(platform="tpu", topology_name=name).devices)
  except Exception as error:  # whatever the plug-in raises
    raise UserError(
      f"no TPU compiler for --topology={name} ({str(error).splitlines()[0]}): pip install -e "
      f"'.[tpu-compile]', and name a slice such as v5e:2x2 or v5p:2x2x1"
    ) from error


if __name__ == "__main__":
  sys.exit(main())
