"""Steps over a resident data set: every example once per epoch, however many steps a dispatch
holds.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from apr_jax import keys, models, parallel
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.run.state import create_state
from apr_jax.training.resident_steps import ResidentSteps

EXAMPLES, BATCH = 26, 8  # three steps per epoch, two examples left over
DATA = ArrayData(
  np.repeat(np.arange(EXAMPLES, dtype=np.uint8), 12).reshape(EXAMPLES, 2, 2, 3),
  np.arange(EXAMPLES, dtype=np.int32),
  EXAMPLES,
  "numbered",
)


class Constant(nn.Module):
  """One weight."""

  @nn.compact
  def __call__(self, images, train):
    del train
    return self.param("weight", nn.initializers.ones, ()) * images.mean((1, 2))


def new_state():
  return create_state(
    0, models.NormalisedNetwork(Constant(), (0.0,), (1.0,)), (2, 2), optax.sgd(0.1)
  )


def recording_step(state, images, labels, key, shard):
  """Records the examples and the key's draw; the weight depends on all of them and their order."""
  seen = jax.lax.psum(jax.nn.one_hot(labels, EXAMPLES).sum(0), parallel.AXIS)
  pixels = jax.lax.psum(jax.nn.one_hot(images[:, 0, 0, 0], EXAMPLES).sum(0), parallel.AXIS)
  draw = jax.random.uniform(key)
  params = jax.tree.map(lambda x: 0.9 * x + draw * (seen @ jnp.arange(EXAMPLES)), state.params)
  sums = {
    "seen": seen,
    "pixels": pixels,
    "draw": draw,
    "shards": jax.lax.psum(10.0**shard, parallel.AXIS),
  }
  return state.replace(step=state.step + 1, params=params), sums


def run(total, per_dispatch=None, state=None, done=0):
  """The state after `total` steps, and the dispatches' (steps done, sums)."""
  state = parallel.replicate(new_state() if state is None else state)
  steps = ResidentSteps(recording_step, DATA, BATCH, state.key, per_dispatch)
  dispatches = []
  while done < total:
    target = min(total, (done // steps.steps_per_epoch + 1) * steps.steps_per_epoch)
    state, done, sums = steps.run(state, done, target)
    dispatches.append((done, jax.device_get(sums)))
  return jax.device_get(state.params), dispatches


def test_every_example_at_most_once_per_epoch_with_its_label():
  _, dispatches = run(6)
  assert [done for done, _ in dispatches] == [1, 2, 3, 4, 5, 6]  # on CPU each step is a dispatch
  batches = np.array([sums["seen"] for _, sums in dispatches])
  np.testing.assert_array_equal(batches, [sums["pixels"] for _, sums in dispatches])
  np.testing.assert_array_equal(batches.sum(1), BATCH)
  epochs = batches.reshape(2, 3, EXAMPLES).sum(1)
  assert epochs.max() == 1 and (epochs.sum(1) == 24).all()
  assert (batches[:3] != batches[3:]).any(axis=1).all()  # another order in another epoch


def test_the_first_batch_of_an_epoch_is_that_of_its_first_step():
  _, dispatches = run(6)
  steps = ResidentSteps(recording_step, DATA, BATCH, new_state().key)
  for epoch in (0, 1):
    images, labels = steps.first_batch(epoch)
    assert images.shape[:2] == labels.shape == (len(jax.devices()), BATCH // len(jax.devices()))
    np.testing.assert_array_equal(images[..., 0, 0, 0], labels)
    seen = np.bincount(np.ravel(labels), minlength=EXAMPLES)
    np.testing.assert_array_equal(seen, dispatches[3 * epoch][1]["seen"])


def test_every_step_has_the_key_of_its_number_and_every_device_its_own_shard():
  _, dispatches = run(6)
  draws = [float(sums["draw"]) for _, sums in dispatches]
  key = new_state().key
  expected = [float(jax.random.uniform(keys.of_step(key, step))) for step in range(6)]
  assert draws == expected
  assert len(set(draws)) == 6
  assert all(sums["shards"] == 1111 for _, sums in dispatches)


@pytest.mark.parametrize("per_dispatch", [2, 3])
def test_several_steps_per_dispatch_give_the_same_state_and_sums(per_dispatch):
  single, one_by_one = run(6, 1)
  several, dispatches = run(6, per_dispatch)
  assert [done for done, _ in dispatches] == {2: [2, 3, 5, 6], 3: [3, 6]}[per_dispatch]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), several, single)
  previous = 0
  for done, sums in dispatches:
    for name in ("seen", "pixels", "draw"):
      expected = np.sum([sums[name] for _, sums in one_by_one[previous:done]], axis=0)
      np.testing.assert_allclose(sums[name], expected, rtol=1e-6)
    previous = done


def test_no_dispatch_is_longer_than_what_is_asked_for():
  steps = ResidentSteps(recording_step, DATA, BATCH, new_state().key, per_dispatch=5, longest=2)
  state = parallel.replicate(new_state())
  assert steps.run(state, 0, 2)[1] == 2


@pytest.mark.parametrize("per_dispatch", [1, 2])
def test_compiling_ahead_traces_all_and_changes_nothing(per_dispatch):
  traces = []

  def traced(*arguments):
    traces.append(arguments)
    return recording_step(*arguments)

  steps = ResidentSteps(traced, DATA, BATCH, new_state().key, per_dispatch)
  state = parallel.replicate(new_state())
  steps.compile(state)
  compiled = len(traces)
  assert compiled >= per_dispatch and not state.step.is_deleted()
  done, dispatches = 0, []
  while done < 6:
    state, done, sums = steps.run(state, done, done // 3 * 3 + 3)
    dispatches.append((done, jax.device_get(sums)))
  assert len(traces) == compiled
  expected, expected_dispatches = run(6, per_dispatch)
  jax.tree.map(np.testing.assert_array_equal, jax.device_get(state.params), expected)
  jax.tree.map(np.testing.assert_array_equal, dispatches, expected_dispatches)


def test_a_run_that_continues_sees_the_batches_it_would_have_seen():
  _, whole = run(6)
  state = new_state().replace(step=jnp.int32(4))
  _, rest = run(6, state=state, done=4)
  for (_, expected), (_, sums) in zip(whole[4:], rest, strict=True):
    jax.tree.map(np.testing.assert_array_equal, sums, expected)


def test_a_batch_that_does_not_split_over_the_devices_is_refused():
  with pytest.raises(UserError, match="batch_size 6 .* 4"):
    ResidentSteps(recording_step, DATA, 6, jax.random.key(0))
