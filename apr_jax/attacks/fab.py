"""FAB: looks for the nearest misclassified point, along linearised boundaries of the classes (ℓ∞).

The bound epsilon decides only which points count. Reference: Croce and Hein, ICML 2020
(https://arxiv.org/abs/1907.02044), with the numbers of the released code. Where this differs:

- An image's attack ends at the first misclassified point within epsilon; the released code goes on
  to shrink it. Which images are broken is the same.
- The projection onto a hyperplane needs no sort; see `box_projection`.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.attacks import objectives
from apr_jax.attacks.apgd import random_start
from apr_jax.attacks.attack import Attack, Plan
from apr_jax.attacks.box_projection import step_to_hyperplane
from apr_jax.attacks.network import Given, Network, wide

MOST_BIAS = 0.1  # towards the original image (α)
OVERSHOOT = 1.05  # of a step across the boundary (η)
BACK = 0.9  # share of the way kept after a success (β)
NO_STEP = 1e-8  # steps count as at least this long
# Gradients of classes computed side by side; more of them one group after the other.
CLASSES_AT_ONCE = 10


@dataclasses.dataclass(frozen=True)
class FAB(Attack):
  """FAB as an attack of `autoattack`.

  Attributes:
    targeted: go for one class per run; else for the nearest boundary, at the cost of K gradients
      per iteration.
    name: of the attack in the results; it also selects its random numbers.
    iterations: each a gradient and a pass forward.
    restarts: runs on what still stands. The first starts at the image, so with one restart FAB is
      deterministic.
    targets: the classes of rank 2 to targets + 1 of the clean logits, one run each; at most K − 1.

  Examples:
    >>> FAB(targeted=False, name="fab").targets  # autoattack(..., attacks=(this,))
    9
  """

  targeted: bool = True
  name: str = "fab-t"
  iterations: int = 100
  restarts: int = 1
  targets: int = 9

  def cost(self, num_classes: int) -> float:
    """Of one run and image, in passes forward."""
    return self.iterations * (4.0 if self.targeted else 2.0 + 2.0 * num_classes)

  def plan(self, network: Network, given: Given, epsilon: float, restart: int) -> Plan:
    """One run on one batch."""
    radius = np.float32(epsilon)
    return Plan(
      network.compiled(approach, targeted=self.targeted),
      start(given, epsilon / 2 if restart else 0.0),
      [(radius, np.int32(iteration)) for iteration in range(self.iterations)],
    )


class State(NamedTuple):
  """What changes of each image, `[B, ...]`.

  Attributes:
    current: the point.
    done, found, flat: see `network.pursue`.
  """

  current: jax.Array
  done: jax.Array
  found: jax.Array
  flat: jax.Array


def approach(
  network: Network,
  state: State,
  given: Given,
  epsilon: jax.Array,
  iteration: jax.Array,
  *,
  targeted: bool,
) -> State:
  """One iteration: a step onto the linearised boundary, biased towards the image, and back after a
  success.

  Args:
    network: the attacked function.
    state, given: one row per image.
    epsilon: the largest change of a value that counts.
    iteration: 0, 1, ...
    targeted: towards `given.targets`, else towards the nearest boundary.
  """
  images, current = given.images, state.current
  shape, number = images.shape, len(images)

  def logits_of(images: jax.Array) -> jax.Array:
    return network.logits(images, given.keys, iteration)

  boundary = _boundary_of_targets if targeted else _nearest_boundary
  difference, normal = boundary(logits_of, current, given)

  # Both steps at once: of the point, and of the image, onto the same hyperplane.
  points, original, normals = (values.reshape(number, -1) for values in (current, images, normal))
  excess = difference, difference + (normals * (original - points)).sum(-1)
  steps = step_to_hyperplane(
    jnp.concatenate([points, original]),
    jnp.concatenate([normals, normals]),
    jnp.concatenate(excess),
  )
  of_point, of_image = steps[:number], steps[number:]
  length, length_of_image = (
    jnp.maximum(jnp.abs(step).max(-1, keepdims=True), NO_STEP) for step in (of_point, of_image)
  )
  bias = jnp.minimum(length / (length + length_of_image), MOST_BIAS)
  moved = (points + OVERSHOOT * of_point) * (1 - bias) + (original + OVERSHOOT * of_image) * bias
  moved = jnp.clip(moved, 0, 1).reshape(shape)

  wrong = objectives.misclassified(logits_of(moved), given.labels)
  within = jnp.abs(moved - images).max((1, 2, 3)) <= epsilon
  first = wrong & within & ~state.done
  return State(
    current=jnp.where(wide(wrong), images + BACK * (moved - images), moved),
    done=state.done | first,
    found=jnp.where(wide(first), moved, state.found),
    flat=jnp.where(iteration > 0, state.flat, (normal == 0).all((1, 2, 3))),
  )


def _boundary_of_targets(
  logits_of: Callable[[jax.Array], jax.Array], points: jax.Array, given: Given
) -> tuple[jax.Array, jax.Array]:
  """z_t − z_y, `[B]`, and its gradient, for the targets t."""
  logits, pull = jax.vjp(logits_of, points)
  target, label = (jax.nn.one_hot(c, logits.shape[-1]) for c in (given.targets, given.labels))
  difference = objectives.of_class(logits, given.targets) - objectives.of_class(
    logits, given.labels
  )
  return difference, pull(target - label)[0]


def _nearest_boundary(
  logits_of: Callable[[jax.Array], jax.Array], points: jax.Array, given: Given
) -> tuple[jax.Array, jax.Array]:
  """z_k − z_y, `[B]`, and its gradient, for the class k whose linearised boundary is nearest to
  each point.
  """
  logits, pull = jax.vjp(logits_of, points)
  number, classes = logits.shape
  label = jax.nn.one_hot(given.labels, classes)
  differences = logits - objectives.of_class(logits, given.labels)[:, None]

  def gradient_of(k: jax.Array) -> jax.Array:
    return pull(jax.nn.one_hot(jnp.full(number, k), classes) - label)[0]

  # [K, B, ...]
  gradients = jax.lax.map(gradient_of, jnp.arange(classes), batch_size=CLASSES_AT_ONCE)
  norms = jnp.abs(gradients).sum((2, 3, 4)).T
  distances = jnp.abs(differences) / (norms + objectives.TINY)
  nearest = jnp.where(label > 0, jnp.inf, distances).argmin(-1)
  normal = jnp.take_along_axis(gradients, nearest[None, :, None, None, None], axis=0)[0]
  return objectives.of_class(differences, nearest), normal


def start(given: Given, radius: float) -> State:
  """The image itself, or a random point around it if the radius is not 0."""
  shape, number = given.images.shape, len(given.images)
  return State(
    # a copy: the state's memory is reused, the image's is not
    current=random_start(given, np.float32(radius)) if radius else jnp.copy(given.images),
    done=jnp.zeros(number, bool),
    found=jnp.zeros(shape),
    flat=jnp.zeros(number, bool),
  )
