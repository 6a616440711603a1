"""The command itself, with real trainings: killed and started again, a failing run, and one line
for bad input.
"""

import fcntl
import json
import os
import re
import signal
import time

import pytest

from apr_jax.run import checkpoint

SMALL = {
  "epochs": 4,
  "data.limit": 128,
  "data.image_size": 8,
  "eval_every_epochs": 0,
  "log_every_steps": 1,
}
SET = [f"--set={key}={value}" for key, value in SMALL.items()]


def command(*arguments):
  return ["-m", "apr_jax.sweep", *arguments]


@pytest.fixture(scope="module")
def start(tmp_path_factory, forks):
  """Starts a command in the repository."""
  variables = os.environ | {
    "JAX_PLATFORMS": "cpu",
    "HOME": str(tmp_path_factory.mktemp("home")),
    "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=1",
  }
  return lambda arguments, **keywords: forks.start(arguments, env=variables, **keywords)


def wait_for_checkpoint(process, run):
  """Until the run has its first checkpoint, of four."""
  deadline = time.monotonic() + 300
  while checkpoint.latest_step(run) is None:
    assert process.poll() is None and time.monotonic() < deadline
    time.sleep(0.01)


@pytest.mark.slow
def test_a_killed_sweep_goes_on_and_a_failing_run_stops_no_other(tmp_path, start):
  folder = tmp_path / "sweep"
  runs = [folder / f"digits_standard-wide_resnet_10_1-s{seed}" for seed in range(3)]
  folder.mkdir()
  runs[2].write_text("a file where the folder should be")
  arguments = command(
    "--configs=configs/digits_stand*.py",
    "--seeds=0,1,2",
    "--suites=clean",
    f"--workdir={folder}",
    *SET,
  )

  with start(arguments) as killed:
    wait_for_checkpoint(killed, runs[1])
    os.killpg(killed.pid, signal.SIGKILL)  # and the run's process
  with (folder / "sweep.lock").open("ab") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)  # which may take longer to be gone
  log = (runs[0] / "log.txt").read_text()
  assert not (runs[1] / "sweep.json").exists()

  with start(arguments) as again:
    out, err = again.communicate(timeout=500)
  assert again.returncode == 1 and err == "1 failed; the same command tries them again\n", err
  assert f"[1/3] {runs[0].name}: is finished" in out and (runs[0] / "log.txt").read_text() == log
  assert "continues at step" in (runs[1] / "log.txt").read_text()

  errors = [
    json.loads((runs[seed] / "eval" / "results.json").read_text())["clean"]["error"]
    for seed in (0, 1)
  ]
  table = (folder / "table.md").read_text()
  *cells, note = [cell.strip() for cell in table.splitlines()[2].split("|")[1:-1]]
  assert cells == [
    "digits_standard (data.image_size=8, data.limit=128, epochs=4)",
    "wide_resnet_10_1",
    "2 of 3",
    f"{sum(errors) / 2:.2f} ± {abs(errors[0] - errors[1]) / 2**0.5:.2f}",
  ]
  assert re.match("seed 2 failed: the folder .* cannot be written", note)
  assert table in out


@pytest.mark.slow
def test_a_run_whose_sweep_has_died_saves_its_state_and_stops(tmp_path, start):
  run = tmp_path / "run"
  arguments = [
    "-m",
    "apr_jax.sweep.one_run",
    "--config=configs/digits_standard.py",
    *SET,
    f"--workdir={run}",
    "--suites=clean",
  ]
  with start(arguments, stdin=True) as process:
    wait_for_checkpoint(process, run)
    _, err = process.communicate(timeout=100)  # closes the pipe
  assert process.returncode == 143, err
  assert "stopped by SIGTERM after step" in err and not (run / "sweep.json").exists()


@pytest.mark.slow
def test_bad_input_is_one_line_and_writes_nothing(tmp_path, start):
  with start(
    command("--configs=configs/digits_*.py", "--set=epoch=1", f"--workdir={tmp_path}/sweep")
  ) as process:
    out, err = process.communicate(timeout=200)
  (line,) = err.splitlines()
  assert process.returncode == 2 and line.startswith("error: ") and "unknown key 'epoch'" in line
  assert out == "" and not (tmp_path / "sweep").exists()
