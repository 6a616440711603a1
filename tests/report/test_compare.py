"""`python -m apr_jax.compare`: several runs in one table, and folders without results in one
line.
"""

import pathlib

import pytest

from apr_jax.compare import compare
from apr_jax.errors import UserError

ROOT = pathlib.Path(__file__).parents[2]


def test_seeds_share_a_row_and_changes_do_not(write_results):
  folders = [
    write_results("a", seed=0, clean=4.0),
    write_results("b", seed=1, clean=5.0),
    write_results("c", seed=0, clean=20.0, epochs=5),
  ]
  table, origins = compare([str(folder) for folder in folders]).split("\n\n")
  together, apart = table.splitlines()[2:]
  assert together.startswith("| cifar10_apr_sp ") and "| 4.50 ± 0.71 " in together
  assert apart.startswith("| cifar10_apr_sp (epochs=5) |") and "| 20.00 " in apart
  assert origins.splitlines()[1] == (
    f"- {folders[1]}: seed 1, step 78000, apr_jax 0.1, jax 0.10, flax 0.12, commit abc1234, cpu"
  )


def test_two_runs_of_one_seed_stand_apart_and_one_folder_counts_once(write_results):
  folders = [write_results("a", clean=4.0), write_results("b", clean=6.0)]
  first, second = compare([*folders, folders[0]]).split("\n\n")[0].splitlines()[2:]
  assert f"cifar10_apr_sp ({folders[0]})" in first and "| 4.00 " in first
  assert f"cifar10_apr_sp ({folders[1]})" in second and "| 6.00 " in second


def test_a_function_stands_beside_runs(write_results):
  folders = [
    write_results("run", mean_error=9.5),
    write_results("function", function=True, name="my resnet", mean_error=9.0),
  ]
  table, origins = compare(folders).split("\n\n")
  run, function = table.splitlines()[2:]
  assert run.startswith("| cifar10_apr_sp | wide_resnet_40_2 |") and "9.1" in run
  assert function.startswith("| my resnet      | –                |") and "9.1" not in function
  assert origins.splitlines()[1] == (
    f"- {folders[1]}: apr_jax 0.1, jax 0.10, flax 0.12, commit abc1234, cpu"
  )


def test_two_functions_of_one_name_stand_apart(write_results):
  folders = [
    write_results(folder, function=True, name="mine", clean=clean)
    for folder, clean in (("a", 4.0), ("b", 6.0))
  ]
  first, second = compare(folders).split("\n\n")[0].splitlines()[2:]
  assert f"mine ({folders[0]})" in first and f"mine ({folders[1]})" in second


def test_no_folders_and_folders_without_results(tmp_path, write_results):
  with pytest.raises(UserError, match="no runs are named"):
    compare([])
  with pytest.raises(UserError, match=f"{tmp_path}/none holds no results"):
    compare([write_results("a", clean=4.0), tmp_path / "none"])


@pytest.mark.slow
def test_the_command(tmp_path, write_results, forks):
  result = forks.run(["-m", "apr_jax.compare", str(write_results("a", clean=4.0)), str(tmp_path)])
  (line,) = result.stderr.splitlines()
  assert (
    result.returncode == 2
    and line.startswith(f"error: {tmp_path} holds no results")
    and result.stdout == ""
  )
