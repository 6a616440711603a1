"""What it costs that each training step looks whether its loss and its gradient are finite.

    python -m benchmarks.guard [--model wide_resnet_10_1] [--batch 64] [--steps 40] [--cores 1]

Standard training as in train_step.py, the steps in turns: without the look, with it, with it once
more, and with `optimizer.skip_nonfinite`, which also chooses between the new state and the old one.
The second and the third are the same program: their ratio says how far two measurements of one
thing lie apart. On one core by CPU time. Prints a Markdown table.
"""

import argparse
import contextlib
import os
from unittest import mock

import jax
import jax.numpy as jnp

from apr_jax import cpu_settings
from apr_jax.training import step
from benchmarks import cores, timing, train_step
from configs import cifar10_standard

# {name: (whether the step looks, optimizer.skip_nonfinite)}
VARIANTS = {
  "without the look": (False, False),
  "as it is": (True, False),
  "as it is, again": (True, False),
  "skip_nonfinite": (True, True),
}


def unjudged(new, old, gradients, sums, skip):
  """In place of `step._judged`: every step is taken, and none is called bad."""
  del old, gradients, skip
  return new, sums | {"nonfinite": jnp.float32(0)}


def variants(model: str, batch_size: int) -> dict[str, train_step.Steps]:
  """The steps, each compiled."""
  config = cifar10_standard.get_config()
  config.model.name = model
  config.batch_size = batch_size
  data = train_step.random_data(batch_size)
  functions = {}
  for name, (looks, skips) in VARIANTS.items():
    config.optimizer.skip_nonfinite = skips
    functions[name] = train_step.Steps(config, False, data, 1)
    without = mock.patch.object(step, "_judged", unjudged)
    with contextlib.nullcontext() if looks else without:
      functions[name]()
  return functions


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--model", default="wide_resnet_10_1", help="of apr_jax/models/zoo.py")
  parser.add_argument("--batch", type=int, default=64, help="images per step; default: 64")
  parser.add_argument("--steps", type=int, default=40, help="of each variant; default: 40")
  parser.add_argument("--cores", type=int, default=1, help="on CPU; default: one, by CPU time")
  arguments = parser.parse_args()
  cores.restrict(arguments.cores)
  cpu_settings.apply()
  functions = variants(arguments.model, arguments.batch)
  seconds = timing.seconds(functions, arguments.steps, cores.clock(arguments.cores))
  print(
    f"{arguments.model}, batch {arguments.batch}, median of {arguments.steps}; "
    f"{jax.devices()[0].device_kind}, load {os.getloadavg()[0]:.1f}, jax {jax.__version__}\n\n"
    f"| step | ms | over the step as it is |\n|---|---|---|"
  )
  for name, value in seconds.items():
    print(f"| {name} | {1000 * value:.2f} | {value / seconds['as it is']:.4f} |")


if __name__ == "__main__":
  main()
