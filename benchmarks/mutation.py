"""Mutation testing of the mathematics and the parts: which small changes of the code no test sees.

    python -m benchmarks.mutation [--each 8] [--only spectrum/bands.py] [--seed 0]

A mutant is a module with one change: an operator swapped, an integer one more or less, a number
doubled, a condition turned round, a clip, a cast or a statement left out, two arguments exchanged.
Of each module `--each` are drawn. A copy of the checkout gets the mutant, and the module's own
tests run there, in a process forked from this one, which has imported JAX and opened no device.
The processes share a folder of compiled programs, so that only what the mutant changes is compiled.

Prints a Markdown table, and below each module the mutants that its tests let pass.
"""

import argparse
import ast
import collections
import contextlib
import copy
import os
import pathlib
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple

# What the tests need of others is imported before they are forked; nothing of what is mutated.
import flax.linen  # noqa: F401
import hypothesis  # noqa: F401
import jax  # noqa: F401
import numpy as np  # noqa: F401
import optax  # noqa: F401
import pytest
import scipy.stats  # noqa: F401
import sklearn.datasets
import sklearn.metrics  # noqa: F401

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = "apr_jax"
OF_METHODS = (
  "augment/test_methods.py::test_what_a_method_says_of_itself",
  "test_defaults.py::test_a_key_has_an_explanation_and_a_default_that_keeps_its_rule",
)
# {module: the tests that answer for it}, below apr_jax/ and tests/.
MODULES = {
  "dft.py": ("spectrum/test_recombination.py",),
  "filters.py": ("test_filters.py",),
  "keys.py": ("test_keys.py",),
  "losses.py": (
    "test_losses.py",
    "augment/test_csi.py::test_the_loss_against_a_slow_one",
    "augment/test_two_labels.py::test_equation_7_by_hand",
    "augment/test_methods.py::test_label_smoothing_spreads_a_share_of_the_targets",
  ),
  "metrics/calibration.py": ("metrics/test_calibration_errors.py",),
  "metrics/classification.py": ("metrics/test_classification.py",),
  "metrics/corruption.py": ("metrics/test_corruption_errors.py",),
  "metrics/flips.py": ("metrics/test_flips.py",),
  "metrics/ood.py": ("metrics/test_ood_metrics.py",),
  "metrics/ood_scores.py": ("metrics/test_ood_scores.py",),
  "spectrum/bands.py": ("spectrum/test_bands.py",),
  "spectrum/recombination.py": ("spectrum/test_recombination.py",),
  "spectrum/waves.py": ("spectrum/test_waves.py",),
  "augment/apr.py": ("augment/test_apr.py", *OF_METHODS),
  "augment/augmix.py": (
    "augment/test_augmix.py",
    "augment/test_pipeline.py::test_number_of_views",
    *OF_METHODS,
  ),
  "augment/crop_flip.py": (
    "augment/test_pipeline.py::test_crop_is_a_window_of_the_padded_image_and_reaches_every_place",
    "augment/test_pipeline.py::test_crop_core_by_hand",
    "augment/test_pipeline.py::test_flip_mirrors_about_half_of_the_images_left_to_right",
    "augment/test_apr.py::test_crop_and_flip_against_numpy",
    "augment/test_apr.py::test_a_crop_by_selections_is_the_slice",
  ),
  "augment/cutout.py": ("augment/test_cutout.py", *OF_METHODS),
  "augment/mix.py": ("augment/test_mix.py", *OF_METHODS),
  "augment/ops.py": ("augment/test_ops.py",),
  "augment/patch_uniform.py": ("augment/test_patch_uniform.py", *OF_METHODS),
  "augment/power.py": ("augment/test_power.py", *OF_METHODS),
  "augment/tables.py": ("augment/test_ops.py",),
  "augment/warp.py": ("augment/test_ops.py",),
  "corruptions/digital.py": ("corruptions/test_digital.py",),
  "corruptions/noise.py": ("corruptions/test_noise.py",),
  "data/array_data.py": ("data/test_sample.py", "data/test_array_data.py"),
  "data/resident.py": ("data/test_resident.py",),
  "models/first_layer.py": ("models/test_first_layer.py",),
  "models/layers.py": (
    "models/test_layers.py",
    "classifiers/test_grad_cam.py::"
    "test_a_planted_network_is_highlighted_where_it_looks_and_nowhere_else",
  ),
  "optimizers.py": ("test_optimizers.py",),
  "schedules.py": ("test_optimizers.py",),
}
SWAPS = {
  ast.Add: ast.Sub,
  ast.Sub: ast.Add,
  ast.Mult: ast.Div,
  ast.Div: ast.Mult,
  ast.FloorDiv: ast.Mult,
  ast.Mod: ast.FloorDiv,
  ast.Pow: ast.Mult,
  ast.BitAnd: ast.BitOr,
  ast.BitOr: ast.BitAnd,
  ast.Lt: ast.LtE,
  ast.LtE: ast.Lt,
  ast.Gt: ast.GtE,
  ast.GtE: ast.Gt,
  ast.Eq: ast.NotEq,
  ast.NotEq: ast.Eq,
  ast.Is: ast.IsNot,
  ast.IsNot: ast.Is,
  ast.In: ast.NotIn,
  ast.NotIn: ast.In,
  ast.And: ast.Or,
  ast.Or: ast.And,
}
NAMES = {"maximum": "minimum", "minimum": "maximum", "max": "min", "min": "max"}
# Calls that may be left out, so that what they are given stays as it is.
LEFT_OUT = {"clip", "round", "rint", "floor", "abs", "sqrt", "stop_gradient", "astype", "flip"}
LIBRARIES = {"jnp", "np", "lax", "jax"}
NO_CODE = ("annotation", "returns", "decorator_list")


class Mutant(NamedTuple):
  """A module with one change.

  Attributes:
    line: where it is in the module.
    before, after: the expression or the statement around it.
    source: of the whole module.
  """

  line: int
  before: str
  after: str
  source: str


class Place(NamedTuple):
  """Where a node of a module stands: `holder[key]`; `around` is the expression or statement."""

  holder: dict | list
  key: str | int
  around: ast.AST


def places(node: ast.AST, around: ast.AST) -> Iterator[Place]:
  """Of all nodes below one, but for types, decorators and texts."""
  for field, value in ast.iter_fields(node):
    if field in NO_CODE:
      continue
    holder, keys = (value, range(len(value))) if isinstance(value, list) else (vars(node), (field,))
    for key in keys:
      child = holder[key]
      if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
        continue
      # Of a statement with a body only what is in it is shown, or itself if it changes as a whole.
      inner = child if isinstance(child, ast.expr | ast.stmt) else around
      yield Place(holder, key, inner if isinstance(child, ast.stmt) else around)
      if not isinstance(child, ast.Raise):  # the rest of it is a message
        yield from places(child, inner)


def changed(node: ast.AST) -> list[ast.AST]:
  """What may stand in place of a node."""
  if type(node) in SWAPS:
    return [SWAPS[type(node)]()]
  match node:
    case ast.Constant(value=bool(value)):
      return [ast.Constant(not value)]
    case ast.Constant(value=int(value)):
      return [ast.Constant(value + 1), ast.Constant(value - 1)]
    case ast.Constant(value=float(value)):
      return [ast.Constant(2 * value or 1.0)]
    case ast.UnaryOp(operand=operand):
      return [operand]
    case ast.IfExp(test=test, body=body, orelse=orelse) if not isinstance(test, ast.Compare):
      return [ast.IfExp(test, orelse, body)]
    case ast.If(test=ast.Name() | ast.Attribute() | ast.Call()):
      return [ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)]
    case ast.Raise() | ast.Expr(value=ast.Call()):
      return [ast.Pass()]
    case ast.Attribute(value=value, attr=attr, ctx=ctx) if attr in NAMES:
      return [ast.Attribute(value, NAMES[attr], ctx)]
    case ast.Name(id=name, ctx=ctx) if name in NAMES:
      return [ast.Name(NAMES[name], ctx)]
    case ast.Call(func=ast.Attribute(value=value, attr=attr), args=[first, *_]) if attr in LEFT_OUT:
      return [first if ast.unparse(value).partition(".")[0] in LIBRARIES else value]
    case ast.Call(func=ast.Attribute(attr="where") as func, args=[test, yes, no]):
      return [ast.Call(func, [test, no, yes], node.keywords)]
    case ast.Call(func=func, args=[ast.Name(id=first), ast.Name(id=second), *rest]):
      swapped = ast.Call(func, [node.args[1], node.args[0], *rest], node.keywords)
      return [] if "key" in first + second else [swapped]
  return []


def draw(source: str, number: int, rng: random.Random) -> tuple[list[Mutant], int]:
  """So many mutants of a module, in the order of their lines, and how many there are."""
  tree = ast.parse(source)
  every = [
    (place, other) for place in places(tree, tree) for other in changed(place.holder[place.key])
  ]
  chosen = sorted(rng.sample(range(len(every)), min(number, len(every))))
  drawn = []
  for place, other in (every[index] for index in chosen):
    node = place.holder[place.key]
    around, before = place.around, copy.deepcopy(place.around)
    place.holder[place.key] = ast.copy_location(other, node) if hasattr(node, "lineno") else other
    texts = _text(before), _text(other if around is node else around)
    if max(map(len, texts)) > 100 and isinstance(node, ast.expr):
      texts = _text(node), _text(other)
    drawn.append(Mutant(getattr(node, "lineno", around.lineno), *texts, ast.unparse(tree)))
    place.holder[place.key] = node
  return drawn, len(every)


def _text(node: ast.AST) -> str:
  """The first line of it, without its body."""
  return ast.unparse(node).splitlines()[0]


class Tests:
  """Runs tests in a copy of the checkout.

  Args:
    scratch: an empty folder.
  """

  def __init__(self, scratch: pathlib.Path):
    self._scratch = scratch
    self._tree = scratch / "tree"
    for name in (PACKAGE, "tests", "configs", "setup.cfg", "train.py", "evaluate.py"):
      copied = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
      (self._tree / name).parent.mkdir(exist_ok=True)
      copied(ROOT / name, self._tree / name)
    # They are workers of one session for tests/conftest.py, which keeps what they compile.
    os.environ |= {"PYTEST_XDIST_WORKER": "mutation", "PYTHONPATH": str(self._tree)}
    self._sources = 0

  def pass_with(self, module: str, source: str, tests: tuple[str, ...], seconds: float) -> bool:
    """Whether all tests pass when the module is this source, within so many seconds of CPU time.

    Raises:
      RuntimeError: no test ran.
    """
    self._write(module, source)
    code = self._run(tests, seconds)
    self._write(module, (ROOT / PACKAGE / module).read_text())
    if code in (3, 4, 5):
      raise RuntimeError(f"{module}: no test ran: {self.log()}")
    return code == 0

  def log(self) -> str:
    """The end of what the last tests said."""
    return (self._scratch / "log").read_text()[-2000:]

  def _write(self, module: str, source: str) -> None:
    path = self._tree / PACKAGE / module
    path.write_text(source)
    # By its second and size Python tells whether it has compiled a source: each has its own.
    self._sources += 1
    os.utime(path, (self._sources, self._sources))

  def _run(self, tests: tuple[str, ...], seconds: float) -> int:
    """Of pytest; 1 too if it was ended."""
    process = os.fork()
    if not process:
      os.setpgid(0, 0)
      log = os.open(self._scratch / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
      os.dup2(log, 1)
      os.dup2(log, 2)
      os.chdir(self._tree)
      limit = int(seconds) + 1
      resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
      folder = self._scratch / "temporary"
      arguments = ["-x", "-q", "--tb=line", "-p", "no:cacheprovider", f"--basetemp={folder}"]
      code = pytest.main([*arguments, *(f"tests/{name}" for name in tests)])
      os._exit(code)
    ends = time.monotonic() + 20 * seconds  # of one that waits for what does not come
    while (found := os.waitpid(process, os.WNOHANG))[0] == 0:
      if time.monotonic() > ends:
        os.killpg(process, signal.SIGKILL)
      time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):  # what it has started and left
      os.killpg(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(found[1]) if os.WIFEXITED(found[1]) else 1


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--each", type=int, default=8, help="mutants of each module; default: 8")
  parser.add_argument("--only", nargs="+", choices=MODULES, metavar="MODULE", help="default: all")
  parser.add_argument("--seed", type=int, default=0, help="of the choice")
  arguments = parser.parse_args()
  total = collections.Counter[str]()
  print("| module | possible | drawn | killed | survived |\n|---|---|---|---|---|")
  with tempfile.TemporaryDirectory(prefix="apr_jax_mutation_") as folder:
    tests = Tests(pathlib.Path(folder))
    for module in arguments.only or MODULES:
      source = (ROOT / PACKAGE / module).read_text()
      mutants, possible = draw(source, arguments.each, random.Random(f"{arguments.seed}:{module}"))
      started = _seconds_of_children()
      if not tests.pass_with(module, ast.unparse(ast.parse(source)), MODULES[module], 600):
        sys.exit(f"{module}: its tests fail without a mutant: {tests.log()}")
      allowed = 10 + 3 * (_seconds_of_children() - started)
      survivors = [
        mutant
        for mutant in mutants
        if tests.pass_with(module, mutant.source, MODULES[module], allowed)
      ]
      row = {"possible": possible, "drawn": len(mutants), "survived": len(survivors)}
      row["killed"] = row["drawn"] - row["survived"]
      total.update(row)
      print(_row(module, row), flush=True)
      for mutant in survivors:
        print(f"  {module}:{mutant.line}: {mutant.before}  →  {mutant.after}", flush=True)
  print(_row("all", total))
  print(f"{_seconds_of_children():.0f} s of CPU time", file=sys.stderr)


def _row(name: str, row: dict[str, int]) -> str:
  return f"| {name} | {row['possible']} | {row['drawn']} | {row['killed']} | {row['survived']} |"


def _seconds_of_children() -> float:
  usage = resource.getrusage(resource.RUSAGE_CHILDREN)
  return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
  main()
