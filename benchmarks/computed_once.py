"""CPU seconds of augmenting 128 images, with what all pixels of an image share computed once, and
with XLA left to compute it again for each.

    python -m benchmarks.computed_once

`apr_jax.in_memory` is what computes it once; without it the augmentation is the same program but
for these places. The programs are compiled before they are measured. Exit code 1 if one does not
take the share of the time that is the bar, which holds on CPU.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable
from unittest import mock

import jax
import numpy as np

from apr_jax import config_files, cpu_settings
from apr_jax.augment import simclr, warp
from apr_jax.augment.pipeline import make_augmentation
from benchmarks import cores, timing

BAR = 0.9
BATCH = 128
CONFIGURATIONS = ("apr_sp", "augmix", "csi")


def compiled(config: str, once: bool) -> Callable[[], object]:
  """The augmentation of 128 images, compiled; a call waits for its result."""
  augmentation = make_augmentation(config_files.load_config(config).augment, num_classes=10)
  images = np.random.default_rng(0).integers(0, 256, (BATCH, 32, 32, 3), np.uint8)
  positions = np.arange(BATCH, dtype=np.int32)
  arguments = jax.random.key(0), images, positions % 10, positions, np.int32(0)
  with contextlib.ExitStack() as stack:
    if not once:
      for module in (simclr, warp):
        stack.enter_context(mock.patch.object(module, "in_memory", lambda x: x))
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
  functions = {}
  for name in CONFIGURATIONS:
    jax.clear_caches()
    again = compiled(f"configs/cifar10_{name}.py", once=False)
    jax.clear_caches()
    functions[name] = again, compiled(f"configs/cifar10_{name}.py", once=True)
  rows = timing.pairs(functions, arguments.repeats)
  missed = timing.print_shares("augmentation", "again", "once", rows, BAR, digits=3)
  return int(on_cpu and missed)


if __name__ == "__main__":
  sys.exit(main())
