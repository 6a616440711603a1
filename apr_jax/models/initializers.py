"""What parameters and statistics start from, in as few programs as can be.

A network has dozens of shapes, and XLA compiles a program of its own for each that is asked for
alone. On a CPU these would take longer than everything else before the first step.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from apr_jax.in_memory import in_memory


def filled(value: float) -> nn.initializers.Initializer:
  """`nn.initializers.constant`, without a program."""

  def init(key: Any, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
    return jnp.asarray(np.full(shape, value, dtype))

  return init


zeros, ones = filled(0), filled(1)


def scaled(scale: float, mode: str, distribution: str) -> nn.initializers.Initializer:
  """`nn.initializers.variance_scaling`, with the same numbers, which compiles in a moment.

  XLA takes seconds on a CPU for each shape of four axes that is drawn, and for each row of numbers
  next to nothing.

  Args:
    scale: variance times the fan.
    mode: "fan_in" or "fan_out".
    distribution: "normal" or "uniform".
  """

  def init(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
    fan = math.prod(shape[:-2]) * shape[{"fan_in": -2, "fan_out": -1}[mode]]
    width = np.sqrt(np.asarray(scale / fan, dtype) * {"normal": 1, "uniform": 3}[distribution])
    count = math.prod(shape)
    # A number that is drawn depends on the key and its place alone, so more may be drawn than are
    # used: all counts up to the same power of 4 share a program, and all small ones.
    bits = max((count - 1).bit_length(), 16)
    row = _drawn(key, distribution, 1 << bits + bits % 2, width.dtype)
    # Numbers that are there already are cut out and scaled without a program for each shape.
    if not isinstance(row, jax.core.Tracer):
      row = np.asarray(row)
    return jnp.asarray((row[:count] * width).reshape(shape))

  return init


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def _drawn(key: jax.Array, distribution: str, count: int, dtype: Any) -> jax.Array:
  """So many numbers in a row: of the standard normal distribution, or uniform in ±1."""
  if distribution == "normal":
    return in_memory(jax.random.normal(key, (count,), dtype))
  return in_memory(jax.random.uniform(key, (count,), dtype, -1))


# PyTorch's default, kaiming_uniform with a=√5: U(−b, b) with b = 1/√fan_in.
torch_uniform = scaled(1 / 3, "fan_in", "uniform")
# He initialisation over the fan-out: normal(0, √(2 / (k·k·out))).
he_normal = scaled(2.0, "fan_out", "normal")


def torch_bias(fan_in: int) -> nn.initializers.Initializer:
  """PyTorch's default bias of a layer with `fan_in` inputs: U(−b, b) with b = 1/√fan_in."""
  bound = fan_in**-0.5

  def uniform(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return uniform
