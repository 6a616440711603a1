"""The attacked function, with what is compiled of it, and a batch of its images.

Every program is compiled once for each of a few batch sizes. What stands is packed into the
smallest that holds it; the rows left over repeat the first image and are cut off.
"""

import copy
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

SMALLEST_BATCH = 8


class Given(NamedTuple):
  """What an attack does not change, one row per image.

  Attributes:
    images: float32 `[B, H, W, C]` in [0, 1].
    labels: int32 `[B]`.
    targets: int32 `[B]`, the class a targeted attack aims at; any number where it has none.
    keys: PRNG keys `[B]`, of the image's place, the attack, the target and the restart.
  """

  images: jax.Array
  labels: jax.Array
  targets: jax.Array
  keys: jax.Array


class Outcome(NamedTuple):
  """What an attack found, as NumPy arrays, one row per image of the batch without its padding.

  Attributes:
    images: float32 `[n, H, W, C]`, the first image that was misclassified; meaningless where none
      was.
    found: bool `[n]`.
    flat: bool `[n]`, the gradient at the start was 0 everywhere.
  """

  images: np.ndarray
  found: np.ndarray
  flat: np.ndarray


class Network:
  """A differentiable function of images, and the programs compiled of it.

  Args:
    logits_fn: float32 `[B, H, W, C]` in [0, 1] → logits `[B, K]`; if `randomised`, it also takes
      PRNG keys `[B]`, one per image. The arrays of a `jax.tree_util.Partial` are arguments of the
      programs.
    batch_size: images per call at most.
    randomised: it draws random numbers.
    devices: the batch is spread over them; None: JAX's default device.
  """

  def __init__(
    self,
    logits_fn: Callable[..., jax.Array],
    batch_size: int,
    randomised: bool = False,
    devices: Sequence[jax.Device] | None = None,
  ):
    # The arrays of a `Partial` are arguments of the programs, and no constants in each of them.
    given_as_tree = isinstance(logits_fn, jax.tree_util.Partial)
    self._function = logits_fn if given_as_tree else jax.tree_util.Partial(logits_fn)
    self.randomised = randomised
    self._programs: dict[Any, Callable] = {}
    self._sharding = None
    if devices is not None:
      mesh = jax.sharding.Mesh(np.array(list(devices)), ("images",))
      self._sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("images"))
      everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
      self._function = jax.device_put(self._function, everywhere)
    self.batch_sizes = batch_sizes(batch_size, len(devices or (None,)))

  def logits(self, images: jax.Array, keys: jax.Array, *numbers: int | jax.Array) -> jax.Array:
    """float32 `[B, K]`, with products of full precision: in bfloat16, ties and zero gradients make
    a network look robust.

    Args:
      images: float32 `[B, H, W, C]` in [0, 1].
      keys: PRNG keys `[B]`.
      *numbers: of this call, folded into the keys.
    """
    if self.randomised:
      for number in numbers:
        keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, number)
    with jax.default_matmul_precision("highest"):
      logits = self._function(images, keys) if self.randomised else self._function(images)
    return logits.astype(jnp.float32)

  def compiled(self, step: Callable, **static: Any) -> Callable:
    """`step(network, state, given, ...)` as a compiled function of (state, given, ...), which
    reuses the state's memory.

    Args:
      step: a function of a module, so that it is compiled once.
      **static: passed on; a program per value.
    """
    name = step, tuple(sorted(static.items()))
    if name not in self._programs:

      def call(function: Callable, state: Any, *arguments: Any) -> Any:
        return step(self._of(function), state, *arguments, **static)

      program = jax.jit(call, donate_argnums=1, out_shardings=self._sharding)
      self._programs[name] = functools.partial(program, self._function)
    return self._programs[name]

  def compiled_logits(self) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """`logits` as a compiled function of images and keys."""

    def call(function: Callable, images: jax.Array, keys: jax.Array) -> jax.Array:
      return self._of(function).logits(images, keys)

    return functools.partial(jax.jit(call), self._function)

  def _of(self, function: Callable) -> "Network":
    """The same network with its function as it is traced."""
    traced = copy.copy(self)
    traced._function = function
    return traced

  def size_for(self, count: int) -> int:
    """The smallest batch size that holds `count` images; the largest if none does."""
    return next((size for size in reversed(self.batch_sizes) if size >= count), self.batch_sizes[0])

  def place(self, rows: Any, size: int | None = None) -> Any:
    """Arrays `[n, ...]` on the device, with their first row repeated up to `size` rows; None: the
    smallest batch size.
    """
    count = len(jax.tree.leaves(rows)[0])
    order = _filled(np.arange(count), size or self.size_for(count))
    return self.spread(jax.tree.map(lambda leaf: leaf[order], rows))

  def take(self, rows: Any, order: np.ndarray) -> Any:
    """Some rows of arrays on the device, packed into a smaller batch."""
    return self.spread(_take(rows, _filled(order, self.size_for(len(order)))))

  def spread(self, rows: Any) -> Any:
    """Arrays with as many rows as a batch, each device with its part of them."""
    if self._sharding is None:
      return jax.tree.map(jnp.asarray, rows)
    return jax.tree.map(lambda leaf: jax.device_put(leaf, self._sharding), rows)


def batch_sizes(largest: int, devices: int = 1) -> tuple[int, ...]:
  """The sizes of batches, `largest` first, each half of the one before, down to 8; multiples of the
  number of devices.
  """
  sizes = [-(-largest // devices) * devices]
  while (half := -(-sizes[-1] // (2 * devices)) * devices) >= SMALLEST_BATCH and half < sizes[-1]:
    sizes.append(half)
  return tuple(sizes)


def pursue(
  network: Network,
  step: Callable,
  state: Any,
  given: Given,
  calls: Iterable[tuple],
  count: int,
  *,
  read_every: int,
  report: Callable[[int], None],
) -> Outcome:
  """The loop of an attack: calls a compiled step, and packs what still stands into smaller batches.

  The device is asked how far it is only every `read_every` calls, so that it never waits for the
  host.

  Args:
    network: the attacked function.
    step: compiled (state, given, *arguments) → state.
    state: a NamedTuple of arrays with one row per image; `done` says which images are
      misclassified, `found` holds the images that are, `flat` says whose gradient at the start was
      0. A row depends on no other row.
    given: the images.
    calls: the further arguments of each call.
    count: images of the batch without its padding.
    read_every: calls.
    report: called with the number of (calls × rows) since the last time.
  """
  found, flat = np.zeros(count, bool), np.zeros(count, bool)
  images = np.zeros((count, *given.images.shape[1:]), np.float32)
  origin = np.arange(count)  # the row of the state where each image lies is its place in this list
  state, calls = network.spread(state), list(calls)
  for number, arguments in enumerate(calls, 1):
    state = step(state, given, *arguments)
    last = number == len(calls)
    if number % read_every and not last:
      continue
    done = np.asarray(state.done)[: len(origin)]
    flat[origin] = np.asarray(state.flat)[: len(origin)]
    report(((number - 1) % read_every + 1) * len(origin))
    standing = np.flatnonzero(~done)
    if last or not len(standing) or network.size_for(len(standing)) < len(state.done):
      found[origin] = done
      images[origin[done]] = np.asarray(state.found)[: len(origin)][done]
      if last or not len(standing):
        break
      origin = origin[standing]
      state, given = network.take((state, given), standing)
  return Outcome(images, found, flat)


def _filled(order: np.ndarray, size: int) -> np.ndarray:
  return np.concatenate([order, np.full(size - len(order), order[0])])


def wide(values: jax.Array) -> jax.Array:
  """One number per image, for arithmetic with images: `[B]` → `[B, 1, 1, 1]`."""
  return values[:, None, None, None]


@jax.jit
def _take(rows: Any, order: jax.Array) -> Any:
  return jax.tree.map(lambda leaf: leaf[order], rows)
