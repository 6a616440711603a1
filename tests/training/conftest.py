"""Short runs on the digits with a network that compiles in a moment."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn

from apr_jax import models, parallel
from apr_jax.training import step as step_module
from tests.training.tiny import TinyNetwork


@pytest.fixture(scope="module")
def tiny_network() -> Iterator[type[nn.Module]]:
  """`model.name = "tiny"` names it."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(models.NETWORKS, "tiny", TinyNetwork)
    yield TinyNetwork


@pytest.fixture(scope="module")
def digits(tiny_network, compiled_programs) -> Callable[..., Any]:
  """Makes the configuration of a run of four steps per epoch; keywords with __ for dots override
  it.
  """
  from configs import digits_base

  def make(**overrides):
    config = digits_base.get_config()
    config.update_from_flattened_dict(
      {
        "epochs": 2,
        "batch_size": 32,
        "log_every_steps": 2,
        "eval_every_epochs": 1,
        "data.limit": 128,
        "model.name": "tiny",
        "optimizer.learning_rate": 0.05,
        "schedule.name": "constant",
        "schedule.warmup_epochs": 0.0,
      }
    )
    config.update_from_flattened_dict(
      {key.replace("__", "."): value for key, value in overrides.items()}
    )
    return config

  return make


@pytest.fixture
def signal_in(monkeypatch):
  """Sends this process a signal in the third call of a method."""

  def arrange(owner, method, number):
    original = getattr(owner, method)
    calls = []

    def interrupted(self, *arguments):
      calls.append(arguments)
      if len(calls) == 3:
        os.kill(os.getpid(), number)
      return original(self, *arguments)

    monkeypatch.setattr(owner, method, interrupted)

  return arrange


@pytest.fixture(scope="session")
def on_devices() -> Callable[..., Callable]:
  """Maps a training step over the first `devices` devices: (state, images, labels, key) of the
  global batch.
  """

  def mapped(devices: int, **parts):
    def share(state, images, labels, key, shard):
      size = len(images) // devices

      def cut(x):
        return jax.lax.dynamic_slice_in_dim(x, shard * size, size)

      return step_module.train_step(state, cut(images), cut(labels), key, shard, **parts)

    chosen = jax.devices()[:devices]
    step = jax.pmap(
      share,
      axis_name=parallel.AXIS,
      in_axes=(None, None, None, None, 0),
      out_axes=None,
      devices=chosen,
    )

    def run(*arguments):
      # where the step's own results are, so that the second step is the first one's program
      return step(*parallel.replicate(arguments, chosen), np.arange(devices, dtype=np.int32))

    return run

  return mapped
