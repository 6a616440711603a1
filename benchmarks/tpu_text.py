"""What a compiled TPU program says of itself: its operations, their cycles, loops, gathers and
collectives.

XLA prints the program that a TPU runs as text. Most operations in it carry "estimated_cycles", the
compiler's own model of their cost, and `op_name`, the path of JAX's names that made them. An
operation in a loop counts once per round.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator

COLLECTIVES = (
  "all-reduce",
  "all-gather",
  "all-to-all",
  "reduce-scatter",
  "collective-permute",
)

_BITS = {"pred": 8, "s4": 4, "u4": 4, "bf16": 16, "c64": 64, "c128": 128}
_ARRAY = re.compile(r"\b(pred|bf16|[suf]\d+\w*|c64|c128)\[([\d,]*)\]")
_CALLED = re.compile(r"\b(?:calls|to_apply|body)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]*)\}")


@dataclasses.dataclass(frozen=True)
class Operation:
  """One line of a computation.

  Attributes:
    name, opcode: such as "fusion.3" and "fusion".
    shape: of the result, as XLA writes it.
    op_name: the path of JAX's names; "" where the compiler made the operation itself.
    cycles: the compiler's estimate; None where it gives none.
    called: names of the computations that it calls.
    condition: of a `while`, the computation that ends it.
    line: the whole line.
  """

  name: str
  opcode: str
  shape: str
  op_name: str
  cycles: int | None
  called: tuple[str, ...]
  condition: str
  line: str


@dataclasses.dataclass(frozen=True)
class Program:
  """A program as text, taken apart.

  Attributes:
    computations: name → operations, in the order of the schedule.
    entry: name of the computation that runs first.
  """

  computations: dict[str, list[Operation]]
  entry: str

  def scheduled(self) -> Iterator[tuple[Operation, int]]:
    """The operations that run one after the other, and how often each does; those inside a fusion
    are parts of it and no operations of their own.
    """
    yield from self._scheduled(self.entry, 1)

  def inside(self, operation: Operation) -> list[Operation]:
    """What a fusion is made of, with what that calls in turn; of other operations nothing."""
    if operation.opcode != "fusion":
      return []
    parts = []
    for name in operation.called:
      for part in self.computations.get(name, []):
        parts += [part, *self.inside(part)]
    return parts

  def operands(self, operation: Operation) -> list[Operation]:
    """The operations whose results an operation takes."""
    inner = re.search(rf"\b{re.escape(operation.opcode)}\(([^)]*)\)", operation.line)
    names = re.findall(r"%([\w.\-]+)", inner[1]) if inner else []
    return [self._by_name[name] for name in names if name in self._by_name]

  def rounds(self, loop: Operation) -> int | None:
    """How often a `while` runs its body; None where the text does not tell."""
    known = re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.line)
    if known:
      return int(known[1])
    # JAX counts from 0 up to a constant, which then stands in the condition.
    text = "".join(
      part.line
      for operation in self.computations.get(loop.condition, [])
      for part in (operation, *self.inside(operation))
    )
    limits = re.findall(r"= s32\[\]\S* constant\((\d+)\)", text)
    return int(limits[0]) if len(limits) == 1 and "direction=LT" in text else None

  @functools.cached_property
  def _by_name(self) -> dict[str, Operation]:
    return {part.name: part for parts in self.computations.values() for part in parts}

  def _scheduled(self, name: str, times: int) -> Iterator[tuple[Operation, int]]:
    for operation in self.computations.get(name, []):
      yield operation, times
      if operation.opcode == "while":
        for body in operation.called:
          yield from self._scheduled(body, times * (self.rounds(operation) or 1))
      elif operation.opcode in ("call", "conditional"):  # of a conditional all branches count
        for called in operation.called:
          yield from self._scheduled(called, times)


def parse(text: str) -> Program:
  """Takes the text of a compiled program apart.

  Raises:
    ValueError: it has no entry.
  """
  computations: dict[str, list[Operation]] = {}
  entry, current = "", ""
  for line in text.splitlines():
    head = re.match(r"(ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{$", line)
    if head:
      current = head[2]
      computations[current] = []
      entry = current if head[1] else entry
    elif line.startswith("}"):
      current = ""
    elif current and " = " in line:
      computations[current].append(_operation(line.strip()))
  if not entry:
    raise ValueError("the text holds no entry computation: it is no compiled program")
  return Program(computations, entry)


def num_bytes(shape: str) -> int:
  """Bytes of an array or a tuple of arrays, such as "(f32[8,3]{1,0}, s32[])", without padding."""
  return sum(
    math.prod(int(n) for n in sizes.split(",") if n) * _bits(dtype) // 8
    for dtype, sizes in _ARRAY.findall(shape)
  )


def num_elements(shape: str) -> int:
  """Elements of the first array in a shape."""
  found = _ARRAY.search(shape)
  return math.prod(int(n) for n in found[2].split(",") if n) if found else 0


def _bits(dtype: str) -> int:
  digits = re.search(r"\d+", dtype)
  return _BITS.get(dtype) or int(digits[0] if digits else 8)


def _operation(line: str) -> Operation:
  name, _, rest = line.removeprefix("ROOT ").partition(" = ")
  end = _closing(rest) if rest.startswith("(") else rest.find(" ")
  shape, rest = rest[:end], rest[end:].lstrip()
  cycles = re.search(r'"estimated_cycles":"(\d+)"', line)
  op_name = re.search(r'\bop_name="([^"]*)"', line)
  condition = re.search(r"\bcondition=%?([\w.\-]+)", line)
  branches = _BRANCHES.search(line)
  called = _CALLED.findall(line)
  if branches:
    called += [branch.strip().lstrip("%") for branch in branches[1].split(",")]
  return Operation(
    name=name.lstrip("%"),
    opcode=rest.partition("(")[0],
    shape=shape,
    op_name=op_name[1] if op_name else "",
    cycles=int(cycles[1]) if cycles else None,
    called=tuple(called),
    condition=condition[1] if condition else "",
    line=line,
  )


def _closing(text: str) -> int:
  """The place behind the bracket that closes the first one."""
  depth = 0
  for place, character in enumerate(text):
    depth += (character == "(") - (character == ")")
    if depth == 0:
      return place + 1
  return len(text)
