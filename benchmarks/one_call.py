"""CPU seconds until an augmentation has been called once, compiled as usual and by
`forms.call_once`.

    python -m benchmarks.one_call

A training calls it once so, on eight images, for a picture of what it trains on. Compiled programs
are not kept. Exit code 1 if one does not have its result in the share of the time that is the bar,
which holds on CPU.
"""

import argparse
import functools
import sys
from collections.abc import Callable
from typing import Any

import jax

from apr_jax import cpu_settings, forms
from benchmarks import augmentations, timing

BAR = 0.7
CONFIGURATIONS = ("standard", "apr_sp", "augmix", "hybrid_plus_ps", "prime")
BATCH = 8


def as_usual(function: Callable[..., Any], *arguments: Any) -> Any:
  """What `forms.call_once` would be with JAX's defaults."""
  return jax.jit(function)(*arguments)


def first_call(name: str, call: Callable[..., Any]) -> None:
  """Makes, traces and compiles the augmentation anew, and calls it."""
  jax.clear_caches()
  augmentation, arguments = augmentations.of_cifar10(name, BATCH)
  jax.block_until_ready(call(augmentation, *arguments))


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--repeats", type=int, default=3, help="rounds, of which medians are taken")
  arguments = parser.parse_args()
  cpu_settings.apply()
  jax.config.update("jax_enable_compilation_cache", False)

  on_cpu = jax.default_backend() == "cpu"
  ways = (as_usual, forms.call_once)
  functions = {
    name: tuple(functools.partial(first_call, name, way) for way in ways) for name in CONFIGURATIONS
  }
  rows = timing.pairs(functions, arguments.repeats)
  missed = timing.print_shares("augmentation", "as usual", "call_once", rows, BAR)
  return int(on_cpu and missed)


if __name__ == "__main__":
  sys.exit(main())
