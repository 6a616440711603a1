"""CPU seconds of augmenting 128 images, with what all pixels of an image share computed once, and
with XLA left to compute it again for each.

    python -m benchmarks.computed_once

`apr_jax.in_memory` is what computes it once; without it the augmentation is the same program but
for these places. The programs are compiled before they are measured. Exit code 1 if one does not
take the share of the time that is the bar, which holds on CPU.
"""

import argparse
import sys
import types
from collections.abc import Callable
from unittest import mock

import jax

from apr_jax import cpu_settings, in_memory
from benchmarks import augmentations, cores, timing

BAR = 0.9
BATCH = 128
CONFIGURATIONS = ("apr_sp", "augmix", "csi")


def compiled(name: str, once: bool) -> Callable[[], object]:
  """The augmentation of 128 images, compiled; a call waits for its result."""
  augmentation, arguments = augmentations.of_cifar10(name, BATCH)
  nothing = types.SimpleNamespace(bind=lambda x: x)
  operation = in_memory._in_memory if once else nothing
  jax.clear_caches()
  with mock.patch.object(in_memory, "_in_memory", operation):
    program = jax.jit(augmentation).lower(*arguments).compile()
  return lambda: jax.block_until_ready(program(*arguments))


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--repeats", type=int, default=10, help="rounds, of which medians are taken")
  arguments = parser.parse_args()
  cores.restrict(1)
  cpu_settings.apply()
  jax.config.update("jax_enable_compilation_cache", False)

  on_cpu = jax.default_backend() == "cpu"
  functions = {
    name: (compiled(name, once=False), compiled(name, once=True)) for name in CONFIGURATIONS
  }
  rows = timing.pairs(functions, arguments.repeats)
  missed = timing.print_shares("augmentation", "again", "once", rows, BAR, digits=3)
  return int(on_cpu and missed)


if __name__ == "__main__":
  sys.exit(main())
