"""Settings of the process that make CPUs compute faster: for commands, before JAX starts.

    cpu_settings.apply()

Importing `apr_jax` changes nothing of a process. The commands call `apply`, and so may a script
that trains on a CPU, before it asks JAX for anything. What the environment says already stays as it
is, and `APR_JAX_CPU_SETTINGS=off` leaves everything.

- XLA computes convolutions by Eigen, on all cores. YNNPACK, which it would ask, uses one.
- glibc keeps the memory that is freed. It would give large arrays back to the system after each
  step, which fills them with zeros and maps their pages again in the next.

Numbers do not depend on it, up to the order in which they are summed.
"""

import ctypes
import importlib.util
import os
import pkgutil
import platform
from collections.abc import MutableMapping

SWITCH = "APR_JAX_CPU_SETTINGS"
_YNN = "--xla_cpu_experimental_ynn_fusion_type"
# {variable with which glibc is told the same: (number of the parameter in malloc.h, value)}; a
# threshold of -1 is never reached
_ALLOCATION = {
  "MALLOC_ARENA_MAX": (-8, 1),
  "MALLOC_MMAP_MAX_": (-4, 0),
  "MALLOC_TRIM_THRESHOLD_": (-1, -1),
}


def apply(environment: MutableMapping[str, str] = os.environ) -> None:
  """Sets what is not set; does nothing if the environment variable `SWITCH` is "off".

  Args:
    environment: of this process; another shows what would be set, for tests.
  """
  if environment.get(SWITCH, "").lower() in ("off", "0", "false", "no"):
    return
  environment["XLA_FLAGS"] = xla_flags(environment.get("XLA_FLAGS", ""))
  if environment is os.environ and computes_on_cpu(environment):
    _keep_memory(environment)


def xla_flags(given: str) -> str:
  """`given` with ours in front, so that those that are given count.

  XLA ends a process whose flags it does not know, so versions of JAX that have not been tried get
  none.

  Args:
    given: the value of XLA_FLAGS.
  """
  import jaxlib

  known = jaxlib.__version__.split(".")[:2] == ["0", "10"]
  if not known or _YNN in given:
    return given
  return f"{_YNN}=-individual_convolution {given}".strip()


def computes_on_cpu(environment: MutableMapping[str, str]) -> bool:
  """Whether JAX can have no other device: it is told so, or no plug-in for one is installed."""
  told = environment.get("JAX_PLATFORMS", "")
  if told:
    return told == "cpu"
  plugins = importlib.util.find_spec("jax_plugins")
  installed = plugins and list(pkgutil.iter_modules(plugins.submodule_search_locations))
  return not installed and importlib.util.find_spec("libtpu") is None


def _keep_memory(environment: MutableMapping[str, str]) -> None:
  if platform.libc_ver()[0] != "glibc":
    return
  libc = ctypes.CDLL(None)
  for variable, (parameter, value) in _ALLOCATION.items():
    if variable not in environment and "glibc.malloc" not in environment.get("GLIBC_TUNABLES", ""):
      libc.mallopt(parameter, value)
