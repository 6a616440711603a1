"""The nearest point of a hyperplane within the box [0, 1]ⁿ, in the largest-value norm (ℓ∞)."""

import jax
import jax.numpy as jnp

# The root is reached after 13 steps in 3,072 dimensions, whatever the weights; this only guards
# against a rounding that creeps.
MOST_STEPS = 64


def step_to_hyperplane(points: jax.Array, normals: jax.Array, excess: jax.Array) -> jax.Array:
  """The smallest step from each point p onto w·v = b that stays inside [0, 1]ⁿ.

  Every value moves in the one direction that brings w·v towards b, as far as min(its room, λ),
  where its room is the distance to 0 or 1 in that direction. λ is the smallest number for which Σ
  |w_i|·min(room_i, λ) = |w·p − b|. Where all the room together is too little, all of it is taken: a
  corner of the box.

  The sum is a concave, increasing, piecewise linear function of λ. Newton's method from λ = 0
  therefore rises to the exact root in a few steps, and needs no sort (which XLA does slowly on
  CPU).

  Args:
    points: float `[B, D]` in [0, 1], the points p.
    normals: float `[B, D]`, the normals w; a value that is 0 does not move.
    excess: float `[B]`, w·p − b. The caller often knows it more precisely than as a difference of
      two sums.

  Returns:
    float `[B, D]`, the steps; 0 where w is 0.

  Reference: Croce and Hein, ICML 2020 (https://arxiv.org/abs/1907.02044), Section 2; there by
  sorting the rooms.
  """
  direction = -jnp.sign(normals) * jnp.where(excess >= 0, 1.0, -1.0)[:, None]
  room = jnp.where(direction > 0, 1 - points, jnp.where(direction < 0, points, 0.0))
  weight, needed = jnp.abs(normals), jnp.abs(excess)

  def newton(state: tuple) -> tuple:
    length, _, number = state
    free = room > length[:, None]
    rest = needed - jnp.where(free, 0.0, weight * room).sum(-1)
    slope = jnp.where(free, weight, 0.0).sum(-1)
    # no value is free: all the room is taken, and 1 is at least every room
    longer = jnp.where(slope > 0, rest / jnp.where(slope > 0, slope, 1.0), 1.0)
    # It only rises: a row that has arrived stays, however long the others of the batch take.
    return jnp.maximum(length, longer), (longer > length).any(), number + 1

  start = jnp.zeros_like(needed), jnp.array(True), 0
  length, *_ = jax.lax.while_loop(lambda s: s[1] & (s[2] < MOST_STEPS), newton, start)
  return direction * jnp.minimum(room, length[:, None])
