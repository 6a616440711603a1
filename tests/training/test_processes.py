"""A run of two processes on this machine."""

import json
import os
import signal
import socket
import time

import numpy as np
import pytest

from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.run import checkpoint

COMMAND = [
  "train.py",
  "--config=tests/training/tiny.py",
  "--config.data.limit=128",
  "--config.data.image_size=8",
  "--config.batch_size=32",
  "--config.schedule.name=constant",
  "--config.schedule.warmup_epochs=0",
  "--config.optimizer.learning_rate=0.01",  # rounding grows less
  "--config.device_group=0",
  "--config.augment.apr_p.prob=0.6",
  "--config.eval_every_epochs=0",
]


def with_devices(devices):
  """The environment of the suite, with another number of devices, and with a compiler option that
  is JAX's own where the suite has switched it off: without it, one device and two round
  differently.
  """
  flags = os.environ["XLA_FLAGS"].replace("emitters=false", "emitters=true")
  flags += f" --xla_force_host_platform_device_count={devices}"
  return os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}


def start(forks, workdir, epochs, processes, devices, *more):
  """Begins to train for so many epochs with `devices` CPU devices in each of the processes."""
  with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
  environment = with_devices(devices)

  def cluster(i):
    return (
      []
      if processes == 1
      else [f"--coordinator=localhost:{port}", f"--num_processes={processes}", f"--process_id={i}"]
    )

  command = [*COMMAND, f"--config.epochs={epochs}", f"--workdir={workdir}", *more]
  return [forks.start([*command, *cluster(i)], env=environment) for i in range(processes)]


def run(forks, workdir, epochs, processes, devices):
  """As `start`, to the end; returns what each printed."""
  running = start(forks, workdir, epochs, processes, devices)
  outputs = [process.communicate(timeout=300) for process in running]
  assert [process.returncode for process in running] == [0] * processes, outputs
  return [output for output, _ in outputs]


@pytest.mark.slow
def test_two_processes_that_act_as_one_train_as_one_device_does(tmp_path, forks, tiny_network):
  """The same network, up to the order of sums; one of them writes and prints; a checkpoint
  continues the run.
  """
  run(forks, tmp_path / "one", 2, processes=1, devices=1)
  run(forks, tmp_path / "two", 1, processes=2, devices=1)
  outputs = run(forks, tmp_path / "two", 2, processes=2, devices=1)
  assert "continues at step 4" in outputs[0] and "step" not in outputs[1]
  assert len((tmp_path / "two" / "metrics.jsonl").read_text().splitlines()) == 4
  images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3)).astype(np.uint8)
  one, two = (LoadedClassifier(tmp_path / name).logits(images) for name in ("one", "two"))
  np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_processes_stop_together_and_one_that_dies_ends_the_others(tmp_path, forks):
  """SIGTERM in one of them saves the same step in both, and `kill -9` ends both with one line."""

  def begun(more_than):
    running = start(forks, tmp_path / "run", 1000, 2, 1, "--config.checkpoint.every_steps=6")
    while (checkpoint.latest_step(tmp_path / "run") or 0) <= more_than:
      assert [process.poll() for process in running] == [None, None], running[0].communicate()
      time.sleep(0.05)
    return running

  running = begun(0)
  running[1].terminate()
  said = [process.communicate(timeout=100)[1].splitlines()[-1] for process in running]
  assert [process.returncode for process in running] == [128 + signal.SIGTERM] * 2
  step = checkpoint.latest_step(tmp_path / "run")
  assert (
    said
    == [f"stopped by SIGTERM after step {step}; its state is saved: the same command continues it"]
    * 2
  )

  running = begun(step)
  running[1].kill()
  out, said = running[0].communicate(timeout=60)
  running[1].communicate()
  assert f"continues at step {step}" in out and running[0].returncode == 1
  assert said == (
    "process 1 of 2 has died; what is finished is saved: "
    "the same command, in all of them, goes on\n"
  )


SHARES = """
import json, sys
import flax.struct, jax, numpy as np
from apr_jax import parallel
from apr_jax.training.stream_steps import StreamSteps

parallel.initialise_processes(sys.argv[1], 2, int(sys.argv[2]))

@flax.struct.dataclass
class State:
  step: jax.Array
  key: jax.Array

class Numbers:
  num_examples, image_size = 9, (1, 1)
  def batches(self, key, epoch, first, batch_size):
    for number in range(first, 2):
      places = np.arange(number * batch_size, (number + 1) * batch_size, dtype=np.int32)
      share = places[jax.process_index()::2]
      yield np.zeros((2, 1, 1, 3), np.uint8) + share.astype(np.uint8)[:, None, None, None], share

def step(state, images, labels, key, shard):
  mine = jax.nn.one_hot(shard, 2)[:, None]
  seen = [jax.lax.psum(mine * x, parallel.AXIS) for x in (labels, images[:, 0, 0, 0])]
  return state.replace(step=state.step + 1), seen

state = parallel.call_replicated(lambda: State(np.int32(0), jax.random.key(0)))
steps = StreamSteps(step, Numbers(), 4, state.key, 4)
steps.compile(state)
shown = []
for done in range(4):
  state, _, seen = steps.run(state, done, 4)
  shown.append([np.asarray(x).tolist() for x in seen])
print(json.dumps(shown))
"""


def test_each_process_feeds_its_devices_with_its_share_of_a_stream(forks):
  with socket.socket() as free:
    free.bind(("localhost", 0))
    address = f"localhost:{free.getsockname()[1]}"
  environment = with_devices(1)
  running = [forks.start(["-c", SHARES, address, str(i)], env=environment) for i in range(2)]
  outputs = [process.communicate(timeout=300) for process in running]
  assert [process.returncode for process in running] == [0, 0], outputs
  first, second = [[0, 2], [1, 3]], [[4, 6], [5, 7]]  # device by device
  for output, _ in outputs:
    assert json.loads(output.splitlines()[-1]) == [
      [batch, batch] for batch in (first, second, first, second)
    ]
