"""Settings of the whole suite: four virtual CPU devices, and pictures and a run that several rooms'
tests use.
"""

import ctypes
import fcntl
import gc
import os
import pathlib
import runpy
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# A test compiles a program and runs it once, so the compiler's optimisations cost what they never
# save: without them the attacks' and the step's programs compile in a third to a half of the time.
# By default XLA cuts a program into parts for many threads. A worker has one core, and without the
# parts the attacks' tests take four fifths of the time.
# The flags come first, so that $XLA_FLAGS may say otherwise.
# Later versions than 0.10 have no choice of emitters, and end a process that makes it.
_EMITTERS = ("--xla_cpu_use_fusion_emitters=false",) * version("jaxlib").startswith("0.10.")
os.environ["XLA_FLAGS"] = " ".join(
  (
    "--xla_force_host_platform_device_count=4",
    "--xla_backend_optimization_level=0",
    "--xla_cpu_parallel_codegen_split_count=1",
    *_EMITTERS,
    os.environ.get("XLA_FLAGS", ""),
  )
)
# What commands would set for all tests that come after in this process.
os.environ.setdefault("APR_JAX_CPU_SETTINGS", "off")

import jax
import numpy as np
import pytest
from sklearn import datasets

from apr_jax import cpu_settings
from tests.forks import Server

# The tests compute by the routines that the commands choose; no device is open yet.
os.environ["XLA_FLAGS"] = cpu_settings.xla_flags(os.environ["XLA_FLAGS"])
ROOT = pathlib.Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
  """Files with slow tests go first, so that no worker begins one when the others are done."""
  slow = {item.path for item in items if item.get_closest_marker("slow")}
  items.sort(key=lambda item: item.path not in slow)


# What imports TensorFlow, which takes half a gigabyte, is the work of one worker, and what imports
# PyTorch that of one, so of another while the first is at work.
_OF_ONE_WORKER = {
  "tensorflow": (
    "tests/data/test_imagenet_input.py",
    "tests/data/test_load.py",
    "tests/data/test_resized_crop.py",
    "tests/data/test_sample.py",
    "tests/data/test_stream.py",
    "tests/data/test_tfds_reader.py",
    "tests/evaluation/test_runner.py",
    "tests/hostile/test_configurations_and_flags.py",
    "tests/store/test_data.py",
    "tests/training/test_loop.py",
    "tests/training/test_step.py",
    "tests/training/test_stream_loop.py",
  ),
  "torch": (
    "tests/augment/test_methods.py",
    "tests/classifiers/test_of_function.py",
    "tests/docs/test_tutorials.py",
    "tests/hostile/test_pytorch_files.py",
    "tests/models/test_layers.py",
    "tests/models/test_torch_parity.py",
    "tests/test_any_classifier.py",
    "tests/test_import_torch.py",
    "tests/test_optimizers.py",
  ),
}
_GROUP = {file: group for group, files in _OF_ONE_WORKER.items() for file in files}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
  from xdist.scheduler import LoadScopeScheduling

  class Scheduling(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
      file = nodeid.partition("::")[0]
      return _GROUP.get(file, file)

  return Scheduling(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_collection_finish() -> None:
  """What is imported by now is no garbage: the collector need not look at it again and again."""
  gc.collect()
  gc.freeze()
  gc.set_threshold(50_000, 20, 10)


def _of_all_workers(tmp_path_factory) -> pathlib.Path:
  base = tmp_path_factory.getbasetemp()
  return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def compiled_programs(tmp_path_factory) -> str:
  """A folder where the suite keeps compiled programs, so that no process compiles what another
  has.
  """
  folder = _of_all_workers(tmp_path_factory) / "compiled"
  for name, value in (
    ("jax_compilation_cache_dir", str(folder)),
    ("jax_persistent_cache_min_compile_time_secs", 0.1),
  ):
    jax.config.update(name, value)
    os.environ[name.upper()] = str(value)  # for the commands that tests start
  return str(folder)


@pytest.fixture(scope="session")
def forks(compiled_programs) -> Iterator[Server]:
  """Starts processes of the commands that need not import everything anew."""
  server = Server(os.environ)
  yield server
  server.close()


def _own_bytes() -> int:
  """The memory of this process without files, so without libraries; 0 where there is no /proc."""
  try:
    _, resident, of_files, *_ = pathlib.Path("/proc/self/statm").read_text().split()
  except FileNotFoundError:
    return 0
  return (int(resident) - int(of_files)) * os.sysconf("SC_PAGE_SIZE")


# glibc's function that gives back what was freed, and which it keeps unless asked.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)


class _Memory:
  """Gives back the memory that compiling took, and lets go of what was compiled once that takes too
  much: the programs of a whole suite take gigabytes.

  What a later test needs again it reads from the folder of compiled programs.
  """

  def __init__(self, limit: int, room: int):
    self._limit, self._room, self._kept = limit, room, 0

  def bound(self) -> None:
    if _own_bytes() < self._kept + self._room:
      return
    _trim(0)
    if _own_bytes() > self._limit:
      jax.clear_caches()
      gc.collect()
      _trim(0)
      # Where nearly as much is left, not after every test.
      self._limit = max(self._limit, _own_bytes() + self._room)
    self._kept = _own_bytes()


@pytest.fixture(scope="session")
def memory() -> _Memory:
  return _Memory(limit=600_000_000, room=100_000_000)


@pytest.fixture(autouse=True)
def bounded_memory(memory):
  yield
  memory.bound()


@pytest.fixture
def script(monkeypatch) -> Callable[..., None]:
  """Runs a script of the repository with arguments in this process, where no process is the
  point.
  """

  def run(name: str, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(ROOT / name), run_name="__main__")

  return run


@pytest.fixture
def set_clock(monkeypatch) -> Callable[[int, pathlib.Path], None]:
  """Sets the clock by so many days: what Python is told, and by how much what lies in a folder is
  older or younger than what is written from now on.
  """

  def set_by(days: int, folder: pathlib.Path) -> None:
    seconds = 86400 * days
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() + seconds)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + seconds * 10**9)
    for path in (folder, *folder.rglob("*")):
      written = path.stat().st_mtime - seconds
      os.utime(path, (written, written))

  return set_by


@pytest.fixture(scope="session")
def photographs() -> np.ndarray:
  """Sixteen 32-pixel patches of scikit-learn's two photographs; uint8 [16, 32, 32, 3]."""
  images = datasets.load_sample_images().images
  return np.stack(
    [
      image[y : y + 32, x : x + 32]
      for image in images
      for y, x in (
        (30, 40),
        (100, 300),
        (140, 500),
        (200, 200),
        (240, 80),
        (300, 320),
        (330, 560),
        (380, 10),
      )
    ]
  )


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
  """A 224-pixel part of a photograph; uint8 [224, 224, 3]."""
  return datasets.load_sample_images().images[0][100:324, 200:424]


@pytest.fixture(scope="session")
def real_data() -> pathlib.Path:
  """A TFDS folder with slices of real data sets: $APR_JAX_TEST_DATA, else shared/tfds beside the
  checkout.
  """
  beside = ROOT.parent / "shared" / "tfds"
  folder = pathlib.Path(os.environ.get("APR_JAX_TEST_DATA", beside))
  if not folder.is_dir():
    pytest.skip("the slices of real data sets are not here; APR_JAX_TEST_DATA names their folder")
  return folder


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> pathlib.Path:
  """The workdir of a network trained for a moment on the digits: better than chance, far from
  perfect.
  """
  from apr_jax.training import loop
  from configs import digits_base

  config = digits_base.get_config()
  config.update_from_flattened_dict(
    {
      "epochs": 5,
      "batch_size": 32,
      "data.limit": 320,
      "eval_every_epochs": 0,
      "log_every_steps": 100,
      "augment.crop_padding": 0,
      "schedule.warmup_epochs": 0.0,
    }
  )
  trained = _of_all_workers(tmp_path_factory) / "trained"
  with trained.with_suffix(".lock").open("w") as lock:  # the first worker trains, each takes a copy
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not trained.exists():
      unfinished = trained.with_suffix(".unfinished")
      loop.train(config, str(unfinished), quiet=True)
      unfinished.rename(trained)
  return shutil.copytree(trained, tmp_path_factory.mktemp("run") / "run")
