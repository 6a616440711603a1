"""Bytes that the devices send each other in a training step, for 1, 8, 64 and 512 of them.

    python -m benchmarks.collectives [--config configs/cifar10_apr_sp.py] [--set KEY=VALUE ...]

The step is lowered for slices of TPUs that are not there, as `benchmarks.tpu_program` does, and not
compiled: what it reduces over the devices stands in it already. An all-reduce of n bytes over D
devices sends 2·n·(D − 1)/D bytes per device. Two batch sizes per device show whether anything grows
with the batch. Exit code 1 if something does, or if there is another collective than all-reduce.
"""

import argparse
import math
import re
import sys

from benchmarks import tpu_program

SLICES = {1: "v5e:2x2", 8: "v5e:2x4", 64: "v5e:8x8", 512: "v5p:8x8x8"}
PER_DEVICE = (8, 16)
_BYTES = {"f32": 4, "i32": 4, "ui32": 4, "bf16": 2, "i1": 1}


def collectives(text: str) -> dict[str, list[int]]:
  """Of a lowered program: {operation: bytes of each}.

  Args:
    text: as `jax.stages.Lowered.as_text` gives it.
  """
  found: dict[str, list[int]] = {}
  for part in re.split(r'(?="stablehlo\.(?:all_|reduce_scatter|collective_))', text)[1:]:
    name = re.match(r'"stablehlo\.(\w+)"', part)
    operands = re.search(r"\) : \(([^)]*)\) ->", part)
    if name and operands:
      found.setdefault(name[1], []).append(
        sum(_bytes(kind) for kind in re.findall(r"tensor<([^>]*)>", operands[1]))
      )
  return found


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--config", default="configs/cifar10_apr_sp.py", help="a file of configs/")
  parser.add_argument(
    "--set", nargs="*", default=["model.name=wide_resnet_10_1"], metavar="KEY=VALUE"
  )
  arguments = parser.parse_args()
  print("| devices | images per device | collectives | bytes reduced | sent per device |")
  print("|---|---|---|---|---|")
  kinds, sizes = set(), set()
  for count, slice_name in SLICES.items():
    devices = tpu_program.topology(slice_name)[:count]
    for images in PER_DEVICE:
      config = tpu_program.load_config(
        arguments.config, [*arguments.set, f"batch_size={images * count}"]
      )
      found = collectives(tpu_program.lower(config, devices, "training").as_text())
      total = sum(sum(of_kind) for of_kind in found.values())
      kinds |= found.keys()
      sizes.add(total)
      listed = ", ".join(f"{len(of_kind)} {kind}" for kind, of_kind in found.items())
      sent = round(2 * total * (count - 1) / count)
      print(f"| {count} | {images} | {listed} | {total:,} | {sent:,} |", flush=True)
  return int(len(sizes) != 1 or kinds != {"all_reduce"})


def _bytes(kind: str) -> int:
  *lengths, dtype = kind.split("x")
  return math.prod(int(n) for n in lengths) * _BYTES[dtype]


if __name__ == "__main__":
  sys.exit(main())
