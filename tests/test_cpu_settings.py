"""What commands set of a process, and that nothing else does."""

import os
import pathlib
import runpy
import subprocess
import sys

import jaxlib
import pytest

from apr_jax import cpu_settings

ROOT = pathlib.Path(__file__).parents[1]
OURS = "--xla_cpu_experimental_ynn_fusion_type=-individual_convolution"
tried = pytest.mark.skipif(
  not jaxlib.__version__.startswith("0.10."), reason="the flags of other versions are left alone"
)


@tried
def test_our_flags_go_before_those_that_are_given():
  environment = {"XLA_FLAGS": "--xla_dump_to=here"}
  cpu_settings.apply(environment)
  assert environment["XLA_FLAGS"] == f"{OURS} --xla_dump_to=here"
  cpu_settings.apply(environment)
  assert environment["XLA_FLAGS"] == f"{OURS} --xla_dump_to=here"
  assert cpu_settings.xla_flags("") == OURS


def test_what_is_set_stays_and_the_switch_leaves_all():
  given = {"XLA_FLAGS": "--xla_cpu_experimental_ynn_fusion_type=all"}
  cpu_settings.apply(given)
  assert given == {"XLA_FLAGS": "--xla_cpu_experimental_ynn_fusion_type=all"}
  off = {cpu_settings.SWITCH: "off"}
  cpu_settings.apply(off)
  assert off == {cpu_settings.SWITCH: "off"}


@pytest.mark.parametrize("file", ["apr_jax/__init__.py", "evaluate.py", "train.py"])
def test_a_library_changes_no_process(monkeypatch, file):
  for variable in ("XLA_FLAGS", cpu_settings.SWITCH):
    monkeypatch.delenv(variable, raising=False)
  before = dict(os.environ)
  imported = runpy.run_path(str(ROOT / file), run_name="imported")
  assert imported["__file__"].endswith(file) and dict(os.environ) == before


def test_whether_there_can_be_another_device():
  assert cpu_settings.computes_on_cpu({"JAX_PLATFORMS": "cpu"})
  assert not cpu_settings.computes_on_cpu({"JAX_PLATFORMS": "cuda,cpu"})


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_memory_that_is_freed_stays_with_the_process():
  code = """
import resource
import numpy as np
from apr_jax import cpu_settings
cpu_settings.apply()
np.ones(1 << 23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
  np.ones(1 << 23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

  def page_faults(switch):
    environment = os.environ | {"JAX_PLATFORMS": "cpu", cpu_settings.SWITCH: switch}
    environment.pop("GLIBC_TUNABLES", None)
    done = subprocess.run(
      [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)

  # 64 MB are given back each time, or stay
  assert page_faults("on") < page_faults("off") / 10
