"""Which part of a step an operation of a program belongs to, and what each part costs."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from apr_jax.augment.methods import METHODS
from benchmarks import tpu_text
from benchmarks.tpu_text import Operation, Program

# The first that is found in an operation's name decides; the names are JAX's own and those of
# `jax.named_scope`.
PARTS = {
  "adversary": r"/adversary/",
  "network, backward": r"transpose\(",
  "network, forward": r"jvp\(|/NormalisedNetwork",
  **{name: rf"/{name}/" for name in METHODS},
  "crop and flip": r"/crop_flip/",
  "update": r"/update/",
  "statistics": r"/statistics/",
  "finite": r"/finite/",
  "batch": r"/batch/",
}
COPIES, OTHER = "layout copies", "other"
NETWORK = ("adversary", "network, backward", "network, forward", "update")
"""What is forward, backward and update; everything else is outside."""

_COPIES = {"copy", "copy-start", "copy-done", "transpose", "bitcast", "parameter", "tuple"}
SINGLES = 128
"""Indices from which on a gather of single elements is counted: less is no cost."""


@dataclasses.dataclass(frozen=True)
class Read:
  """A gather or a scatter.

  Attributes:
    opcode: "gather" or "scatter".
    part, op_name: where it comes from.
    count: places that it reads or writes, in all rounds of its loop.
    slice_size: elements at each.
  """

  opcode: str
  part: str
  op_name: str
  count: int
  slice_size: int

  @property
  def single(self) -> bool:
    """Whether it takes elements one by one, many of them."""
    return self.slice_size == 1 and self.count >= SINGLES


def part_of(program: Program, operation: Operation) -> str:
  """The part of the step that an operation belongs to: by its own name, else by the names of most
  of what is fused in it, else by what it copies, such as an updated parameter to its place.
  """
  inside = program.inside(operation)
  named = _part_of_name(operation.op_name) or _part_of_most(inside)
  if named is None and operation.opcode == "copy":
    named = _part_of_most(program.operands(operation))
  if named not in NETWORK and {part.opcode for part in inside or (operation,)} <= _COPIES:
    return COPIES
  return named or OTHER


def cycles(program: Program) -> dict[str, int]:
  """Estimated cycles of each part, the largest first; what the compiler gives no cycles for counts
  as none.
  """
  total: Counter[str] = Counter()
  for operation, times in program.scheduled():
    if operation.cycles:
      total[part_of(program, operation)] += operation.cycles * times
  return dict(total.most_common())


def share_outside(by_part: dict[str, int]) -> float:
  """The share of the cycles that are outside forward, backward and update, 0 to 1."""
  total = sum(by_part.values())
  outside = sum(value for part, value in by_part.items() if part not in NETWORK)
  return outside / total if total else 0.0


def reads(program: Program) -> list[Read]:
  """The gathers and scatters, the largest first."""
  found = []
  for operation, times in program.scheduled():
    for part in (operation, *program.inside(operation)):
      if part.opcode in ("gather", "scatter"):
        size, count = _slices(program, operation, part)
        found.append(
          Read(part.opcode, part_of(program, operation), part.op_name, count * times, size)
        )
  return sorted(found, key=lambda read: -read.count)


def collectives(program: Program) -> list[dict[str, Any]]:
  """The collectives: operation, how often it runs, bytes of its result, and where it comes from."""
  found = []
  for operation, times in program.scheduled():
    kind = operation.opcode.removesuffix("-start")
    if kind in tpu_text.COLLECTIVES:
      size = tpu_text.num_bytes(operation.shape)
      # what starts one holds operand and result
      size = size // 2 if operation.opcode.endswith("-start") else size
      found.append({"operation": kind, "times": times, "bytes": size, "op_name": operation.op_name})
  return sorted(found, key=lambda row: -row["bytes"])


def loops(program: Program) -> list[dict[str, Any]]:
  """The loops: rounds (None: the text does not tell, they count as one), part and name."""
  return [
    {
      "rounds": program.rounds(operation),
      "part": part_of(program, operation),
      "op_name": operation.op_name,
    }
    for operation, _ in program.scheduled()
    if operation.opcode == "while"
  ]


def _part_of_most(operations: Iterable[Operation]) -> str | None:
  found = Counter(filter(None, (_part_of_name(operation.op_name) for operation in operations)))
  return found.most_common(1)[0][0] if found else None


def _part_of_name(op_name: str) -> str | None:
  return next((part for part, pattern in PARTS.items() if re.search(pattern, op_name)), None)


def _slices(program: Program, operation: Operation, part: Operation) -> tuple[int, int]:
  """Elements in one slice of a gather or scatter, and the number of slices."""
  sizes = re.search(r"slice_sizes=\{([\d,]*)\}", part.line)
  if sizes:
    size = 1
    for number in sizes[1].split(","):
      size *= int(number or 1)
    return size, tpu_text.num_elements(part.shape) // size
  # A scatter does not say it: the updates, its last operand, have as many axes more than indices.
  window = re.search(r"update_window_dims=\{([\d,]*)\}", part.line)
  inputs = [other for other in program.inside(operation) if other.name in _operands(part)]
  updates = next((other.shape for other in inputs if other.name == _operands(part)[-1]), part.shape)
  dims = re.search(r"\[([\d,]*)\]", updates)
  lengths = [int(n) for n in dims[1].split(",") if n] if dims else []
  size = 1
  for axis in (int(n) for n in window[1].split(",") if n) if window else ():
    size *= lengths[axis]
  return size, tpu_text.num_elements(updates) // max(size, 1)


def _operands(part: Operation) -> list[str]:
  inner = re.search(r"\b(?:gather|scatter)\(([^)]*)\)", part.line)
  return re.findall(r"%([\w.\-]+)", inner[1]) if inner else []
