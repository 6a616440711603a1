"""Training steps over a data set that lives on the device: the host sends one number, the step's
place.

On GPU and TPU many steps run per dispatch, in a `lax.scan`. On CPU each step is a dispatch: it
takes so long that dispatches cost nothing, and JAX's own convolutions run tens of times slower in a
loop.
"""

import concurrent.futures
import functools
from collections.abc import Callable

import jax
import numpy as np

from apr_jax import keys, parallel
from apr_jax.data import ArrayData, resident
from apr_jax.run.state import TrainState
from apr_jax.training.step import Sums

STEPS_PER_DISPATCH = 32


def resident_step(
  step: Callable[..., tuple[TrainState, Sums]],
  num_examples: int,
  image_size: tuple[int, int],
  batch_size: int,
  num_devices: int,
) -> Callable[..., tuple[TrainState, Sums]]:
  """The step that finds its batch by itself.

  Args:
    step: `(state, images, labels, key, shard)` → `(state, sums)`.
    num_examples: N, images of the data set.
    image_size: (H, W) in pixels.
    batch_size: images per step over all devices.
    num_devices: D.

  Returns:
    `(state, images, labels, permutation, shard)` → `(state, sums)`, with the whole data set's
    images uint8 `[N, H·W·3]`, its labels and the epoch's permutation, int32 `[N]`. An image is a
    row: `[N, H, W, 3]` a TPU keeps side by side, and would lay out all of it anew to pick some.
  """
  steps_per_epoch = resident.steps_per_epoch(num_examples, batch_size)
  size = batch_size // num_devices

  def one(state, images, labels, permutation, shard):
    with jax.named_scope("batch"):
      images, labels = resident.batch_at(
        images,
        labels,
        permutation,
        state.step % steps_per_epoch,
        batch_size=batch_size,
        start=shard * size,
        size=size,
      )
      images = images.reshape(size, *image_size, 3)
    return step(state, images, labels, keys.of_step(state.key, state.step), shard)

  return one


class ResidentSteps:
  """Runs `step` over permuted epochs of `data`; a context manager, as `StreamSteps` is one.

  Args:
    step: `(state, images, labels, key, shard)` → `(state, sums)`.
    data: training set; copied to every device.
    batch_size: images per step over all devices.
    key: the run's key, the same as the state's.
    per_dispatch: steps per dispatch where as many are asked for; None chooses by the platform.
    longest: the most steps that `run` is ever asked for at once; None = no limit.

  Attributes:
    steps_per_epoch: whole batches of the data set.
    input_wait: None; the devices never wait for images.
  """

  input_wait: float | None = None

  def __init__(
    self,
    step: Callable[..., tuple[TrainState, Sums]],
    data: ArrayData,
    batch_size: int,
    key: jax.Array,
    per_dispatch: int | None = None,
    longest: int | None = None,
  ):
    parallel.check_batch_size(batch_size, jax.device_count())
    self.steps_per_epoch = resident.steps_per_epoch(len(data.images), batch_size)
    if per_dispatch is None:
      per_dispatch = 1 if jax.default_backend() == "cpu" else STEPS_PER_DISPATCH
    self._per_dispatch = per_dispatch if longest is None else min(per_dispatch, longest)
    self._data, self._batch_size = data, batch_size
    rows = data.images.reshape(len(data.images), -1)
    self._images, self._labels = parallel.replicate((rows, data.labels))
    key = jax.random.wrap_key_data(parallel.to_host(jax.random.key_data(key)))
    self._permutation_of = jax.jit(
      functools.partial(resident.epoch_permutation, key, num_examples=len(data.images))
    )
    self._order: tuple[int, jax.Array] | None = None  # an epoch and its permutation

    one = resident_step(step, len(data.images), data.image_size, batch_size, jax.device_count())

    def many(state, images, labels, permutation, shard):
      state, sums = jax.lax.scan(
        lambda state, _: one(state, images, labels, permutation, shard),
        state,
        length=self._per_dispatch,
      )
      return state, jax.tree.map(lambda x: x.sum(0), sums)

    self._one = parallel.ParallelStep(one, num_inputs=3)
    self._many = parallel.ParallelStep(many, num_inputs=3)

  def __enter__(self) -> "ResidentSteps":
    return self

  def __exit__(self, *_: object) -> None:
    """There is nothing to end."""

  def compile(self, state: TrainState) -> None:
    """Compiles what `run` runs, so that no call of it takes longer than the others.

    Args:
      state: like those of the run; nothing happens to it.
    """
    arguments = state, self._images, self._labels, self._order_of(0)  # any epoch's has that shape
    programs = [self._one, self._many] if self._per_dispatch > 1 else [self._one]
    # side by side: one program keeps hardly more than one core busy
    with concurrent.futures.ThreadPoolExecutor(len(programs)) as pool:
      list(pool.map(lambda program: program.compile(*arguments), programs))

  def run(self, state: TrainState, done: int, target: int) -> tuple[TrainState, int, Sums]:
    """Dispatches some of the steps between `done` and `target`, without waiting for them.

    Args:
      state: after `done` steps; donated.
      done: steps done.
      target: steps after which the caller wants the state; at least one more, within the epoch or
        at its end.

    Returns:
      the state, the number of steps done, and the sums over the steps of this dispatch.
    """
    several = 1 < self._per_dispatch <= target - done
    state, sums = (self._many if several else self._one)(
      state, self._images, self._labels, self._order_of(done // self.steps_per_epoch)
    )
    return state, done + (self._per_dispatch if several else 1), sums

  def first_batch(self, epoch: int) -> tuple[jax.Array, jax.Array]:
    """Images and labels of the epoch's first step, as `parallel.split` puts them on the devices."""
    share = self._batch_size // jax.process_count()
    chosen = np.asarray(self._permutation_of(epoch))[jax.process_index() * share :][:share]
    return parallel.split((self._data.images[chosen], self._data.labels[chosen]))

  def _order_of(self, epoch: int) -> jax.Array:
    """The epoch's permutation of the data set, on every device."""
    if self._order is None or self._order[0] != epoch:
      permutation = np.asarray(self._permutation_of(epoch))
      self._order = epoch, parallel.replicate(permutation)
    return self._order[1]
