"""Square: random search with square windows, without gradients (ℓ∞).

Reference: Andriushchenko et al., ECCV 2020 (https://arxiv.org/abs/1912.00049), as AutoAttack runs
it: margin loss, and a schedule that does not depend on the number of queries. Where this differs:

- Windows and signs are drawn for each image; the released code draws them once per query for the
  whole batch. The search is as strong, and no image's fate depends on its batch.
- An image whose largest logits are equal is searched on while it still counts as its label; the
  released code ends there.
"""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.attacks import objectives
from apr_jax.attacks.attack import Attack, Plan
from apr_jax.attacks.network import Given, Network, wide

# The window's share of the image is halved after each of these queries.
HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
QUERIES_AT_ONCE = 50
START = 2**31 - 1  # the number of the start's random numbers, which no query has


@dataclasses.dataclass(frozen=True)
class Square(Attack):
  """Square as an attack of `autoattack`.

  Attributes:
    name: of the attack in the results; it also selects its random numbers.
    queries: passes forward after the one of the start.
    first_share: of the image, in the first windows.
    restarts: runs on what still stands.

  Examples:
    >>> Square(queries=100).name  # autoattack(..., attacks=(this,))
    'square'
  """

  name: str = "square"
  queries: int = 5000
  first_share: float = 0.8
  restarts: int = 1
  # a call is many queries
  read_every: ClassVar[int] = 1

  @property
  def gradient_free(self) -> bool:
    return True

  def cost(self, num_classes: int) -> float:
    """Of one run and image, in passes forward."""
    return self.queries + 1.0

  def plan(self, network: Network, given: Given, epsilon: float, restart: int) -> Plan:
    """One run on one batch."""
    radius = np.float32(epsilon)
    height, width = given.images.shape[1:3]
    sides = window_sides(self.queries, (height, width), self.first_share)
    calls = []
    for first in range(0, self.queries, QUERIES_AT_ONCE):
      some = sides[first : first + QUERIES_AT_ONCE]
      number = np.int32(len(some))
      some = np.resize(some, QUERIES_AT_ONCE).astype(np.int32)
      calls.append((radius, np.int32(first), number, some))
    state = network.compiled(look)(network.spread(start(given, radius)), given)
    return Plan(network.compiled(search), state, calls)


class State(NamedTuple):
  """What changes of each image, `[B, ...]`.

  Attributes:
    found: the image with the smallest margin so far.
    margin: its margin.
    done, flat: see `network.pursue`.
  """

  found: jax.Array
  margin: jax.Array
  done: jax.Array
  flat: jax.Array


def look(network: Network, state: State, given: Given) -> State:
  """The margin of the start."""
  logits = network.logits(state.found, given.keys, START)
  return state._replace(
    margin=objectives.margin(logits, given.labels),
    done=objectives.misclassified(logits, given.labels),
  )


def search(
  network: Network,
  state: State,
  given: Given,
  epsilon: jax.Array,
  first: jax.Array,
  number: jax.Array,
  sides: jax.Array,
) -> State:
  """Some queries, one after the other on the device: forward passes are as fast in a loop.

  Args:
    network: the attacked function.
    state, given: one row per image.
    epsilon: the largest change of a value.
    first: number of the first query.
    number: of queries, at most `len(sides)`.
    sides: int `[Q]`, of their windows, in pixels.
  """

  def query(place: jax.Array, state: State) -> State:
    keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(given.keys, first + place)
    change = jax.vmap(window, in_axes=(0, None, None))(keys, given.images.shape[1:], sides[place])
    candidate = state.found + 2 * epsilon * change
    candidate = jnp.clip(candidate, given.images - epsilon, given.images + epsilon)
    candidate = jnp.clip(candidate, 0, 1)
    logits = network.logits(candidate, given.keys, first + place)
    margin = objectives.margin(logits, given.labels)
    accepted = ((margin < state.margin) | (margin <= 0)) & ~state.done
    return state._replace(
      found=jnp.where(wide(accepted), candidate, state.found),
      margin=jnp.where(accepted, margin, state.margin),
      done=state.done | objectives.misclassified(logits, given.labels),
    )

  return jax.lax.fori_loop(0, number, query, state)


def window(key: jax.Array, shape: tuple[int, ...], side: jax.Array) -> jax.Array:
  """A random square: in each channel 1 or −1 inside, 0 outside; float32 `[H, W, C]`.

  Args:
    key: PRNG key.
    shape: (H, W, C).
    side: of the square, at most min(H, W). As in the released code its last place is never drawn.
  """
  height, width, channels = shape
  draws = jax.random.uniform(key, (2 + channels,))
  top, left = ((draws[axis] * (shape[axis] - side)).astype(jnp.int32) for axis in (0, 1))
  rows, columns = jnp.arange(height), jnp.arange(width)
  inside = ((rows >= top) & (rows < top + side))[:, None] & (
    (columns >= left) & (columns < left + side)
  )
  return jnp.where(inside[..., None], jnp.where(draws[2:] < 0.5, -1.0, 1.0), 0.0)


def window_sides(queries: int, size: tuple[int, int], first_share: float = 0.8) -> np.ndarray:
  """The side of the window of each query, int `[queries]`, in pixels.

  The window's share of the image is halved after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000
  queries, however many there are.

  Args:
    queries: their number.
    size: (H, W) of the images. The side is at most the shorter of them.
    first_share: of the image, in the first windows.
  """
  halvings = (np.arange(queries)[:, None] > np.array(HALVED_AFTER)).sum(-1)
  sides = np.rint(np.sqrt(first_share / 2.0**halvings * size[0] * size[1]))
  return np.clip(sides, 1, min(size)).astype(int)


def start(given: Given, epsilon: np.float32) -> State:
  """Vertical stripes, before their margin is known."""
  number = len(given.images)
  return State(
    found=_stripes(given, epsilon),
    margin=jnp.zeros(number),
    done=jnp.zeros(number, bool),
    flat=jnp.zeros(number, bool),
  )


@jax.jit
def _stripes(given: Given, epsilon: jax.Array) -> jax.Array:
  """One sign per image, channel and column."""
  shape = 1, *given.images.shape[2:]

  def signs(key: jax.Array) -> jax.Array:
    return jax.random.rademacher(jax.random.fold_in(key, START), shape, jnp.float32)

  return jnp.clip(given.images + epsilon * jax.vmap(signs)(given.keys), 0, 1)
