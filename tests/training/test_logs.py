"""The clock of the logs, by planted times."""

import json

import pytest

from apr_jax.training import logs


@pytest.fixture
def clock(monkeypatch):
  """The seconds that the logs see; set `clock[0]`."""
  seconds = [0.0]
  monkeypatch.setattr(logs.time, "perf_counter", lambda: seconds[0])
  return seconds


def test_what_happens_while_the_clock_is_stopped_counts_neither_as_steps_nor_as_time(
  clock, tmp_path
):
  with logs.Logs(tmp_path, step=0, total_steps=100, batch_size=10, quiet=True) as log:
    clock[0] = 2.0  # three steps
    log.add_input_wait(0.5)
    log.stop_clock()
    clock[0] = 50.0  # four steps, with the compilation of their program
    log.add_input_wait(40.0)
    log.go_on(4)
    clock[0] = 53.0  # two steps
    log.add_input_wait(0.5)
    log.train(9, 1.0, {"loss": 1.0, "accuracy": 50.0})
    clock[0] = 54.0
    log.train(10, 1.1, {"loss": 1.0, "accuracy": 50.0})
  first, second = [
    json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
  ]
  assert first["images_per_second"] == pytest.approx((3 + 2) * 10 / (2.0 + 3.0))
  assert first["input_wait"] == pytest.approx(100 * 1.0 / 5.0)
  assert (second["images_per_second"], second["input_wait"]) == (10.0, 0.0)
