"""Steps over a stream: batches in order, split over the devices; what runs ahead and what is waited
for.
"""

import threading
import time

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import keys, parallel
from apr_jax.errors import UserError
from apr_jax.training import stream_steps
from apr_jax.training.stream_steps import StreamSteps

EXAMPLES, BATCH = 26, 8  # three steps per epoch, two examples left over


class Numbered:
  """A stream of images that say their place: 26 per epoch. Remembers which batches were made."""

  num_examples, image_size = EXAMPLES, (2, 2)

  def __init__(self, broken_at=None, ready=None):
    self.made, self.keys, self._broken_at, self._ready = [], [], broken_at, ready

  def batches(self, key, epoch, first, batch_size):
    self.keys.append(key)
    for number in range(first, EXAMPLES // batch_size):
      if self._ready is not None:
        self._ready.acquire()
      if len(self.made) == self._broken_at:
        raise UserError("cat.png: cannot be read")
      self.made.append((epoch, number))
      places = np.arange(number * batch_size, (number + 1) * batch_size, dtype=np.int32)
      yield (
        np.full((batch_size, 2, 2, 3), places[:, None, None, None], np.uint8),
        100 * epoch + places,
      )


def recording_step(state, images, labels, key, shard):
  """Records what each device sees; the state counts the steps and depends on their order."""
  share = jax.nn.one_hot(shard, 4)[:, None] * labels[None]
  sums = {
    "labels": jax.lax.psum(share, parallel.AXIS),
    "draw": jax.random.uniform(key),
    "pixels": jax.lax.psum(jax.nn.one_hot(shard, 4)[:, None] * images[:, 0, 0, 0], parallel.AXIS),
  }
  weight = 0.9 * state.weight + jax.lax.psum(labels.sum(), parallel.AXIS)
  return state.replace(step=state.step + 1, weight=weight), sums


@pytest.fixture
def state():
  @flax.struct.dataclass
  class Small:
    step: jax.Array
    key: jax.Array
    weight: jax.Array

  return lambda done=0, weight=0.0: parallel.replicate(
    Small(jnp.int32(done), jax.random.key(3), jnp.float32(weight))
  )


def run(steps, state, done, until):
  dispatches = []
  while done < until:
    state, done, sums = steps.run(state, done, until)
    dispatches.append(jax.device_get(sums))
  return state, dispatches


def test_each_device_sees_its_part_of_each_batch_in_order(state):
  steps = StreamSteps(recording_step, Numbered(), BATCH, jax.random.key(3), 6)
  assert steps.steps_per_epoch == 3
  _, dispatches = run(steps, state(), 0, 6)
  assert len(dispatches) == 6
  for number, sums in enumerate(dispatches):
    epoch, place = divmod(number, 3)
    expected = np.arange(place * BATCH, (place + 1) * BATCH).reshape(4, 2)
    np.testing.assert_array_equal(sums["labels"], 100 * epoch + expected)
    np.testing.assert_array_equal(sums["pixels"], expected)
    assert sums["draw"] == jax.random.uniform(keys.of_step(jax.random.key(3), number))


def test_the_first_batch_of_an_epoch_is_read_again(state):
  stream = Numbered()
  steps = StreamSteps(recording_step, stream, BATCH, jax.random.key(3), 6)
  _, dispatches = run(steps, state(), 0, 6)
  for epoch in (0, 1):
    images, labels = steps.first_batch(epoch)
    np.testing.assert_array_equal(labels, dispatches[3 * epoch]["labels"])
    np.testing.assert_array_equal(images[..., 0, 0, 0], dispatches[3 * epoch]["pixels"])
  assert stream.made[6:] == [(0, 0), (1, 0)] and stream.keys[-1] == stream.keys[0]


@pytest.mark.parametrize("done", [2, 3, 5])
def test_a_run_that_continues_sees_the_batches_it_would_have_seen(state, done):
  after, whole = run(
    StreamSteps(recording_step, Numbered(), BATCH, jax.random.key(3), 6), state(), 0, 6
  )
  stopped, _ = run(
    StreamSteps(recording_step, Numbered(), BATCH, jax.random.key(3), 6), state(), 0, done
  )
  weight, stream = float(stopped.weight), Numbered()
  continued, rest = run(
    StreamSteps(recording_step, stream, BATCH, jax.random.key(3), 6), state(done, weight), done, 6
  )
  assert stream.made[0] == divmod(done, 3)  # nothing of what came before is made again
  jax.tree.map(np.testing.assert_array_equal, rest, whole[done:])
  assert float(continued.weight) == float(after.weight)


def test_the_stream_gets_the_key_as_whole_numbers(state):
  stream = Numbered()
  run(StreamSteps(recording_step, stream, BATCH, jax.random.key(2**32 - 5), 1), state(), 0, 1)
  assert stream.keys[0] == np.asarray(jax.random.key_data(jax.random.key(2**32 - 5))).tolist()
  assert all(isinstance(word, int) for word in stream.keys[0])


def settled(stream):
  """The number of batches made, once it no longer grows."""
  count = -1
  while count != len(stream.made):
    count = len(stream.made)
    time.sleep(0.1)
  return count


def test_a_few_batches_are_made_ahead_and_none_beyond_the_end(state):
  stream = Numbered()
  steps = StreamSteps(recording_step, stream, BATCH, jax.random.key(3), 6)
  after, _ = run(steps, state(), 0, 1)
  assert settled(stream) == 1 + stream_steps.AHEAD
  run(steps, after, 1, 6)
  assert settled(stream) == 6


def test_what_is_wrong_with_an_image_reaches_the_caller(state):
  steps = StreamSteps(recording_step, Numbered(broken_at=2), BATCH, jax.random.key(3), 6)
  after, _ = run(steps, state(), 0, 2)
  with pytest.raises(UserError, match="cat.png: cannot be read"):
    steps.run(after, 2, 3)


def test_waiting_for_images_is_measured(state):
  ready = threading.Semaphore(1)
  stream = Numbered(ready=ready)
  steps = StreamSteps(recording_step, stream, BATCH, jax.random.key(3), 6)
  after, _ = run(steps, state(), 0, 1)
  started = time.perf_counter()
  threading.Timer(0.5, ready.release, [100]).start()  # no batch is ready until then
  after, _, _ = steps.run(after, 1, 6)
  assert 0.2 < steps.input_wait < time.perf_counter() - started
  settled(stream)  # the next batches lie on the devices
  steps.run(after, 2, 6)
  assert steps.input_wait < 0.1


def test_one_thread_reads(state):
  names = set()

  class Watched(Numbered):
    def batches(self, *arguments):
      for batch in super().batches(*arguments):
        names.add(threading.current_thread().name)
        yield batch

  run(StreamSteps(recording_step, Watched(), BATCH, jax.random.key(3), 6), state(), 0, 6)
  assert len(names) == 1 and threading.current_thread().name not in names


def test_the_reading_ends_with_the_steps(state):
  closed = []

  class Watched(Numbered):
    def batches(self, *arguments):
      try:
        yield from super().batches(*arguments)
      finally:
        closed.append(threading.current_thread().name)

  with StreamSteps(recording_step, Watched(), BATCH, jax.random.key(3), 300) as steps:
    run(steps, state(), 0, 1)
    (reader,) = steps._reader._threads
    assert not closed
  assert len(closed) == 1 and not reader.is_alive()
  with StreamSteps(recording_step, Numbered(), BATCH, jax.random.key(3), 300):
    pass  # nothing was read


@pytest.mark.parametrize("done", [0, 4])
def test_compiling_ahead_traces_all_and_changes_nothing(state, done):
  traces = []

  def traced(*arguments):
    traces.append(arguments)
    return recording_step(*arguments)

  stream = Numbered()
  with StreamSteps(traced, stream, BATCH, jax.random.key(3), 6) as steps:
    start = state(done)
    steps.compile(start)
    assert len(traces) == 1 and not start.weight.is_deleted()
    _, dispatches = run(steps, start, done, 6)
  assert len(traces) == 1
  _, expected = run(
    StreamSteps(recording_step, Numbered(), BATCH, jax.random.key(3), 6), state(done), done, 6
  )
  jax.tree.map(np.testing.assert_array_equal, dispatches, expected)
  assert stream.made[0] == divmod(done, 3) and len(stream.made) == 6 - done


def test_a_step_out_of_order_is_refused(state):
  steps = StreamSteps(recording_step, Numbered(), BATCH, jax.random.key(3), 6)
  after, _ = run(steps, state(), 0, 1)
  with pytest.raises(ValueError, match="its next step is 1, not 3"):
    steps.run(after, 3, 4)


def test_batches_that_do_not_fit_are_refused():
  with pytest.raises(UserError, match="batch_size 6 .* 4"):
    StreamSteps(recording_step, Numbered(), 6, jax.random.key(0), 6)
  with pytest.raises(UserError, match="batch_size 32 does not fit a training set of 26 examples"):
    StreamSteps(recording_step, Numbered(), 32, jax.random.key(0), 6)
