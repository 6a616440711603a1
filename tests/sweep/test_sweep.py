"""A sweep: what runs, what is skipped, what failures and signals leave, and the numbers in its
tables.
"""

import csv
import fcntl
import json
import pathlib
import signal
import statistics
import time

import pytest

from apr_jax.errors import Stopped, UserError
from apr_jax.report.table import FAILED, FINISHED
from apr_jax.sweep.plan import make_plan
from apr_jax.sweep.run_all import run_all

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
SUITES = ("clean", "ood")


def plan(tmp_path, overrides=("epochs=1",), seeds=("0", "1")):
  """Two configurations × two networks × two seeds."""
  return make_plan(
    [str(CONFIGS / "digits_apr_p.py"), str(CONFIGS / "digits_standard.py")],
    ["wide_resnet_10_1", "allconv"],
    seeds,
    overrides,
    str(tmp_path / "sweep"),
  )


def rows(tmp_path):
  with (tmp_path / "sweep" / "table.csv").open() as file:
    return list(csv.DictReader(file))


def attempts(runs):
  """How often the process of each run was started."""
  return [
    (run.folder / "log.txt").read_text().count("trains\n")
    if (run.folder / "log.txt").exists()
    else 0
    for run in runs
  ]


def test_all_runs_and_their_means_recomputed_from_the_files(tmp_path, stand_in, sweep, capsys):
  runs = plan(tmp_path)
  stand_in(runs)
  entries = sweep(runs, SUITES)
  assert [entry.state for entry in entries] == [FINISHED] * 8 and attempts(runs) == [1] * 8
  found = rows(tmp_path)
  assert [(row["configuration"], row["network"]) for row in found] == [
    (config, network)
    for config in ("digits_apr_p", "digits_standard")
    for network in ("wide_resnet_10_1", "allconv")
  ]
  for row in found:
    errors = [
      json.loads(
        (
          tmp_path
          / "sweep"
          / f"{row['configuration']}-{row['network']}-s{seed}"
          / "eval"
          / "results.json"
        ).read_text()
      )["clean"]["error"]
      for seed in (0, 1)
    ]
    assert float(row["clean_error_mean"]) == sum(errors) / 2 and row["clean_error_n"] == "2"
    assert float(row["clean_error_std"]) == pytest.approx(abs(errors[0] - errors[1]) / 2**0.5)
    assert float(row["ood_auroc_mean"]) == 80 and row["changes"] == "epochs=1"
  # Places 0 and 1 of the plan, seeds 0 and 1: errors 0 and 11.
  assert float(found[0]["clean_error_mean"]) == 5.5 == statistics.fmean([0, 11])
  printed = capsys.readouterr().out
  table = (tmp_path / "sweep" / "table.md").read_text()
  assert (
    "| 5.50 ± 7.78 " in table
    and table in printed
    and "[8/8] digits_standard-allconv-s1: finished" in printed
  )


def test_finished_runs_are_not_done_again(tmp_path, stand_in, sweep, capsys):
  runs = plan(tmp_path)
  stand_in(runs)
  sweep(runs[:3], SUITES)
  sweep(runs, SUITES)
  sweep(plan(tmp_path, ["epochs=1", "data.data_dir=elsewhere", "log_every_steps=5"]), SUITES)
  assert attempts(runs) == [1] * 8
  assert capsys.readouterr().out.count("is finished") == 3 + 8


@pytest.mark.parametrize(
  "spoil",
  [
    lambda run: (run.folder / "eval" / "results.json").unlink(),
    lambda run: (run.folder / "eval" / "results.json").write_text("{"),
    lambda run: (run.folder / "sweep.json").write_text("{}"),
    lambda run: (run.folder / "checkpoints" / "8").mkdir(),  # trained on since
  ],
  ids=["no results", "damaged results", "damaged mark", "newer checkpoint"],
)
def test_what_is_not_whole_is_done_again(tmp_path, stand_in, sweep, spoil):
  runs = plan(tmp_path)
  stand_in(runs)
  sweep(runs, SUITES)
  spoil(runs[2])
  sweep(runs, SUITES)
  assert attempts(runs) == [1, 1, 2, 1, 1, 1, 1, 1]


def test_other_settings_or_more_suites_are_done_again(tmp_path, stand_in, sweep):
  runs = plan(tmp_path, seeds=["0"])
  stand_in(runs)
  sweep(runs, ["clean"])
  sweep(runs, SUITES)
  assert attempts(runs) == [2] * 4
  longer = plan(tmp_path, ["epochs=2"], ["0"])
  assert [run.finished(SUITES) for run in longer] == [None] * 4 and all(
    run.finished(SUITES) for run in runs
  )


def test_a_finished_run_that_is_older_than_a_key(tmp_path, stand_in, sweep):
  runs = plan(tmp_path, seeds=["0"])[:1]
  stand_in(runs)
  sweep(runs, SUITES)
  for file in ("sweep.json", "eval/results.json"):
    content = json.loads((runs[0].folder / file).read_text())
    del content.get("meta", content)["config"]["augment"]["flip"]
    (runs[0].folder / file).write_text(json.dumps(content))
  assert not runs[0].config.augment.flip and not runs[0].finished(SUITES)  # as if it had flipped
  flips = plan(tmp_path, ["epochs=1", "augment.flip=True"], ["0"])[0]
  assert flips.finished(SUITES)


def rewrite(run, *path, value):
  """Changes one value of results.json."""
  file = run.folder / "eval" / "results.json"
  results = inner = json.loads(file.read_text())
  for key in path[:-1]:
    inner = inner[key]
  inner[path[-1]] = value
  file.write_text(json.dumps(results))


@pytest.mark.parametrize(
  "path, value",
  [
    (("meta", "examples"), "the first 9 of each set"),
    (("meta", "corruptions"), "published: elsewhere"),
    (("meta", "config", "evaluation", "ood_sets"), ["svhn_cropped"]),
    (("meta", "config", "epochs"), 3),
  ],
)
def test_results_of_another_evaluation_are_not_those_of_the_run(
  tmp_path, stand_in, sweep, path, value
):
  runs = plan(tmp_path, seeds=["0"])[:2]
  stand_in(runs)
  sweep(runs, SUITES)
  rewrite(runs[0], *path, value=value)
  assert [bool(run.finished(SUITES)) for run in runs] == [False, True]


def test_corruptions_that_are_there_now_are_scored(tmp_path, stand_in, sweep):
  runs = plan(tmp_path, seeds=["0"])[:1]
  stand_in(runs)
  sweep(runs, SUITES)
  elsewhere = plan(tmp_path, ["epochs=1", f"data.data_dir={tmp_path / 'data'}"], ["0"])[0]
  assert elsewhere.finished(SUITES)
  (tmp_path / "data").mkdir()
  (tmp_path / "data" / "labels.npy").write_bytes(b"")
  assert not elsewhere.finished(SUITES) and runs[0].finished(SUITES)


def test_a_process_that_cannot_be_started_is_the_reason(tmp_path):
  runs = plan(tmp_path)[:1]
  (entry,) = run_all(runs, SUITES, tmp_path / "sweep", [str(tmp_path / "no_python")])
  assert (
    entry.state == FAILED and "cannot be started" in entry.reason and "no_python" in entry.reason
  )


def test_failed_runs_do_not_take_the_others_down_and_are_tried_again(
  tmp_path, stand_in, sweep, capsys
):
  runs = plan(tmp_path)
  stand_in(runs, {runs[1].folder.name: "fail", runs[4].folder.name: "die"})
  runs[6].folder.parent.mkdir()
  runs[6].folder.write_text("a file where the folder should be")
  entries = sweep(runs, SUITES)
  assert [number for number, entry in enumerate(entries) if entry.state == FAILED] == [1, 4, 6]
  assert entries[1].reason == "the disk is | full"
  assert entries[4].reason.startswith("killed by SIGKILL")
  assert "cannot be written" in entries[6].reason
  first, *_ = rows(tmp_path)
  assert first["finished"] == "1" and first["clean_error_std"] == ""
  table = (tmp_path / "sweep" / "table.md").read_text()
  assert r"seed 1 failed: the disk is \| full" in table and "| 1 of 2 | 0.00 " in table
  assert "failed after" in capsys.readouterr().out

  runs[6].folder.unlink()
  stand_in(runs)
  assert [entry.state for entry in sweep(runs, SUITES)] == [FINISHED] * 8
  assert attempts(runs) == [1, 2, 1, 1, 2, 1, 1, 1]


def test_a_signal_stops_the_run_first_and_the_same_command_goes_on(tmp_path, stand_in, sweep):
  runs = plan(tmp_path)
  stand_in(runs, {runs[2].folder.name: "interrupt the sweep"})
  handler = signal.getsignal(signal.SIGTERM)
  started = time.monotonic()
  with pytest.raises(Stopped, match="stopped by SIGTERM.*the same command goes on") as stopped:
    sweep(runs, SUITES)
  assert stopped.value.exit_code == 143 and signal.getsignal(signal.SIGTERM) == handler
  assert time.monotonic() - started < 60
  assert (runs[2].folder / "log.txt").read_text() == "trains\nsaved\n"  # it was waited for
  assert attempts(runs) == [1, 1, 1, 0, 0, 0, 0, 0]
  stand_in(runs)
  sweep(runs, SUITES)
  assert attempts(runs) == [1, 1, 2, 1, 1, 1, 1, 1]


def test_two_sweeps_never_share_a_folder(tmp_path, stand_in, sweep):
  runs = plan(tmp_path)
  stand_in(runs)
  (tmp_path / "sweep").mkdir()
  with (tmp_path / "sweep" / "sweep.lock").open("ab") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(UserError, match="another sweep.* is still at work"):
      sweep(runs, SUITES)
  assert attempts(runs) == [0] * 8
  sweep(runs[:1], SUITES)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(UserError, match="cannot be written.*use another --workdir"):
    run_all([], SUITES, tmp_path / "file" / "sweep")
