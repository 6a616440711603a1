"""One program on several devices: placement, donation, splitting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import parallel
from apr_jax.errors import UserError


def test_the_suite_has_four_devices():
  assert jax.device_count() == 4


@pytest.mark.parametrize(
  "batch_size, devices, nearest", [(30, 4, 32), (2, 8, 8), (100, 3, 99), (1, 2, 2)]
)
def test_a_batch_that_does_not_split_is_refused_with_both_numbers(batch_size, devices, nearest):
  with pytest.raises(UserError) as error:
    parallel.check_batch_size(batch_size, devices)
  message = str(error.value)
  assert f"batch_size {batch_size} " in message and f"devices, {devices};" in message
  assert nearest % devices == 0 and message.endswith(f"nearest that is: {nearest}")


@pytest.mark.parametrize(
  "raised, said",
  [
    (
      RuntimeError("Unable to initialize backend 'tpu':\nit is in use"),
      "backend 'tpu': it is in use",
    ),
    (AssertionError(), "AssertionError"),
  ],
)
def test_devices_that_cannot_be_had_are_one_line(monkeypatch, raised, said):
  def devices():
    raise raised

  monkeypatch.setattr(jax, "devices", devices)
  with pytest.raises(
    UserError, match=f"^JAX cannot start on cpu: .*{said}.*set JAX_PLATFORMS=cpu$"
  ):
    parallel.check_devices()


def test_processes_that_disagree_are_refused_with_what_they_have(monkeypatch):
  def number():
    return 2**32 - 1

  parallel.check_agreed(
    lambda: pytest.fail("one process has nothing to compare"), "the step", "share"
  )
  monkeypatch.setattr(jax, "process_count", lambda: 2)
  monkeypatch.setattr(
    parallel.multihost_utils, "process_allgather", lambda own: np.array([own, own])
  )
  parallel.check_agreed(number, "the step", "share")
  monkeypatch.setattr(
    parallel.multihost_utils, "process_allgather", lambda own: np.array([own, own - 1])
  )
  with pytest.raises(
    UserError, match="^the processes disagree on the step: 4294967295, 4294967294; share$"
  ):
    parallel.check_agreed(number, "the step", "share")


@pytest.mark.parametrize("batch_size, devices", [(128, 4), (4, 4), (7, 1)])
def test_a_batch_that_splits_is_accepted(batch_size, devices):
  assert parallel.check_batch_size(batch_size, devices) is None


def test_replicate_and_back():
  tree = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": (np.int32(4),)}
  replicated = parallel.replicate(tree)
  assert len(replicated["a"].sharding.device_set) == 4 and replicated["a"].shape == (2, 3)
  host = parallel.to_host(replicated)
  assert isinstance(host["a"], np.ndarray)
  jax.tree.map(np.testing.assert_array_equal, host, tree)
  two = parallel.replicate(tree, jax.devices()[1:3])
  assert two["a"].sharding.device_set == set(jax.devices()[1:3])


def test_as_replicated_describes_what_replicate_makes():
  tree = parallel.replicate({"a": np.zeros((2, 3), np.float32)})
  description = parallel.as_replicated(tree)["a"]
  assert (description.shape, description.dtype) == ((2, 3), np.float32)
  assert description.sharding.is_equivalent_to(tree["a"].sharding, 2)


def test_a_parallel_step_reduces_over_devices_and_keeps_plain_shapes():
  def step(state, values, shard):
    total = jax.lax.psum(values * (shard + 1), parallel.AXIS)
    return state + total, {"total": total, "shards": jax.lax.psum(10**shard, parallel.AXIS)}

  mapped = parallel.ParallelStep(step, num_inputs=1)
  state = parallel.replicate(np.ones(3, np.float32))
  state, sums = mapped(state, np.arange(3, dtype=np.float32))
  np.testing.assert_array_equal(state, [1, 11, 21])  # 1 + 2 + 3 + 4 = 10
  assert state.shape == (3,) and sums["shards"] == 1111
  state, _ = mapped(state, np.ones(3, np.float32))
  np.testing.assert_array_equal(state, [11, 21, 31])


def test_a_parallel_step_donates_the_state_and_nothing_else():
  mapped = parallel.ParallelStep(
    lambda state, x, shard: (state + x, x.sum() + 0 * shard), num_inputs=1
  )
  state, x = parallel.replicate((np.ones(64, np.float32), np.ones(64, np.float32)))
  new, _ = mapped(state, x)
  assert state.is_deleted() and not x.is_deleted() and not new.is_deleted()


def test_split_inputs_reach_the_devices_in_order():
  images, labels = parallel.split(
    (np.arange(48, dtype=np.uint8).reshape(8, 2, 3), np.arange(8, dtype=np.int32))
  )
  assert (images.shape, images.dtype, labels.shape) == ((4, 2, 2, 3), np.uint8, (4, 2))
  assert [shard.data.shape for shard in images.addressable_shards] == [(1, 2, 2, 3)] * 4
  assert {shard.device for shard in images.addressable_shards} == set(jax.devices())

  def step(state, images, labels, shard):
    return state + 1, {
      name: jax.lax.psum(jnp.zeros((4, *x.shape), x.dtype).at[shard].set(x), parallel.AXIS)
      for name, x in (("images", images.astype(np.int32)), ("labels", labels))
    }

  mapped = parallel.ParallelStep(step, num_inputs=2, split_inputs=True)
  _, seen = mapped(parallel.replicate(np.float32(0)), images, labels)
  np.testing.assert_array_equal(seen["images"].reshape(-1), np.arange(48))
  np.testing.assert_array_equal(seen["labels"].reshape(-1), np.arange(8))
  assert not images.is_deleted()
