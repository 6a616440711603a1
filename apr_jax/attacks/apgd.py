"""APGD: projected gradient ascent with momentum that halves its own step size (ℓ∞).

Reference: Croce and Hein, ICML 2020 (https://arxiv.org/abs/2003.01690), Section 3 and Algorithm 1,
with the numbers of the released code. Where this differs:

- An image's attack ends at its first misclassified iterate, and that is what is returned; the
  released code goes on and returns the latest. Which images are broken is the same, and broken ones
  free their place in the batch.
- Random numbers belong to the image, so no result depends on the batch.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.attacks import objectives
from apr_jax.attacks.attack import Attack, Plan
from apr_jax.attacks.network import Given, Network, wide

LOSSES = ("ce", "dlr", "targeted-dlr")
MOMENTUM = 0.75  # share of the gradient step in a step
RISES = 0.75  # the step size is halved where the loss rose in at most this share of the steps


@dataclasses.dataclass(frozen=True)
class APGD(Attack):
  """APGD on one loss, as an attack of `autoattack`.

  Attributes:
    loss: "ce" (cross-entropy), "dlr" or "targeted-dlr".
    name: of the attack in the results; it also selects its random numbers.
    iterations: steps of ascent; there is one gradient more.
    restarts: runs from new random starts, each on what still stands.
    targets: for "targeted-dlr": the classes of rank 2 to targets + 1 of the clean logits, one run
      each; at most K − 1.
    passes: gradients averaged per iteration, for networks that draw random numbers.

  Examples:
    >>> APGD("ce", "short", iterations=10).restarts  # autoattack(..., attacks=(this,))
    1
  """

  loss: str
  name: str
  iterations: int = 100
  restarts: int = 1
  targets: int = 9
  passes: int = 1

  def __post_init__(self) -> None:
    assert self.loss in LOSSES, f"the loss of APGD is one of {', '.join(LOSSES)}, not {self.loss}"

  @property
  def targeted(self) -> bool:
    return self.loss == "targeted-dlr"

  def cost(self, num_classes: int) -> float:
    """Of one run and image, in passes forward."""
    return 3.0 * (self.iterations + 1) * self.passes

  def plan(self, network: Network, given: Given, epsilon: float, restart: int) -> Plan:
    """One run on one batch."""
    radius, loss = np.float32(epsilon), np.int32(LOSSES.index(self.loss))
    calls = [
      (
        radius,
        loss,
        np.int32(iteration),
        np.float32(1 if iteration <= 1 else MOMENTUM),
        np.int32(window),
      )
      for iteration, window in enumerate([0, *_windows(self.iterations)])
    ]
    return Plan(network.compiled(ascend, passes=self.passes), start(given, radius), calls)


class State(NamedTuple):
  """What changes of each image, `[B, ...]`.

  Attributes:
    current, previous: the iterate, and the one before it.
    gradient: of the loss at the iterate.
    best, best_gradient, best_loss: the iterate with the largest loss so far.
    best_before: the largest loss at the last checkpoint.
    last_loss: of the iterate before, 0 at first.
    rises: steps since the last checkpoint in which the loss rose.
    halved: the step size was halved at the last checkpoint.
    step_size: in units of [0, 1].
    done, found, flat: see `network.pursue`.
  """

  current: jax.Array
  previous: jax.Array
  gradient: jax.Array
  best: jax.Array
  best_gradient: jax.Array
  best_loss: jax.Array
  best_before: jax.Array
  last_loss: jax.Array
  rises: jax.Array
  halved: jax.Array
  step_size: jax.Array
  done: jax.Array
  found: jax.Array
  flat: jax.Array


def ascend(
  network: Network,
  state: State,
  given: Given,
  epsilon: jax.Array,
  loss: jax.Array,
  iteration: jax.Array,
  momentum: jax.Array,
  window: jax.Array,
  *,
  passes: int,
) -> State:
  """One iteration: a step, the gradient where it leads, and at a checkpoint the step size.

  Args:
    network: the attacked function.
    state, given: one row per image.
    epsilon: the largest change of a value.
    loss: index into `LOSSES`.
    iteration: 0 only looks at the random start; steps are 1, 2, ...
    momentum: share of the gradient step.
    window: at a checkpoint, the number of steps since the last one; else 0.
    passes: gradients averaged.
  """
  moves = iteration > 0
  uphill = _project(
    state.current + wide(state.step_size) * jnp.sign(state.gradient), given.images, epsilon
  )
  moved = _project(
    state.current
    + momentum * (uphill - state.current)
    + (1 - momentum) * (state.current - state.previous),
    given.images,
    epsilon,
  )
  current = jnp.where(moves, moved, state.current)
  value, wrong, gradient = _evaluate(network, current, given, loss, iteration, passes)

  better = value > state.best_loss
  best = jnp.where(wide(better), current, state.best)
  best_gradient = jnp.where(wide(better), gradient, state.best_gradient)
  best_loss = jnp.where(better, value, state.best_loss)

  # As in the released code, the loss of the start is not recorded: the first step rises where its
  # loss is above 0.
  rises = state.rises + (moves & (value > state.last_loss))
  checkpoint = window > 0
  halve = checkpoint & halves(rises, window, state.halved, best_loss, state.best_before)
  first = wrong & ~state.done
  return State(
    # The previous iterate stays, although the iterate goes back to the best: so does the released
    # code.
    current=jnp.where(wide(halve), best, current),
    previous=jnp.where(moves, state.current, state.previous),
    gradient=jnp.where(wide(halve), best_gradient, gradient),
    best=best,
    best_gradient=best_gradient,
    best_loss=best_loss,
    best_before=jnp.where(checkpoint | ~moves, best_loss, state.best_before),
    last_loss=jnp.where(moves, value, state.last_loss),
    rises=jnp.where(checkpoint, 0, rises),
    halved=jnp.where(checkpoint, halve, state.halved),
    step_size=jnp.where(halve, state.step_size / 2, state.step_size),
    done=state.done | wrong,
    found=jnp.where(wide(first), current, state.found),
    flat=jnp.where(moves, state.flat, (gradient == 0).all((1, 2, 3))),
  )


def halves(
  rises: jax.Array,
  window: jax.Array,
  halved: jax.Array,
  best_loss: jax.Array,
  best_before: jax.Array,
) -> jax.Array:
  """Whether a checkpoint halves the step size; bool `[B]`.

  It does where the loss rose in at most 0.75 of the window's steps, and where the checkpoint before
  did not and the best loss has not grown since.

  Args:
    rises: int `[B]`, steps of the window in which the loss rose.
    window: number of steps since the last checkpoint.
    halved: bool `[B]`, the checkpoint before halved the step size; True before the first.
    best_loss, best_before: float `[B]`, the best loss now and at the checkpoint before.
  """
  return (rises <= RISES * window) | (~halved & (best_loss <= best_before))


def checkpoints(iterations: int) -> list[int]:
  """The numbers of steps after which the step size is judged; 22, 41, 57, 70, 80, 87, 93, 99 of
  100.

  The first window is 0.22 of the iterations; each following one is shorter by 0.03, and at least
  0.06.
  """
  first, shorter, least = (max(int(share * iterations), 1) for share in (0.22, 0.03, 0.06))
  steps: list[int] = []
  window = first
  while sum(steps) + window <= iterations:
    steps.append(window)
    window = max(window - shorter, least)
  return np.cumsum(steps).tolist()


def _windows(iterations: int) -> list[int]:
  """Of each step: the number of steps since the last checkpoint, where it is one; else 0."""
  windows, ends = [0] * iterations, checkpoints(iterations)
  for before, end in zip([0, *ends], ends):
    windows[end - 1] = end - before
  return windows


def start(given: Given, epsilon: np.float32) -> State:
  """A random point of each image's box, before the first gradient."""
  shape, number = given.images.shape, len(given.images)
  return State(
    current=random_start(given, epsilon),
    previous=jnp.zeros(shape),
    gradient=jnp.zeros(shape),
    best=jnp.zeros(shape),
    best_gradient=jnp.zeros(shape),
    best_loss=jnp.full(number, -jnp.inf, jnp.float32),
    best_before=jnp.zeros(number),
    last_loss=jnp.zeros(number),
    rises=jnp.zeros(number, jnp.int32),
    halved=jnp.ones(number, bool),
    step_size=jnp.full(number, 2 * epsilon, jnp.float32),
    done=jnp.zeros(number, bool),
    found=jnp.zeros(shape),
    flat=jnp.zeros(number, bool),
  )


@jax.jit
def random_start(given: Given, radius: jax.Array) -> jax.Array:
  """Each image plus U(−1, 1) per value, scaled so that the largest change is `radius`, and cut to
  [0, 1].
  """

  def draw(key: jax.Array) -> jax.Array:
    noise = jax.random.uniform(key, given.images.shape[1:], minval=-1.0, maxval=1.0)
    return noise / jnp.abs(noise).max()

  return jnp.clip(given.images + radius * jax.vmap(draw)(given.keys), 0, 1)


def _evaluate(
  network: Network,
  images: jax.Array,
  given: Given,
  loss: jax.Array,
  iteration: jax.Array,
  passes: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Loss and whether misclassified, `[B]`, both of the last pass, and the mean gradient over the
  passes.
  """
  # All losses are of the logits: one program, with one pass through the network, serves all of
  # them.
  losses = (
    lambda logits: objectives.cross_entropy(logits, given.labels),
    lambda logits: objectives.dlr(logits, given.labels),
    lambda logits: objectives.targeted_dlr(logits, given.labels, given.targets),
  )

  def of_pass(number: int | jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    logits, pull = jax.vjp(
      lambda images: network.logits(images, given.keys, iteration, number), images
    )

    def with_gradient(function: Callable) -> Callable:
      def compute(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
        values, pull = jax.vjp(function, logits)
        return values, pull(jnp.ones_like(values))[0]

      return compute

    values, cotangent = jax.lax.switch(loss, [with_gradient(one) for one in losses], logits)
    return values, objectives.misclassified(logits, given.labels), pull(cotangent)[0]

  if passes == 1:
    return of_pass(0)

  def add(number: jax.Array, total: tuple) -> tuple[jax.Array, jax.Array, jax.Array]:
    values, wrong, gradient = of_pass(number)
    return values, wrong, total[2] + gradient / passes

  number = len(images)
  start = jnp.zeros(number), jnp.zeros(number, bool), jnp.zeros_like(images)
  return jax.lax.fori_loop(0, passes, add, start)


def _project(images: jax.Array, originals: jax.Array, epsilon: jax.Array) -> jax.Array:
  return jnp.clip(jnp.clip(images, originals - epsilon, originals + epsilon), 0, 1)
