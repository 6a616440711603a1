"""Training steps over a stream: the next batches are read and sent to the devices while a step
runs.
"""

import collections
import concurrent.futures
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import jax
import numpy as np

from apr_jax import keys, parallel
from apr_jax.data import ImageStream, resident
from apr_jax.run.state import TrainState
from apr_jax.training.step import Sums

AHEAD = 2  # batches on the devices, and steps under way; bounds the memory


def stream_step(
  step: Callable[..., tuple[TrainState, Sums]],
) -> Callable[..., tuple[TrainState, Sums]]:
  """The step that finds its key by itself: `(state, images, labels, shard)` → `(state, sums)`.

  Args:
    step: `(state, images, labels, key, shard)` → `(state, sums)`.
  """

  def one(state, images, labels, shard):
    return step(state, images, labels, keys.of_step(state.key, state.step), shard)

  return one


class StreamSteps:
  """Runs `step` over the epochs of a stream; a context manager that ends the reading.

  Args:
    step: `(state, images, labels, key, shard)` → `(state, sums)`.
    data: the stream.
    batch_size: images per step over all devices.
    key: the run's key, the same as the state's.
    total_steps: of the run; nothing is read beyond.

  Attributes:
    steps_per_epoch: whole batches of the data set.
    input_wait: seconds between the end of all dispatched steps and the arrival of the batch that
      the last dispatch was waiting for; 0 or nearly so where it was there. The host learns of both
      ends a moment late.

  Raises:
    UserError: the batch does not fit the devices or the data set.
  """

  def __init__(
    self,
    step: Callable[..., tuple[TrainState, Sums]],
    data: ImageStream,
    batch_size: int,
    key: jax.Array,
    total_steps: int,
  ):
    parallel.check_batch_size(batch_size, jax.device_count())
    self.steps_per_epoch = resident.steps_per_epoch(data.num_examples, batch_size)
    self.input_wait = 0.0
    self._data, self._batch_size, self._total_steps = data, batch_size, total_steps
    self._key = parallel.to_host(jax.random.key_data(key)).ravel().tolist()
    # One thread, so that the batches come in order.
    self._reader = concurrent.futures.ThreadPoolExecutor(1, "stream")
    # the step that the first batch in `_ahead` is for; the batches after it
    self._next: int | None = None
    self._batches: Generator[Any, None, None] | None = None
    self._ahead: collections.deque[concurrent.futures.Future] = collections.deque()
    self._running: collections.deque[Sums] = collections.deque()

    self._step = parallel.ParallelStep(stream_step(step), num_inputs=2, split_inputs=True)

  def __enter__(self) -> "StreamSteps":
    return self

  def __exit__(self, *_: object) -> None:
    # At once: left to the garbage collector, the end of tf.data's threads would come at any time,
    # and take its time.
    if self._batches is not None:
      self._reader.submit(self._batches.close)
    self._reader.shutdown()

  def compile(self, state: TrainState) -> None:
    """Compiles what `run` runs, while the first batches are read.

    Args:
      state: the one that the run starts from; nothing happens to it.
    """
    self._start(int(parallel.to_host(state.step)))
    share = self._batch_size // jax.process_count()
    images = np.zeros((share, *self._data.image_size, 3), np.uint8)
    self._step.compile(state, *parallel.split((images, np.zeros(share, np.int32))))

  def run(self, state: TrainState, done: int, target: int) -> tuple[TrainState, int, Sums]:
    """Dispatches one step, without waiting for it; as `ResidentSteps.run`.

    Raises:
      UserError: an image is missing or damaged.
    """
    del target  # a stream has its batches one by one
    batches = self._start(done) if self._batches is None else self._batches
    if done != self._next:
      raise ValueError(f"a stream goes on in order: its next step is {self._next}, not {done}")
    images, labels = self._wait_for(self._ahead.popleft())
    self._ahead.append(self._read(batches))
    state, sums = self._step(state, images, labels)
    self._next = done + 1
    self._running.append(sums)
    # the host must not run ahead: each step that waits holds its batch
    if len(self._running) > AHEAD:
      jax.block_until_ready(self._running.popleft())
    return state, self._next, sums

  def first_batch(self, epoch: int) -> tuple[Any, Any]:
    """Images and labels of the epoch's first step, as `parallel.split` puts them on the devices;
    read once more.

    Raises:
      UserError: an image is missing or damaged.
    """
    batches = self._data.batches(self._key, epoch, 0, self._batch_size)
    try:
      return parallel.split(next(batches))
    finally:
      batches.close()

  def _start(self, done: int) -> Iterator[Any]:
    """Begins to read, with the batch of the step after so many; the batches after what is read."""
    self._next, self._batches = done, self._batches_from(done)
    self._ahead.extend(self._read(self._batches) for _ in range(AHEAD))
    return self._batches

  def _read(self, batches: Iterator[Any]) -> concurrent.futures.Future:
    return self._reader.submit(next, batches, None)

  def _wait_for(self, batch: concurrent.futures.Future) -> tuple[jax.Array, jax.Array]:
    if not batch.done():
      jax.block_until_ready(list(self._running))  # until here the devices had something to do
    started = time.perf_counter()
    result = batch.result()
    self.input_wait = time.perf_counter() - started
    return result

  def _batches_from(self, done: int) -> Generator[Any, None, None]:
    """The batches of the steps from `done` on, on the devices."""
    while done < self._total_steps:
      epoch, first = divmod(done, self.steps_per_epoch)
      for batch in self._data.batches(self._key, epoch, first, self._batch_size):
        yield parallel.split(batch)
      done = (epoch + 1) * self.steps_per_epoch
