"""CPU seconds of tracing an augmentation, with one form of each computation and with both.

    python -m benchmarks.tracing

The augmentations of some configurations are traced in turns: as `forms.by_platform` has it, which
traces what the device takes, and by `jax.lax.platform_dependent`, which traces what a TPU takes
too. Exit code 1 if one is not traced in the share of the time that is the bar.
"""

import argparse
import functools
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import jax

from apr_jax import forms
from benchmarks import augmentations, timing

BAR = 0.8
CONFIGURATIONS = ("apr_s", "apr_sp", "augmix", "autoaugment", "hybrid_plus_ps", "vipaug")


def both_forms(
  index: Callable[..., Any], product: Callable[..., Any], *arrays: Any, form: str | None = None
) -> Any:
  """What `forms.by_platform` would be without an operation of its own."""
  return jax.lax.platform_dependent(*arrays, tpu=product, default=index)


def trace(name: str, by_platform: Callable[..., Any]) -> None:
  """Traces the augmentation of four images anew."""
  augmentation, arguments = augmentations.of_cifar10(name, 4)
  jax.clear_caches()
  with mock.patch.object(forms, "by_platform", by_platform):
    jax.make_jaxpr(augmentation)(*arguments)


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--repeats", type=int, default=3, help="rounds, of which medians are taken")
  arguments = parser.parse_args()

  ways = (both_forms, forms.by_platform)
  functions = {
    name: tuple(functools.partial(trace, name, way) for way in ways) for name in CONFIGURATIONS
  }
  rows = timing.pairs(functions, arguments.repeats)
  missed = timing.print_shares("augmentation", "both forms", "one", rows, BAR)
  return int(missed)


if __name__ == "__main__":
  sys.exit(main())
