"""Epoch permutations and device slices of the global batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.data import resident
from apr_jax.errors import UserError

N, BATCH = 50, 12
IMAGES = jnp.asarray(np.random.RandomState(0).randint(0, 256, (N, 2, 3, 3), dtype=np.uint8))
LABELS = jnp.arange(N, dtype=jnp.int32)
KEY = jax.random.key(0)


def test_steps_per_epoch_drops_the_short_batch():
  assert resident.steps_per_epoch(50, 12) == 4
  assert resident.steps_per_epoch(48, 12) == 4
  assert resident.steps_per_epoch(12, 12) == 1
  assert resident.steps_per_epoch(12, 1) == 12


@pytest.mark.parametrize("batch_size", [51, 0, -4])
def test_batch_that_does_not_fit(batch_size):
  with pytest.raises(UserError, match=rf"batch_size {batch_size} .* 50 ") as error:
    resident.steps_per_epoch(50, batch_size)
  assert "\n" not in str(error.value)


def test_permutation_is_a_pure_function_of_key_and_epoch():
  jitted = jax.jit(resident.epoch_permutation, static_argnums=2)
  seen = set()
  for key in (KEY, jax.random.key(1)):
    for epoch in (0, 1, 200):
      permutation = resident.epoch_permutation(key, epoch, N)
      assert permutation.dtype == jnp.int32
      np.testing.assert_array_equal(np.sort(permutation), np.arange(N))
      np.testing.assert_array_equal(permutation, jitted(key, jnp.int32(epoch), N))
      seen.add(tuple(permutation.tolist()))
  assert len(seen) == 6


@pytest.mark.parametrize("devices", [1, 2, 3, 4])
def test_device_slices_tile_the_global_batch(devices):
  permutation = resident.epoch_permutation(KEY, 3, N)
  size = BATCH // devices

  @jax.jit
  def slice_of(index, device):
    return resident.batch_at(
      IMAGES, LABELS, permutation, index, batch_size=BATCH, start=device * size, size=size
    )

  for index in range(resident.steps_per_epoch(N, BATCH)):
    rows = np.asarray(permutation)[index * BATCH : (index + 1) * BATCH]
    images, labels = zip(*(slice_of(index, device) for device in range(devices)))
    assert all(part.shape == (size, 2, 3, 3) and part.dtype == jnp.uint8 for part in images)
    assert all(part.dtype == jnp.int32 for part in labels)
    np.testing.assert_array_equal(np.concatenate(images), np.asarray(IMAGES)[rows])
    np.testing.assert_array_equal(np.concatenate(labels), np.asarray(LABELS)[rows])


def test_whole_batches_of_an_epoch_do_not_overlap_inside_a_scan():
  permutation = resident.epoch_permutation(KEY, 0, N)
  steps = resident.steps_per_epoch(N, BATCH)

  def step(carry, index):
    return carry, resident.batch_at(IMAGES, LABELS, permutation, index, batch_size=BATCH)[1]

  _, labels = jax.lax.scan(step, 0, jnp.arange(steps))
  np.testing.assert_array_equal(
    np.asarray(labels).ravel(), np.asarray(permutation)[: steps * BATCH]
  )
