"""The clock of a run, by planted times."""

import pytest

from apr_jax.training import clock as clock_module
from apr_jax.training.clock import Clock


@pytest.fixture
def seconds(monkeypatch):
  """What the clock sees; set `seconds[0]`."""
  now = [0.0]
  monkeypatch.setattr(clock_module.time, "perf_counter", lambda: now[0])
  return now


def test_images_per_second_and_the_share_of_waiting(seconds):
  clock = Clock(batch_size=10, step=7)
  seconds[0] = 4.0
  clock.add_input_wait(0.5)
  clock.add_input_wait(1.5)
  assert clock.read(12) == {"images_per_second": 5 * 10 / 4.0, "input_wait": 50.0}
  seconds[0] = 5.0  # each reading begins anew
  clock.add_input_wait(0.0)
  assert clock.read(13) == {"images_per_second": 10.0, "input_wait": 0.0}


def test_what_comes_before_a_start_counts_neither_as_steps_nor_as_time(seconds):
  clock = Clock(batch_size=10, step=0)
  seconds[0] = 50.0
  clock.add_input_wait(40.0)
  clock.start(4)
  seconds[0] = 52.0
  clock.add_input_wait(None)  # the data lie on the devices
  assert clock.read(8) == {"images_per_second": 20.0}
  clock.start(8)
  seconds[0] = 53.0
  assert clock.read(8) == {"images_per_second": 0.0}
