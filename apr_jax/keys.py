"""Random streams: keys by name, and keys of single images by their places in the global batch.

JAX's keys are numbers, and a key drawn from twice gives the same numbers twice. Here each use of a
key has a name: `stream(key, "crop")` and `stream(key, "flip")` are apart because their names are.
Numbers in place of names have to be kept apart by hand, and a new one in their middle moves all
that follow. A new name moves nothing: what other streams draw stays as it was. Inside one function,
which owns its key, the key is split.
"""

import zlib

import jax
import jax.numpy as jnp
import numpy as np


def stream(key: jax.Array, name: str) -> jax.Array:
  """The key of a named random stream, `fold_in(key, crc32(name))`.

  Args:
    key: PRNG key.
    name: of the stream; each use of one key has another.

  Returns:
    PRNG key, the same for the same key and name, on every platform and in every version.
  """
  return jax.random.fold_in(key, np.uint32(zlib.crc32(name.encode())))


def of_step(key: jax.Array, step: int | jax.Array) -> jax.Array:
  """The key of a training step, the same on all devices.

  Args:
    key: PRNG key of the run.
    step: the number of steps before it, int `[]`.
  """
  return jax.random.fold_in(stream(key, "step"), step)


def per_image(key: jax.Array, images: jax.Array, positions: jax.Array | None = None) -> jax.Array:
  """One key per image, by its place in the global batch: what is drawn does not depend on the
  devices.

  Args:
    key: PRNG key of the batch.
    images: `[B, ...]`.
    positions: int `[B]`, each image's position in the global batch; 0..B-1 if not given.

  Returns:
    keys `[B]`; key i is `fold_in(key, positions[i])`.
  """
  positions = jnp.arange(len(images)) if positions is None else positions
  return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, positions)
