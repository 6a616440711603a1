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
import jax.numpy as jnp

from apr_jax import config_files, forms
from apr_jax.augment.pipeline import make_augmentation
from benchmarks import timing

BAR = 0.8
CONFIGURATIONS = ("apr_s", "apr_sp", "augmix", "autoaugment", "hybrid_plus_ps", "vipaug")


def both_forms(
  index: Callable[..., Any], product: Callable[..., Any], *arrays: Any, form: str | None = None
) -> Any:
  """What `forms.by_platform` would be without an operation of its own."""
  return jax.lax.platform_dependent(*arrays, tpu=product, default=index)


def trace(config: str, by_platform: Callable[..., Any]) -> None:
  """Traces the augmentation of four images anew."""
  settings = config_files.load_config(config).augment
  augmentation = make_augmentation(settings, num_classes=10)
  of = jax.ShapeDtypeStruct
  images, labels = of((4, 32, 32, 3), jnp.uint8), of((4,), jnp.int32)
  jax.clear_caches()
  with mock.patch.object(forms, "by_platform", by_platform):
    jax.make_jaxpr(augmentation)(jax.random.key(0), images, labels, labels, of((), jnp.int32))


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--repeats", type=int, default=3, help="rounds, of which medians are taken")
  arguments = parser.parse_args()

  ways = (both_forms, forms.by_platform)
  functions = {
    name: tuple(functools.partial(trace, f"configs/cifar10_{name}.py", way) for way in ways)
    for name in CONFIGURATIONS
  }
  rows = timing.pairs(functions, arguments.repeats)
  missed = timing.print_shares("augmentation", "both forms", "one", rows, BAR)
  return int(missed)


if __name__ == "__main__":
  sys.exit(main())
