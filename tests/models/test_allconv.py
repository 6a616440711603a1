"""Dropout in training only, and images of one size."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.errors import UserError
from apr_jax.models.allconv import AllConv

# These programs run once or twice: compiling them without optimisation takes half the time.
QUICKLY = {"xla_backend_optimization_level": 0}


@pytest.fixture(scope="module")
def images():
  return jnp.asarray(np.random.default_rng(0).normal(size=(2, 32, 32, 3)), jnp.float32)


@pytest.fixture(scope="module")
def variables(images):
  return jax.jit(
    lambda: AllConv(10).init(jax.random.key(0), images, False), compiler_options=QUICKLY
  )()


@pytest.fixture(scope="module")
def trained(images, variables):
  """(key, probability) → logits in training."""

  def apply(variables, images, key, dropout):
    return AllConv(10, dropout=dropout).apply(
      variables, images, True, mutable=["batch_stats"], rngs={"dropout": jax.random.key(key)}
    )[0]

  # The weights are no constants of the program: those take long to compile.
  return functools.partial(
    jax.jit(apply, static_argnums=3, compiler_options=QUICKLY), variables, images
  )


def test_dropout_is_drawn_from_the_key_in_training(trained):
  np.testing.assert_array_equal(trained(1, 0.5), trained(1, 0.5))
  assert np.abs(trained(1, 0.5) - trained(2, 0.5)).max() > 0.05


def test_without_dropout_the_key_changes_nothing(trained):
  np.testing.assert_array_equal(trained(1, 0.0), trained(2, 0.0))


def test_evaluation_needs_no_key(images, variables):
  logits = AllConv(10).apply(variables, images, False)
  np.testing.assert_array_equal(logits, AllConv(10, dropout=0.0).apply(variables, images, False))


@pytest.mark.parametrize("size", [(64, 64), (32, 28), (8, 8)])
def test_another_image_size_is_refused(variables, size):
  with pytest.raises(UserError) as error:
    AllConv(10).apply(variables, jnp.zeros((1, *size, 3)), False)
  assert f"32×32 pixels, got {size[0]}×{size[1]}" in str(error.value)
