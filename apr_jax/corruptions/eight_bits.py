"""From exact grey levels to the eight bits a corrupted image is stored in."""

import jax
import jax.numpy as jnp

# The generator works in float64, where a result that should be 100 may come out as 99.999999999999
# and fall to 99, or not: that is chance. In float32 the slips are 1e9 times larger and would always
# fall. This tolerance, in levels, keeps a result that should be an integer at that integer, so a
# constant image stays constant.
TOLERANCE = 1e-3


def truncate(levels: jax.Array) -> jax.Array:
  """Clips to [0, 255] and drops the fraction, as the benchmark's generator does.

  Args:
    levels: float array of any shape, in units of one grey level, not clipped.

  Returns:
    uint8 array of the same shape.
  """
  return jnp.floor(jnp.clip(levels, 0.0, 255.0) + TOLERANCE).astype(jnp.uint8)
