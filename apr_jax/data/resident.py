"""Batches of a data set that lives on the device: nothing but an index crosses from the host.

Each epoch has its own permutation, a pure function of (key, epoch), so a resumed run continues with
the batches the interrupted one would have seen. The incomplete last batch of an epoch is dropped:
every step then has the same shape, and as each epoch is permuted anew no example is left out for
good. The released code trains on the short batch instead (80 of 128 images in CIFAR's last step),
which weighs those images more.
"""

import jax
import jax.numpy as jnp

from apr_jax import keys
from apr_jax.errors import UserError


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
  """The number of full batches in an epoch, floor(num_examples / batch_size).

  Raises:
    UserError: `batch_size` is below 1 or above `num_examples`.
  """
  if not 1 <= batch_size <= num_examples:
    raise UserError(
      f"batch_size {batch_size} does not fit a training set of {num_examples} examples; "
      f"use a batch_size between 1 and {num_examples}"
    )
  return num_examples // batch_size


def epoch_permutation(key: jax.Array, epoch: int | jax.Array, num_examples: int) -> jax.Array:
  """The order in which an epoch visits the examples.

  Args:
    key: a PRNG key, the same for the whole run.
    epoch: number of the epoch from 0, may be traced.
    num_examples: N, static.

  Returns:
    int32 `[N]`, every index 0..N-1 once.
  """
  key = jax.random.fold_in(keys.stream(key, "order"), epoch)
  return jax.random.permutation(key, jnp.arange(num_examples, dtype=jnp.int32))


def batch_at(
  images: jax.Array,
  labels: jax.Array,
  permutation: jax.Array,
  index: int | jax.Array,
  *,
  batch_size: int,
  start: int | jax.Array = 0,
  size: int | None = None,
) -> tuple[jax.Array, jax.Array]:
  """The examples [start, start + size) of the global batch `index` of an epoch.

  One of D devices takes its slice with size = batch_size // D and start = device * size; the slices
  of all devices tile the global batch, which therefore does not depend on D:

      batch_at(images, labels, permutation, step, batch_size=128, start=lax.axis_index("batch") *
      32, size=32)

  The caller keeps index < steps_per_epoch and start + size <= batch_size: traced values cannot be
  checked, and a slice that runs past the end would be moved back inside without a word.

  Args:
    images: uint8 `[N, ...]`.
    labels: int32 `[N]`.
    permutation: int32 `[N]` of `epoch_permutation`.
    index: step within the epoch, from 0; may be traced.
    batch_size: examples in the global batch; static.
    start: first example of the slice, counted within the global batch; may be traced.
    size: examples in the slice; static. None is the whole batch.

  Returns:
    (uint8 `[size, ...]`, int32 `[size]`).
  """
  size = batch_size if size is None else size
  chosen = jax.lax.dynamic_slice_in_dim(permutation, index * batch_size + start, size)
  # A permutation holds valid indices only; saying so spares a comparison per image.
  return (
    images.at[chosen].get(mode="promise_in_bounds", unique_indices=True),
    labels.at[chosen].get(mode="promise_in_bounds", unique_indices=True),
  )
