"""PGD from several random starts, as an attack of `autoattack`: a quick look before the ensemble.

Its strength depends on the step size and on the loss of the network's scale. It is the evaluation
of Wong et al. and no substitute for AutoAttack.

Reference: Madry et al., ICLR 2018 (https://arxiv.org/abs/1706.06083); the numbers are those of
locuslab/fast_adversarial (https://arxiv.org/abs/2001.03994): 50 steps of 2/255, 10 starts.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.attacks import objectives
from apr_jax.attacks.attack import Attack, Plan
from apr_jax.attacks.network import Given, Network, wide


@dataclasses.dataclass(frozen=True)
class PGD(Attack):
  """PGD on the cross-entropy.

  Attributes:
    name: of the attack in the results; it also selects its random numbers.
    steps: of ascent; there is one pass more, which looks at the last point.
    step_size: in units of [0, 1].
    restarts: runs from new random starts, each on what still stands.

  Examples:
    >>> PGD(steps=10, step_size=0.01, restarts=1).name  # autoattack(..., attacks=(this,))
    'pgd'
  """

  name: str = "pgd"
  steps: int = 50
  step_size: float = 2 / 255
  restarts: int = 10

  def cost(self, num_classes: int) -> float:
    """Of one run and image, in passes forward."""
    return 3.0 * (self.steps + 1)

  def plan(self, network: Network, given: Given, epsilon: float, restart: int) -> Plan:
    """One run on one batch."""
    calls = [
      (np.float32(epsilon), np.float32(self.step_size), np.int32(number))
      for number in range(self.steps + 1)
    ]
    return Plan(network.compiled(ascend), start(given, np.float32(epsilon)), calls)


class State(NamedTuple):
  """What changes of each image, `[B, ...]`.

  Attributes:
    current: the iterate.
    done, found, flat: see `network.pursue`.
  """

  current: jax.Array
  done: jax.Array
  found: jax.Array
  flat: jax.Array


@jax.jit
def start(given: Given, epsilon: np.float32) -> State:
  """A uniformly drawn point of the box, cut to [0, 1]."""
  shape = given.images.shape[1:]
  noise = jax.vmap(lambda key: jax.random.uniform(key, shape, minval=-1, maxval=1))(given.keys)
  number = len(given.images)
  return State(
    current=jnp.clip(given.images + epsilon * noise, 0, 1),
    done=jnp.zeros(number, bool),
    found=jnp.zeros_like(given.images),
    flat=jnp.zeros(number, bool),
  )


def ascend(
  network: Network,
  state: State,
  given: Given,
  epsilon: jax.Array,
  step_size: jax.Array,
  number: jax.Array,
) -> State:
  """Looks at the iterate, and goes one step on.

  Args:
    network: the attacked function.
    state, given: one row per image.
    epsilon: the largest change of a value.
    step_size: in units of [0, 1].
    number: of the call.
  """

  def loss(images: jax.Array) -> tuple[jax.Array, jax.Array]:
    logits = network.logits(images, given.keys, number)
    return objectives.cross_entropy(logits, given.labels).sum(), logits

  gradient, logits = jax.grad(loss, has_aux=True)(state.current)
  wrong = objectives.misclassified(logits, given.labels)
  first = wide(wrong & ~state.done)
  moved = state.current + step_size * jnp.sign(gradient)
  moved = jnp.clip(moved, given.images - epsilon, given.images + epsilon)
  flat = (gradient == 0).all((1, 2, 3))
  return State(
    current=jnp.clip(moved, 0, 1),
    done=state.done | wrong,
    found=jnp.where(first, state.current, state.found),
    flat=jnp.where(number == 0, flat, state.flat),
  )
