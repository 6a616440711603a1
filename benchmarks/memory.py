"""The most memory this process, or its GPU, has used so far."""

import pathlib
import resource

STATUS = pathlib.Path("/proc/self/status")


def peak() -> float:
  """In MB."""
  import jax

  statistics = jax.devices()[0].memory_stats() or {}
  if "peak_bytes_in_use" in statistics:
    return statistics["peak_bytes_in_use"] / 1e6
  return of_process()


def of_process() -> float:
  """In MB, of the host."""
  # Linux counts in ru_maxrss what the process was before it became this program.
  if STATUS.exists():
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
