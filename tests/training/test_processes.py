"""A run of two processes on this machine."""

import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from apr_jax.evaluation.classifier import LoadedClassifier

ROOT = pathlib.Path(__file__).parents[2]
COMMAND = [sys.executable, "train.py", "--config", "configs/digits_apr_sp.py", "--config.data.limit=128",
           "--config.batch_size=32", "--config.schedule.name=constant", "--config.schedule.warmup_epochs=0",
           "--config.model.sync_batch_norm=True", "--config.augment.apr_p.prob=0"]


def run(workdir, epochs, processes, devices, cache):
  """Trains for so many epochs with `devices` CPU devices in each of the processes; returns what each printed."""
  with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
  environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
                              "JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(cache)}
  cluster = lambda i: [] if processes == 1 else [
      f"--coordinator=localhost:{port}", f"--num_processes={processes}", f"--process_id={i}"]
  running = [subprocess.Popen([*COMMAND, f"--config.epochs={epochs}", f"--workdir={workdir}", *cluster(i)], cwd=ROOT,
                              env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
             for i in range(processes)]
  outputs = [process.communicate(timeout=300) for process in running]
  assert [process.returncode for process in running] == [0] * processes, outputs
  return [output for output, _ in outputs]


@pytest.mark.slow
def test_two_processes_train_as_two_devices_of_one_do(tmp_path):
  """The same network, up to the order of sums; one of them writes and prints; a checkpoint continues the run."""
  run(tmp_path / "one", 2, processes=1, devices=2, cache=tmp_path / "cache")
  run(tmp_path / "two", 1, processes=2, devices=1, cache=tmp_path / "cache")
  outputs = run(tmp_path / "two", 2, processes=2, devices=1, cache=tmp_path / "cache")
  assert "continues at step 4" in outputs[0] and "step" not in outputs[1]
  assert len((tmp_path / "two" / "metrics.jsonl").read_text().splitlines()) == 4
  images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.uint8)
  one, two = (LoadedClassifier(tmp_path / name).logits(images) for name in ("one", "two"))
  np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-3)
