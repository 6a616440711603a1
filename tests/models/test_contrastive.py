"""The projection and the linear probe around a network; networks without their last layer."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from apr_jax import models
from apr_jax.models import contrastive
from apr_jax.models.layers import BatchNorm, conv, head, mark_last_map

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
FEATURES = {
  "allconv": 192,
  "densenet_40_12": 456,
  "densenet_bc_100_12": 342,
  "preact_resnet18": 512,
  "resnet18_cifar": 512,
  "resnet50": 2048,
  "resnet50_max_blur": 2048,
  "resnext29_32x4": 1024,
  "wide_resnet_10_1": 64,
  "wide_resnet_28_10": 640,
  "wide_resnet_40_2": 128,
}


class Small(nn.Module):
  """A convolution, batch norm and the common head."""

  num_classes: int
  dtype: Any = jnp.float32
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images, train):
    norm = BatchNorm(axis_name=self.axis_name, name="bn")
    x = nn.relu(norm(conv(64, 3, name="conv1", dtype=self.dtype)(images), train))
    return head(mark_last_map(self, x), self.num_classes)


def make(name, num_classes=7, **keywords):
  return models.make(name, num_classes, mean=MEAN, std=STD, **keywords)


def small(num_classes=7):
  return models.NormalisedNetwork(Small(num_classes), MEAN, STD)


@pytest.fixture(scope="module")
def trained():
  """A contrastive network with parameters that are not at their start, and images."""
  model, random = (
    models.NormalisedNetwork(contrastive.Contrastive(Small(0), 7), MEAN, STD),
    np.random.default_rng(0),
  )
  images = jnp.asarray(random.uniform(0, 1, (6, 8, 8, 3)), jnp.float32)
  variables = jax.jit(lambda: model.init(jax.random.key(0), images))()

  def noisy(x):
    return x + random.uniform(0, 0.1, x.shape).astype(np.float32)

  return model, jax.tree.map(noisy, variables), images


@pytest.mark.parametrize("name", FEATURES)
def test_without_classes_every_network_gives_its_pooled_features(name):
  whole, bare = make(name), make(name, 0)

  def init(model):
    return jax.eval_shape(
      lambda: model.init_with_output(jax.random.key(0), jnp.zeros((2, 32, 32, 3)))
    )

  features, variables = init(bare)
  assert (features.shape, features.dtype) == ((2, FEATURES[name]), jnp.float32)
  _, expected = init(whole)
  fc = expected["params"]["network"].pop("fc")
  assert fc["kernel"].shape == (FEATURES[name], 7)
  assert variables == expected  # the rest is the same


def test_a_contrastive_network_is_named_as_its_inner_one():
  model = make("wide_resnet_10_1", contrastive=True)
  assert isinstance(model.network, contrastive.Contrastive) and model.network.num_classes == 7
  assert model.network.network == make("wide_resnet_10_1", 0).network


def test_logits_are_the_last_layer_of_the_features():
  model, images = (
    small(),
    jnp.asarray(np.random.default_rng(1).uniform(0, 1, (3, 8, 8, 3)), jnp.float32),
  )
  variables = jax.jit(lambda: model.init(jax.random.key(0), images))()
  features = small(0).apply(variables, images)  # the last layer's parameters are not asked for
  fc = variables["params"]["network"]["fc"]
  expected = model.apply(variables, images)
  np.testing.assert_allclose(features @ fc["kernel"] + fc["bias"], expected, rtol=1e-5, atol=1e-6)


def test_training_returns_logits_and_the_projection_in_float64_numpy(trained):
  model, variables, images = trained
  outputs, _ = model.apply(variables, images, train=True, mutable=["batch_stats"])
  inner = {name: {"network": tree["network"]["network"]} for name, tree in variables.items()}
  features = small(0).apply(inner, images, train=True, mutable=["batch_stats"])[0].logits
  params = jax.tree.map(lambda x: np.asarray(x, np.float64), variables["params"]["network"])

  def layer(name, x):
    return x @ params[name]["kernel"] + params[name]["bias"]

  features = np.asarray(features, np.float64)
  projection = layer("projection2", np.maximum(layer("projection1", features), 0))
  projection /= np.linalg.norm(projection, axis=1, keepdims=True)
  np.testing.assert_allclose(outputs.logits, layer("fc", features), rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(outputs.projection, projection, rtol=1e-4, atol=1e-5)
  assert (outputs.logits.shape, outputs.projection.shape) == ((6, 7), (6, 128))
  assert params["projection1"]["kernel"].shape == (64, 64)


def test_a_plain_network_has_no_projection_in_training():
  model, images = small(), jnp.zeros((2, 8, 8, 3))
  outputs, _ = jax.eval_shape(
    lambda: model.apply(
      model.init(jax.random.key(0), images), images, train=True, mutable=["batch_stats"]
    )
  )
  assert isinstance(outputs, models.Outputs) and outputs.projection is None
  assert outputs.logits.shape == (2, 7)


def test_in_inference_it_is_the_plain_classifier(trained):
  model, variables, images = trained
  logits = model.apply(variables, images)
  assert logits.shape == (6, 7)
  plain = contrastive.as_plain(variables)
  np.testing.assert_array_equal(small().apply(plain, images), logits)
  shapes = jax.eval_shape(lambda: small().init(jax.random.key(0), images))
  assert jax.tree.map(jnp.shape, plain) == jax.tree.map(jnp.shape, shapes)
  assert contrastive.as_plain(plain) is plain


def test_the_probe_leaves_the_network_alone_in_training_and_inference_has_its_gradient(trained):
  model, variables, images = trained

  @functools.partial(jax.jit, static_argnums=0)
  def gradient(of):
    def score(params):
      trained = {**variables, "params": params}
      if of == "inference":
        return model.apply(trained, images)[:, 0].sum()
      outputs, _ = model.apply(trained, images, train=True, mutable=["batch_stats"])
      return getattr(outputs, of)[:, 0].sum()

    return jax.grad(score)(variables["params"])["network"]

  def reached(of):
    return {
      name: any(np.any(leaf) for leaf in jax.tree.leaves(tree))
      for name, tree in gradient(of).items()
    }

  probe = {"network": False, "fc": True, "projection1": False, "projection2": False}
  projection = {"network": True, "fc": False, "projection1": True, "projection2": True}
  assert reached("logits") == probe
  assert reached("projection") == projection
  assert reached("inference") == probe | {"network": True}


def test_a_projection_of_nothing_has_a_finite_gradient(trained):
  model, variables, images = trained
  zeros = jax.tree.map(jnp.zeros_like, variables)

  def score(params):
    outputs, _ = model.apply(
      {**zeros, "params": params}, images, train=True, mutable=["batch_stats"]
    )
    return outputs.logits.sum() + outputs.projection.sum()

  assert all(
    np.isfinite(x).all() for x in jax.tree.leaves(jax.jit(jax.grad(score))(zeros["params"]))
  )
