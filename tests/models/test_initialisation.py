"""What the networks are before training: as the released code initialises them."""

import functools
import logging

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from apr_jax import keys, models
from apr_jax.models import initializers
from apr_jax.models.allconv import AllConv
from apr_jax.models.densenet import DenseNet
from apr_jax.models.preact_resnet import PreActResNet
from apr_jax.models.resnet import ResNet
from apr_jax.models.resnet_imagenet import ImageNetResNet
from apr_jax.models.resnext import ResNeXt
from apr_jax.models.wide_resnet import WideResNet
from apr_jax.run.state import create_state

# Networks of each family, as small as they get; {name: (network, convolutions, last layer, has it a
# bias)}.
FAMILIES = {
  "allconv": (AllConv(10), "he", "torch", False),
  "densenet": (DenseNet(10, depth=10, growth=24, bottleneck=True), "he", "torch", False),
  "preact_resnet": (PreActResNet(10, stage_sizes=(1, 1)), "torch", "torch", True),
  "resnet": (ResNet(10, stage_sizes=(1, 1)), "torch", "torch", True),
  "resnet_imagenet": (ImageNetResNet(10, stage_sizes=(1, 1)), "he", "torch", True),
  "resnext": (ResNeXt(10, depth=11, cardinality=4, base_width=32), "he", "kaiming", False),
  "wide_resnet": (WideResNet(10, depth=10, widen=2), "he", "torch", False),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
  network, convolutions, last, last_bias = FAMILIES[request.param]
  # Compiled without optimisation, which takes longer than the program runs.
  init = jax.jit(
    lambda key: network.init(key, jnp.zeros((1, 32, 32, 3)), False),
    compiler_options={"xla_backend_optimization_level": 0},
  )
  variables = init(jax.random.key(0))
  leaves = {
    jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables)
  }
  return leaves, convolutions, last, last_bias


def assert_uniform(values, bound):
  assert values.std() == pytest.approx(bound / 3**0.5, rel=0.1)
  assert 0.95 * bound < np.abs(values).max() <= bound * (1 + 1e-6)


def assert_normal(values, std):
  assert values.std() == pytest.approx(std, rel=0.1)
  assert np.abs(values).max() > 2.4 * std  # neither uniform nor cut off at two standard deviations


def test_convolutions(family):
  leaves, convolutions, _, _ = family
  kernels = {
    path: leaf for path, leaf in leaves.items() if path.endswith("kernel") and leaf.ndim == 4
  }
  assert len(kernels) >= 5
  for kernel in kernels.values():
    height, width, inputs, outputs = kernel.shape
    if convolutions == "he":
      assert_normal(kernel, np.sqrt(2 / (height * width * outputs)))
    else:
      assert_uniform(kernel, 1 / np.sqrt(height * width * inputs))


def test_last_layer(family):
  leaves, _, last, last_bias = family
  kernel, bias = leaves["params/fc/kernel"], leaves["params/fc/bias"]
  if last == "kaiming":
    assert_normal(kernel, np.sqrt(2 / len(kernel)))
  else:
    assert_uniform(kernel, 1 / np.sqrt(len(kernel)))
  assert np.any(bias) == last_bias
  assert np.abs(bias).max() <= 1 / np.sqrt(len(kernel))


def test_everything_else_is_ones_and_zeros(family):
  leaves, _, _, _ = family
  rest = {
    path: leaf
    for path, leaf in leaves.items()
    if leaf.ndim == 1 and not path.startswith("params/fc")
  }
  assert {path.split("/")[-1] for path in rest} == {"scale", "bias", "mean", "var"}
  for path, leaf in rest.items():
    np.testing.assert_array_equal(leaf, float(path.endswith(("scale", "var"))), err_msg=path)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_what_is_drawn_as_one_row_is_what_jax_draws(mode, distribution):
  key = jax.random.key(3)
  for shape in ((3, 3, 5, 7), (6, 2)):
    expected = jax.nn.initializers.variance_scaling(1.7, mode, distribution)(key, shape)
    found = initializers.scaled(1.7, mode, distribution)(key, shape)
    np.testing.assert_array_equal(found, expected)


def test_a_state_starts_alike_whether_it_is_compiled_or_not():
  model = models.make("wide_resnet_10_1", 10, mean=(0.5,) * 3, std=(0.25,) * 3)
  create = functools.partial(create_state, 7, model, (16, 16), optax.sgd(0.1, momentum=0.9))
  compiled = jax.jit(create, compiler_options={"xla_backend_optimization_level": 0})()
  jax.tree.map(np.testing.assert_array_equal, create(), compiled)
  # and as Flax starts the network
  key = keys.stream(jax.random.key(7), "parameters")
  of_flax = jax.jit(model.init)(key, np.zeros((1, 16, 16, 3), np.float32))
  jax.tree.map(np.testing.assert_array_equal, of_flax, compiled.variables)


def test_few_programs_start_a_state(caplog):
  model = models.make("wide_resnet_10_1", 10, mean=(0.5,) * 3, std=(0.25,) * 3)
  jax.clear_caches()
  with jax.log_compiles(), caplog.at_level(logging.WARNING):
    create_state(7, model, (16, 16), optax.sgd(0.1, momentum=0.9))
  compiled = [record.args[0] for record in caplog.records if record.msg.startswith("Compiling")]
  # One by one, the 39 arrays and what the network computes of an image would be more than 100.
  assert 0 < len(compiled) < 60
  assert sum("_drawn" in name for name in compiled) == 2  # normal and uniform
