"""The house rules: imports point downwards, files are small and named after what they hold."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "apr_jax"
LEVELS = (
  # Mathematics, tables and what everything needs; a room imports nothing beside it but the errors.
  (
    "errors",
    "version",
    "cpu_settings",
    "files",
    "forms",
    "in_memory",
    "device_group",
    "help_text",
    "settings",
    "keys",
    "dft",
    "spectrum",
    "filters",
    "losses",
    "metrics",
    "published",
  ),
  # The parts: each can be used without the others.
  (
    "augment",
    "attacks",
    "corruptions",
    "data",
    "models",
    "parallel",
    "optimizers",
    "schedules",
    "cli",
  ),
  # The configuration and the folder of a run.
  ("defaults", "config_files", "run", "companions"),
  # What a configuration describes, and what is evaluated.
  ("experiment", "classifiers"),
  # Side by side: neither imports the other.
  ("training", "evaluation"),
  ("report",),
  # Commands.
  (
    "compare",
    "export_torch",
    "import_torch",
    "make_corruptions",
    "studies",
    "sweep",
    "train",
    "evaluate",
    "demo",
    "configs",
    "benchmarks",
  ),
)
# What mathematics may import beside it: how it fails, how it is written, which form a device gets.
SHARED = ("errors", "files", "forms", "dft")
PARTS, COMMANDS = 1, len(LEVELS) - 1
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# The face of the package: it shows what users call, and brings in the assembly inside functions.
FACE = "apr_jax"


def module_name(path: pathlib.Path) -> str:
  parts = path.relative_to(ROOT).with_suffix("").parts
  return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
  module_name(path): path
  for path in (
    *PACKAGE.rglob("*.py"),
    ROOT / "train.py",
    ROOT / "evaluate.py",
    ROOT / "demo.py",
    *(ROOT / "configs").glob("*.py"),
  )
}


def room_of(module: str) -> str:
  """The room a module lies in: apr_jax.data.array_data → data; configs.base → configs."""
  return module.removeprefix("apr_jax.").split(".")[0]


def imports_of(module: str, inside_functions: bool = True) -> set[str]:
  """The project's modules that a module imports.

  What only a type checker imports, under `if TYPE_CHECKING`, counts as inside functions: nothing of
  it is loaded.
  """
  tree = ast.parse(FILES[module].read_text())
  lazy = {
    inner
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef)
    or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    for inner in ast.walk(node)
  }
  found = set()
  for node in ast.walk(tree):
    if node in lazy and not inside_functions:
      continue
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f"{module}: relative import"
      # `from apr_jax import data` imports a module, `from apr_jax.data import load` a name.
      found |= {
        f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in FILES else node.module
        for alias in node.names
      }
  return {
    name
    for name in found
    if name.split(".")[0] in ("apr_jax", "configs", "train", "evaluate", "demo")
  }


def test_every_module_has_a_level():
  assert {room_of(module) for module in FILES} - {FACE} <= LEVEL.keys()
  assert len(FILES) > 50
  assert imports_of("apr_jax.training.loop") > {"apr_jax.experiment", "apr_jax.parallel"}


@pytest.mark.parametrize("module", sorted(FILES.keys() - {FACE}))
def test_imports_point_downwards(module):
  room = room_of(module)
  level = LEVEL[room]
  for imported in imports_of(module):
    other = room_of(imported)
    if imported == FACE:
      assert level == COMMANDS, f"{module} imports the face of the package"
      continue
    assert LEVEL[other] <= level, f"{module} imports {imported}, which lies above it"
    if level == LEVEL[other] == PARTS:
      assert room == other, f"{module} imports {imported}, a room beside it"
    if level == 0:
      assert other in (room, *SHARED), f"{module} imports {imported}, a room beside it"


def test_the_face_of_the_package_imports_the_assembly_only_when_asked():
  assert {LEVEL[room_of(module)] for module in imports_of(FACE, inside_functions=False)} == {0, 1}


def test_training_and_evaluation_know_nothing_of_each_other():
  rooms = {"training": "evaluation", "evaluation": "training", "classifiers": "experiment"}
  for module in FILES:
    other = rooms.get(room_of(module))
    assert other not in {room_of(name) for name in imports_of(module)}, f"{module} imports {other}"


def test_the_parts_of_training_know_nothing_of_the_experiment():
  for module in FILES:
    if room_of(module) == "training" and module != "apr_jax.training.loop":
      assert "apr_jax.experiment" not in imports_of(module)


def test_no_module_imports_itself_through_others():
  graph = {module: imports_of(module) & FILES.keys() - {FACE} for module in FILES if module != FACE}
  # A package stands for its __init__, which imports its own modules; those import their package
  # nowhere.
  done, path = set(), []

  def visit(module):
    assert module not in path, " → ".join([*path, module])
    if module not in done:
      path.append(module)
      for imported in graph[module]:
        visit(imported)
      done.add(path.pop())

  for module in graph:
    visit(module)


def test_only_parallel_says_pmap():
  assert [module for module, path in FILES.items() if "pmap" in path.read_text()] == [
    "apr_jax.parallel"
  ]


@pytest.mark.parametrize("module", sorted(FILES))
def test_files_are_small_and_say_what_they_are(module):
  path = FILES[module]
  lines = path.read_text().splitlines()
  assert len(lines) < 400
  assert not [number for number, line in enumerate(lines, 1) if len(line) > 100]
  assert path.name not in ("utils.py", "util.py", "helpers.py", "misc.py", "common.py")
  assert ast.get_docstring(ast.parse(path.read_text()))


def test_slow_imports_are_made_where_they_are_needed_only():
  heavy = ("tensorflow", "tensorflow_datasets", "sklearn", "scipy", "torch", "matplotlib")
  for module, path in FILES.items():
    for node in ast.parse(path.read_text()).body:
      names = (
        [alias.name for alias in node.names]
        if isinstance(node, ast.Import)
        else ([node.module] if isinstance(node, ast.ImportFrom) else [])
      )
      assert not [name for name in names if name.split(".")[0] in heavy], module
