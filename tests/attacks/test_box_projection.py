"""The projection onto a hyperplane in a box against one in float64 that sorts."""

import jax
import numpy as np
import pytest

from apr_jax.attacks.box_projection import step_to_hyperplane

step = jax.jit(step_to_hyperplane)


def by_sorting(point, normal, excess):
  """The step in float64: the rooms are sorted, and the sum is linear between two of them."""
  point, normal, excess = (np.asarray(value, np.float64) for value in (point, normal, excess))
  direction = -np.sign(normal) * (1 if excess >= 0 else -1)
  room = np.where(direction > 0, 1 - point, np.where(direction < 0, point, 0))
  order = np.argsort(room)
  rooms, weights = room[order], np.abs(normal)[order]
  needed, sums, before, total = abs(excess), 0.0, 0.0, weights.sum()
  for next_room, weight in zip(rooms, weights):
    grown = sums + total * (next_room - before)
    if grown >= needed and total > 0:
      return direction * np.minimum(room, before + (needed - sums) / total)
    sums, before, total = grown, next_room, total - weight
  return direction * room


def cases():
  random = np.random.default_rng(0)
  for size in (1, 2, 12, 3072):
    for spread in (0, 1, 3):
      points = random.uniform(0, 1, (16, size))
      points = np.where(random.random(points.shape) < 0.3, np.rint(points), points)
      normals = random.normal(size=(16, size)) * 10 ** (spread * random.normal(size=(16, size)))
      yield points.astype(np.float32), normals.astype(np.float32), random


@pytest.mark.parametrize("points, normals, random", list(cases()))
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 1.5])
def test_equals_sorting(points, normals, random, share):
  # a share of the way that all the room together allows; more than 1 is out of reach
  sign = random.choice([-1, 1], len(points))
  direction = -np.sign(normals) * sign[:, None]
  room = np.where(direction > 0, 1 - points, points)
  excess = (sign * share * (np.abs(normals) * room).sum(-1)).astype(np.float32)

  found = np.asarray(step(points, normals, excess))

  expected = np.stack([by_sorting(*row) for row in zip(points, normals, excess)])
  np.testing.assert_allclose(found, expected, atol=1e-6)
  assert ((points + found >= 0) & (points + found <= 1)).all()


def test_out_of_reach_is_the_corner():
  found = step(np.array([[0.25, 0.5]]), np.array([[1.0, -2.0]]), np.array([100.0]))
  np.testing.assert_array_equal(found, [[-0.25, 0.5]])


def test_without_a_normal_nothing_moves():
  for excess in (0.0, 1.0, -1.0):
    found = step(np.full((1, 4), 0.5), np.zeros((1, 4)), np.array([excess]))
    np.testing.assert_array_equal(found, np.zeros((1, 4)))


def test_a_row_does_not_depend_on_the_others():
  points, normals, random = list(cases())[-1]  # rows that need different numbers of steps
  excess = random.normal(size=16).astype(np.float32) * np.abs(normals).sum(-1)
  together = step(points, normals, excess)
  for row in range(0, 16, 5):
    alone = step(*(np.repeat(value[row : row + 1], 16, 0) for value in (points, normals, excess)))
    np.testing.assert_array_equal(alone[0], together[row])
