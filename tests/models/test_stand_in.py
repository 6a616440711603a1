"""A first layer in place of the first convolution of any network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from apr_jax import models
from apr_jax.errors import UserError
from apr_jax.models import FirstLayer, contrastive, initializers
from apr_jax.models.first_layer import PLAIN
from apr_jax.models.layers import BatchNorm, conv, head, mark_last_map

MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.3)
MODULATED = FirstLayer(kind="modulation", sigma=0.5)
IMAGES = jnp.asarray(np.random.default_rng(0).uniform(0, 1, (3, 8, 8, 3)), jnp.float32)


class Small(nn.Module):
  """Two convolutions, batch norm and the common head."""

  num_classes: int
  stride: int = 1
  use_bias: bool = False

  @nn.compact
  def __call__(self, images, train):
    x = conv(
      9,
      3,
      self.stride,
      name="conv1",
      dtype=jnp.float32,
      use_bias=self.use_bias,
      kernel_init=initializers.torch_uniform,
      bias_init=nn.initializers.normal(0.1),
    )(images)
    x = nn.relu(BatchNorm(name="bn")(x, train))
    x = conv(4, 3, name="conv2", dtype=jnp.float32)(x)
    return head(mark_last_map(self, x), self.num_classes)


def small(layer=PLAIN, **keywords):
  return models.NormalisedNetwork(Small(5, **keywords), MEAN, STD, "highest", first_layer=layer)


def init(model):
  return jax.jit(model.init)(jax.random.key(3), IMAGES)


FILTERS = {"allconv": 96, "densenet_40_12": 24, "densenet_bc_100_12": 24} | dict.fromkeys(
  ("wide_resnet_10_1", "wide_resnet_28_10", "wide_resnet_40_2"), 16
)  # of the others 64


def shapes(name, layer):
  """Of the variables of a network of the zoo, which are traced and not computed."""
  model = models.make(name, 7, mean=MEAN, std=STD, first_layer=layer)
  images = jnp.zeros((2, 32, 32, 3))
  logits, variables = jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), images))
  assert (logits.shape, logits.dtype) == ((2, 7), jnp.float32)
  return variables


@pytest.mark.parametrize("name", models.NETWORKS)
def test_every_network_takes_it(name):
  variables = shapes(name, FirstLayer(kind="modulation", kernel_size=5))
  stem, filters = variables["params"]["network"]["conv1"], FILTERS.get(name, 64)
  assert stem["coefficients"].shape == (5, 5, 3, filters)
  assert stem["gain_logits"].shape == (filters, 3)


@pytest.mark.parametrize("size", [0, 7])
def test_the_rest_of_the_network_stays_as_it_is(size):
  name = "wide_resnet_10_1"
  modulated = shapes(name, FirstLayer(kind="modulation", kernel_size=size))
  plain = shapes(name, FirstLayer(kernel_size=size))
  assert jax.eval_shape(MODULATED.fold, modulated) == plain
  kernel = plain["params"]["network"]["conv1"]["kernel"]
  assert kernel.shape == ((3, 3, 3, 16) if size == 0 else (7, 7, 3, 16))
  own = shapes(name, PLAIN)
  own["params"]["network"]["conv1"]["kernel"] = kernel
  assert own == plain


@pytest.mark.parametrize(
  "modulation, keywords",
  [
    ("per_filter", {"stride": 2, "use_bias": True}),
    ("shared", {}),
    ("per_coefficient", {}),
    ("none", {}),
  ],
)
def test_with_gains_of_one_it_is_the_plain_network_from_the_same_seed(modulation, keywords):
  plain = small(**keywords)
  modulated = small(FirstLayer(kind="modulation", modulation=modulation), **keywords)
  start, variables = init(plain), init(modulated)
  folded = modulated.first_layer.fold(variables)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), folded, dict(start))
  logits = plain.apply(start, IMAGES)
  np.testing.assert_allclose(modulated.apply(variables, IMAGES), logits, atol=1e-5)
  assert np.abs(logits).max() > 0.1
  # In training too, as there is no perturbation.
  outputs, _ = modulated.apply(variables, IMAGES, train=True, mutable=["batch_stats"])
  expected, _ = plain.apply(start, IMAGES, train=True, mutable=["batch_stats"])
  np.testing.assert_allclose(outputs.logits, expected.logits, atol=1e-5)


@pytest.mark.parametrize(
  "layer",
  [
    FirstLayer(kind="modulation", kernel_size=7),
    FirstLayer(kind="modulation", modulation="per_coefficient"),
    FirstLayer(kind="proportion"),
    FirstLayer(kind="proportion", kernel_size=5, proportion=(0.5, 0.5, 0)),
    FirstLayer(kind="proportion", soft=True),
  ],
)
def test_the_folded_network_has_its_logits(layer):
  model = small(layer, stride=2, use_bias=True)
  random = np.random.default_rng(1)
  variables = jax.tree.map(lambda x: x + random.normal(0, 0.3, x.shape), init(model))
  folded = small(layer.folded(), stride=2, use_bias=True)
  logits = model.apply(variables, IMAGES)
  np.testing.assert_allclose(folded.apply(layer.fold(variables), IMAGES), logits, atol=1e-6)
  assert np.abs(logits).max() > 0.1


def test_a_larger_kernel_is_padded_by_half_and_keeps_the_stride():
  model = small(FirstLayer(kernel_size=7), stride=2)
  variables = init(model)
  seen = model.apply(
    variables, IMAGES, capture_intermediates=lambda module, _: module.name == "bn"
  )[1]["intermediates"]["network"]["bn"]["__call__"][0]
  images = np.pad((np.asarray(IMAGES, np.float64) - MEAN) / STD, ((0, 0), (3, 3), (3, 3), (0, 0)))
  windows = np.lib.stride_tricks.sliding_window_view(images, (7, 7), (1, 2))[:, ::2, ::2]
  kernel = variables["params"]["network"]["conv1"]["kernel"]
  expected = np.einsum("bhwcyx,yxco->bhwo", windows, kernel) / np.sqrt(1 + 1e-5)
  np.testing.assert_allclose(seen, expected, atol=1e-5)


def test_gains_are_perturbed_in_training_by_the_key_and_not_in_evaluation():
  model, calm = small(MODULATED), small(FirstLayer(kind="modulation"))
  variables = init(model)

  def train(model, number):
    rngs = {"first_layer": jax.random.key(number)}
    return model.apply(variables, IMAGES, train=True, mutable=["batch_stats"], rngs=rngs)[0].logits

  np.testing.assert_array_equal(train(model, 0), train(model, 0))
  assert np.abs(train(model, 0) - train(model, 1)).max() > 1e-3
  assert np.abs(train(model, 0) - train(calm, 0)).max() > 1e-3
  np.testing.assert_array_equal(model.apply(variables, IMAGES), calm.apply(variables, IMAGES))


def test_the_gradient_of_the_loss_reaches_the_gains_through_the_perturbation():
  model = small(MODULATED)
  variables = init(model)

  def score(params):
    outputs, _ = model.apply(
      {**variables, "params": params},
      IMAGES,
      train=True,
      mutable=["batch_stats"],
      rngs={"first_layer": jax.random.key(0)},
    )
    return jnp.square(outputs.logits).sum()

  gradient = jax.jit(jax.grad(score))(variables["params"])["network"]["conv1"]
  assert np.isfinite(gradient["gain_logits"]).all()
  assert (np.abs(gradient["gain_logits"]) > 1e-7).all() and np.any(gradient["coefficients"])


def test_a_contrastive_network_takes_it():
  model = models.NormalisedNetwork(
    contrastive.Contrastive(Small(0), 5), MEAN, STD, first_layer=MODULATED
  )
  variables = init(model)
  assert "gain_logits" in variables["params"]["network"]["network"]["conv1"]
  plain = contrastive.as_plain(MODULATED.fold(variables))
  np.testing.assert_allclose(small().apply(plain, IMAGES), model.apply(variables, IMAGES), 1e-4)


class Flat(nn.Module):
  """No convolution."""

  @nn.compact
  def __call__(self, images, train):
    del train
    return nn.Dense(5)(images.reshape(len(images), -1))


class Wide(nn.Module):
  """A convolution that is not square, or has groups."""

  groups: int

  @nn.compact
  def __call__(self, images, train):
    del train
    size = (3, 5) if self.groups == 1 else (3, 3)
    return nn.Conv(6, size, feature_group_count=self.groups)(images).mean((1, 2))


@pytest.mark.parametrize(
  "network, words",
  [
    (Flat(), "needs a network that begins with a convolution"),
    (Wide(1), r"the size \(3, 5\) in 1 groups"),
    (Wide(3), r"the size \(3, 3\) in 3 groups"),
  ],
)
def test_a_network_that_it_cannot_stand_in_for_is_one_line(network, words):
  model = models.NormalisedNetwork(network, MEAN, STD, first_layer=MODULATED)
  with pytest.raises(UserError, match=words) as error:
    jax.eval_shape(lambda: init(model))
  assert str(error.value).startswith("model.first_layer") and "\n" not in str(error.value)
