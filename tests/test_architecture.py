"""The house rules: imports point downwards, files are small and named after what they hold."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "apr_jax"
LEVELS = {
  0: {
    "apr_jax.errors",
    "apr_jax.spectrum",
    "apr_jax.losses",
    "apr_jax.metrics",
    "apr_jax.published",
    "apr_jax.version",
  },
  1: {
    "apr_jax.augment",
    "apr_jax.corruptions",
    "apr_jax.data",
    "apr_jax.models",
    "apr_jax.parallel",
  },
  2: {
    "apr_jax.experiment",
    "apr_jax.training",
    "apr_jax.evaluation",
    "apr_jax.comparison",
    "apr_jax.report",
  },
  3: {
    "apr_jax.cli",
    "apr_jax.import_torch",
    "apr_jax.export_torch",
    "apr_jax.sweep",
    "apr_jax.sweeping",
    "apr_jax.compare",
    "train",
    "evaluate",
    "demo",
    "configs",
    "benchmarks",
  },
}
LEVEL = {room: level for level, rooms in LEVELS.items() for room in rooms}
# The face of the package: it shows what users call, and brings in the evaluation only inside a
# function.
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
  """The room a module lies in: apr_jax.data.spec → apr_jax.data; configs.base → configs."""
  return ".".join(module.split(".")[:2]) if module.startswith("apr_jax.") else module.split(".")[0]


def level_of(module: str) -> int:
  """A module that can be run is an entry point, wherever it lies."""
  runs = module in FILES and '__name__ == "__main__"' in FILES[module].read_text()
  return 3 if runs else LEVEL[room_of(module)]


def imports_of(module: str, inside_functions: bool = True) -> set[str]:
  """The project's modules that a module imports."""
  tree = ast.parse(FILES[module].read_text())
  lazy = {
    inner
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef)
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
  assert len(FILES) > 50 and imports_of("apr_jax.training.loop") > {
    "apr_jax.experiment",
    "apr_jax.parallel",
  }


@pytest.mark.parametrize("module", sorted(FILES.keys() - {FACE}))
def test_imports_point_downwards(module):
  room, level = room_of(module), level_of(module)
  for imported in imports_of(module):
    if imported == FACE:
      assert level >= 2, f"{module} imports the whole package"
      continue
    other = room_of(imported)
    assert level_of(imported) <= level, f"{module} imports {imported}, which lies above it"
    if level == level_of(imported) == 1:
      assert room == other, f"{module} imports {imported}, a room beside it"
    if level == 0:
      assert room == other or other == "apr_jax.errors", (
        f"{module} imports {imported}, a room beside it"
      )


def test_the_face_of_the_package_imports_the_assembly_only_when_asked():
  assert {LEVEL[room_of(module)] for module in imports_of(FACE, inside_functions=False)} == {0, 1}


def test_training_knows_nothing_of_evaluation_and_the_parts_of_training_nothing_of_the_experiment():
  for module in FILES:
    if room_of(module) == "apr_jax.training":
      assert "apr_jax.evaluation" not in {room_of(name) for name in imports_of(module)}
      assert module == "apr_jax.training.loop" or "apr_jax.experiment" not in imports_of(module)
  assert "apr_jax.training" not in {room_of(name) for name in imports_of("apr_jax.experiment")}


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
  assert len(lines) < 320
  assert not [number for number, line in enumerate(lines, 1) if len(line) > 120]
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
