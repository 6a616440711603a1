"""CPU seconds until a network's first state is there, where nothing is compiled.

    python -m benchmarks.initial_state

In turns: as Flax's `init` and Optax's `init` make it, one operation after the other, and as
`create_state` does. Both give the same numbers, which is checked. Exit code 1 if a state takes more
than the share of the time that is the bar; the bar holds on CPU.
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from apr_jax import keys, models
from apr_jax.run.state import create_state
from benchmarks import timing

BAR = 0.8
NETWORKS = ("wide_resnet_10_1", "wide_resnet_40_2", "resnet18_cifar", "densenet_40_12")
OPTIMIZER = optax.sgd(0.1, momentum=0.9)
PIXELS = (32, 32)


def by_operations(model: models.NormalisedNetwork) -> Any:
  """The parameters and statistics, and the state of the optimizer."""
  key = keys.stream(jax.random.key(0), "parameters")
  variables = model.init(key, jnp.zeros((1, *PIXELS, 3)), train=False)
  return variables, OPTIMIZER.init(variables["params"])


def of_state(model: models.NormalisedNetwork) -> Any:
  """The same, of `create_state`."""
  state = create_state(0, model, PIXELS, OPTIMIZER)
  return state.variables, state.opt_state


def measured(make: Callable[..., Any], model: models.NormalisedNetwork) -> tuple[Any, float]:
  """What is made, and the CPU seconds that it takes with no program compiled."""
  jax.clear_caches()
  start = time.process_time()
  made = jax.block_until_ready(make(model))
  return made, time.process_time() - start


def compared(name: str) -> tuple[str, float, float]:
  """The network's name, and the CPU seconds of both, whose numbers must be the same."""
  model = models.make(name, 10, mean=(0.5,) * 3, std=(0.25,) * 3)
  (expected, before), (found, after) = (measured(of, model) for of in (by_operations, of_state))
  jax.tree.map(np.testing.assert_array_equal, found, expected)
  return name, before, after


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--models", default=",".join(NETWORKS), help="names, with commas")
  arguments = parser.parse_args()

  rows = (compared(name) for name in arguments.models.split(","))
  missed = timing.print_shares("network", "by operations", "create_state", rows, BAR, digits=1)
  return int(missed)


if __name__ == "__main__":
  sys.exit(main())
