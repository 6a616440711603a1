"""Packing what stands into smaller batches, with an attack that does nothing but count."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.attacks.network import Given, Network, batch_sizes, pursue


class State(NamedTuple):
  found: jax.Array
  done: jax.Array
  flat: jax.Array


def count(network, state, given, number):
  """Image i is done at call i, and looks then like the call."""
  now = given.labels == number
  return State(
    jnp.where(now[:, None, None, None], number, state.found).astype(jnp.float32),
    state.done | now,
    given.labels % 2 == 0,
  )


def run(number, calls, batch_size, devices=None):
  network, seen, reported = Network(lambda images: images, batch_size, devices=devices), [], []
  step = network.compiled(count)

  def watched(state, given, *arguments):
    seen.append(len(state.done))
    return step(state, given, *arguments)

  given = network.place(
    Given(
      np.zeros((number, 1, 1, 1), np.float32),
      np.arange(number, dtype=np.int32),
      np.zeros(number, np.int32),
      np.zeros((number, 2), np.uint32),
    )
  )
  size = len(given.images)
  state = State(jnp.zeros((size, 1, 1, 1)), jnp.zeros(size, bool), jnp.zeros(size, bool))
  outcome = pursue(
    network,
    watched,
    state,
    given,
    [(np.int32(call),) for call in range(calls)],
    number,
    read_every=5,
    report=reported.append,
  )
  return outcome, seen, sum(reported)


def test_batch_sizes_are_halved_down_to_8():
  assert batch_sizes(250) == (250, 125, 63, 32, 16, 8)
  assert batch_sizes(100) == (100, 50, 25, 13)
  assert batch_sizes(16) == (16, 8)
  assert batch_sizes(5) == (5,)
  assert batch_sizes(1) == (1,)
  assert batch_sizes(100, devices=4) == (100, 52, 28, 16, 8)


@pytest.mark.parametrize("devices", [None, 2])
def test_images_leave_and_keep_what_they_found(devices):
  outcome, seen, reported = run(30, 25, 32, devices and jax.devices()[:devices])
  np.testing.assert_array_equal(outcome.found, np.arange(30) < 25)
  np.testing.assert_array_equal(outcome.images[:25].ravel(), np.arange(25))
  np.testing.assert_array_equal(outcome.flat, np.arange(30) % 2 == 0)
  # 16 and then 8 rows hold what stands from the 15th and from the 25th call on
  assert seen == [32] * 15 + [16] * 10
  assert reported == 5 * (30 + 30 + 30 + 15 + 15)


def test_it_ends_when_nothing_stands():
  outcome, seen, _ = run(8, 100, 32)
  assert outcome.found.all()
  assert len(seen) == 10
