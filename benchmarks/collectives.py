"""Bytes that the devices send each other in a training step, for 1, 8, 64 and 512 of them.

    python -m benchmarks.collectives [--config configs/cifar10_apr_sp.py] [--groups 1 8 0]
                                     [--set KEY=VALUE ...]

The step is lowered for slices of TPUs that are not there, as `benchmarks.tpu_program` does, and not
compiled: what the devices exchange stands in it already. Among D devices an all-reduce of n bytes
sends 2·n·(D − 1)/D bytes per device, an all-gather of n bytes of each n·(D − 1). Groups are those
of `device_group`; 0 is all devices. Two batch sizes per device show what grows with the batch.

Exit code 1 if anything but an all-gather within a group of several devices does, or if there is
another collective than these two.
"""

import argparse
import math
import re
import sys
from typing import NamedTuple

from benchmarks import tpu_program

SLICES = {1: "v5e:2x2", 8: "v5e:2x4", 64: "v5e:8x8", 512: "v5p:8x8x8"}
PER_DEVICE = (8, 16)
GROUPS = (1, 8, 0)
_BYTES = {"f32": 4, "i32": 4, "ui32": 4, "bf16": 2, "i1": 1}


class Collective(NamedTuple):
  """A collective operation of a lowered program.

  Attributes:
    kind: "all_reduce", "all_gather" and so on.
    bytes: of each device's operands.
    devices: that take part in one such operation.
  """

  kind: str
  bytes: int
  devices: int

  @property
  def sent(self) -> float:
    """Bytes that each device sends, where all take part alike."""
    if self.kind == "all_gather":
      return self.bytes * (self.devices - 1)
    return 2 * self.bytes * (self.devices - 1) / self.devices


def collectives(text: str) -> list[Collective]:
  """Those of a lowered program.

  Args:
    text: as `jax.stages.Lowered.as_text` gives it.
  """
  found = []
  for part in re.split(r'(?="stablehlo\.(?:all_|reduce_scatter|collective_))', text)[1:]:
    name = re.match(r'"stablehlo\.(\w+)"', part)
    groups = re.search(r"replica_groups = dense<.*?> : tensor<\d+x(\d+)xi64>", part)
    operands = re.search(r"[)>] : \(([^)]*)\) ->", part)
    if name and groups and operands:
      size = sum(_bytes(kind) for kind in re.findall(r"tensor<([^>]*)>", operands[1]))
      found.append(Collective(name[1], size, int(groups[1])))
  return found


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--config", default="configs/cifar10_apr_sp.py", help="a file of configs/")
  parser.add_argument("--groups", nargs="*", type=int, default=GROUPS, metavar="N")
  parser.add_argument(
    "--set", nargs="*", default=["model.name=wide_resnet_10_1"], metavar="KEY=VALUE"
  )
  arguments = parser.parse_args()
  print("| devices | in a group | images per device | all-reduce | all-gather | sent per device |")
  print("|---|---|---|---|---|---|")
  bad = False
  for count, slice_name in SLICES.items():
    devices = tpu_program.topology(slice_name)[:count]
    for group in dict.fromkeys(size or count for size in arguments.groups if size <= count):
      reduced = set()
      for images in PER_DEVICE:
        changes = [f"batch_size={images * count}", f"device_group={group}"]
        config = tpu_program.load_config(arguments.config, [*arguments.set, *changes])
        found = collectives(tpu_program.lower(config, devices, "training").as_text())
        reduced.add(_listed(found, "all_reduce"))
        known = {"all_reduce", "all_gather"} if group > 1 else {"all_reduce"}
        bad |= not {of.kind for of in found} <= known
        sent = round(sum(of.sent for of in found))
        listed = " | ".join(_listed(found, kind) for kind in ("all_reduce", "all_gather"))
        print(f"| {count} | {group} | {images} | {listed} | {sent:,} |", flush=True)
      bad |= len(reduced) != 1
  return int(bad)


def _listed(found: list[Collective], kind: str) -> str:
  """How many of a kind, and their bytes: "42, 313,332 B"."""
  sizes = [of.bytes for of in found if of.kind == kind]
  return f"{len(sizes)}, {sum(sizes):,} B" if sizes else "none"


def _bytes(kind: str) -> int:
  *lengths, dtype = kind.split("x")
  return math.prod(int(n) for n in lengths) * _BYTES[dtype]


if __name__ == "__main__":
  sys.exit(main())
