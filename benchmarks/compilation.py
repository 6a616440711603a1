"""Seconds until each network's training step runs, at the first start and at the second.

    python -m benchmarks.compilation [--networks wide_resnet_10_1,allconv] [--json FILE]

Standard training as configs/cifar10_standard.py has it. Each start is a process of its own on one
core; a network's two starts share a folder of compiled programs, which is empty before the first.
The seconds are CPU time from the end of the imports to the end of the first step: initialisation,
tracing, compilation or loading, and the step itself, which is what the second start mostly holds.

"Compiled again" counts the programs that the second start did not find in the folder and that took
the 0.2 seconds of `cli.use_compilation_cache` or more; what takes less is not kept, on purpose.

Prints a Markdown table. Exit code 1 if a first start misses its bar or a second one compiles again,
which holds on CPU.
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import jax

from apr_jax import cli, cpu_settings, models
from benchmarks import cores, train_step

BAR = 30.0  # CPU seconds of the first start
BATCH = 16
_READ = "/jax/compilation_cache/cache_hits"
_KEPT = "/jax/compilation_cache/cache_misses"  # which JAX says where it writes what it compiled


def start(network: str) -> dict:
  """Initialises and takes a step, in this process; what it took."""
  events = collections.Counter()
  jax.monitoring.register_event_listener(lambda event, **_: events.update([event]))
  started = time.process_time()
  train_step.jax_steps(network, BATCH, 1, "standard")["standard"]()
  taken = time.process_time() - started
  return {"seconds": taken, "read": events[_READ], "kept": events[_KEPT]}


def both_starts(network: str) -> dict:
  """Two processes, one after the other; {"first" or "second": what `start` returns}."""
  command = [sys.executable, "-m", "benchmarks.compilation", "--start", network]
  with tempfile.TemporaryDirectory() as folder:
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": folder}
    found = {}
    for name in ("first", "second"):
      process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
      found[name] = json.loads(process.stdout.splitlines()[-1])
  return found


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  of_cifar = [name for name in models.NETWORKS if not name.startswith("resnet50")]
  parser.add_argument("--networks", default=",".join(of_cifar), help="of the zoo; default: CIFAR's")
  parser.add_argument("--start", metavar="NETWORK", help="be one of the processes")
  parser.add_argument("--json", metavar="FILE", help="write the numbers here")
  arguments = parser.parse_args()

  if arguments.start:
    cores.restrict(1)
    cpu_settings.apply()
    cli.use_compilation_cache()
    print(json.dumps(start(arguments.start)))
    return 0

  on_cpu = jax.default_backend() == "cpu"
  print(f"Batch {BATCH}, one core, jax {jax.__version__} on {jax.default_backend()}\n")
  titles = [
    "network",
    f"first start, CPU s (bar {BAR:.0f})",
    "programs kept",
    "second start, CPU s",
    "read",
    "compiled again",
  ]
  print("| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
  results, failed = {}, False
  for network in arguments.networks.split(","):
    found = results[network] = both_starts(network)
    first, second = found["first"], found["second"]
    missed = first["seconds"] >= BAR or second["kept"] > 0 or second["read"] < first["kept"]
    failed |= missed
    row = [
      network,
      f"{first['seconds']:.1f}",
      first["kept"],
      f"{second['seconds']:.1f}",
      second["read"],
      f"{second['kept']}" + (", FAIL" if on_cpu and missed else ""),
    ]
    print("| " + " | ".join(map(str, row)) + " |", flush=True)
  if arguments.json:
    pathlib.Path(arguments.json).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
  return int(on_cpu and failed)


if __name__ == "__main__":
  sys.exit(main())
