"""Grad-CAM on a planted network, against NumPy, and on every family of networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from apr_jax import models
from apr_jax.classifiers.grad_cam import enlarge, grad_cam
from apr_jax.errors import UserError
from apr_jax.models import wide_resnet
from apr_jax.models.contrastive import Contrastive
from apr_jax.models.layers import head, mark_last_map

# One network of each family: those of a family differ in depth and width alone.
FAMILIES = {
  "allconv": 8,
  "densenet_40_12": 8,
  "preact_resnet18": 4,
  "resnet18_cifar": 4,
  "resnet50": 1,
  "resnext29_32x4": 8,
  "wide_resnet_10_1": 8,
}
QUICKLY = {"xla_backend_optimization_level": 0}  # these programs run once
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


class Colors(nn.Module):
  """The image itself, at a quarter of its size, is the last feature map."""

  num_classes: int

  @nn.compact
  def __call__(self, images, train):
    del train
    return head(mark_last_map(self, nn.avg_pool(images, (4, 4), (4, 4))), self.num_classes)


def planted(wrap=lambda network: network):
  """A classifier whose first class is red, whose second is green but not red, and whose third is
  nothing.
  """
  model = models.NormalisedNetwork(wrap(Colors), (0.0,) * 3, (1.0,) * 3)
  kernel = np.array([[1, -1, 0], [0, 1, 0], [0, 0, 0]], np.float32)
  return model, {"fc": {"kernel": kernel, "bias": np.zeros(3, np.float32)}}


@pytest.fixture(scope="module")
def painted():
  """A picture whose upper left quarter is red, whose lower right one is green, and the rest of it
  is blue.
  """
  image = np.zeros((16, 16, 3), np.uint8)
  image[..., 2] = 200
  image[:8, :8], image[8:, 8:] = (204, 0, 0), (0, 51, 0)
  return image


RED, GREEN = np.zeros((2, 4, 4), np.float32)
RED[:2, :2], GREEN[2:, 2:] = 1, 1


def test_a_planted_network_is_highlighted_where_it_looks_and_nowhere_else(painted):
  model, params = planted(lambda colors: colors(3))
  faint = (painted // 4 * [1, 1, 0]).astype(np.uint8)
  images = np.stack([painted, painted, painted, faint, 0 * painted])
  seen = jax.jit(lambda *x: grad_cam(model.apply, {"params": {"network": params}}, *x))
  maps = seen(images, np.array([0, 1, 2, 0, 0]))
  assert maps.shape == (5, 4, 4) and maps.dtype == jnp.float32
  # Faint or not, the largest value is 1; what has no evidence anywhere stays zero, without a NaN.
  np.testing.assert_allclose(maps, [RED, GREEN, 0 * RED, RED, 0 * RED], atol=1e-6)


def test_a_contrastive_network_is_seen_through_its_probe(painted):
  model, params = planted(lambda colors: Contrastive(colors(0), 3, dimensions=2))

  def seen(images, classes):
    start = model.init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    variables = {"params": {"network": {**start["params"]["network"], **params}}}
    return grad_cam(model.apply, variables, images, classes)

  maps = jax.jit(seen, compiler_options=QUICKLY)(painted[None].repeat(2, 0), np.array([1, 0]))
  np.testing.assert_allclose(maps, [GREEN, RED], atol=1e-6)


def test_wide_resnet_against_numpy():
  model = models.make("wide_resnet_10_1", 7, mean=MEAN, std=STD)
  random = np.random.default_rng(0)
  images, classes = random.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8), np.array([3, 0, 6, 3])
  inputs = jnp.asarray(images, jnp.float32) / 255
  start = jax.jit(lambda: model.init(jax.random.key(0), inputs), compiler_options=QUICKLY)()
  variables = jax.tree.map(
    lambda x: np.asarray(x + random.uniform(0, 0.3, x.shape), np.float32), start
  )
  # Flax's own record of what the last batch norm returns, with ReLU after it.
  record = jax.jit(
    lambda v: model.apply(v, inputs, capture_intermediates=lambda module, _: module.name == "bn"),
    compiler_options=QUICKLY,
  )
  _, state = record(variables)
  activation = np.maximum(
    np.asarray(state["intermediates"]["network"]["bn"]["__call__"][0], np.float64), 0
  )
  # Behind it are the mean over 4×4 places and a linear layer: its weights are the gradient, 16
  # times over.
  weights = variables["params"]["network"]["fc"]["kernel"][:, classes].astype(np.float64) / 16
  expected = np.maximum(np.einsum("nhwk,kn->nhw", activation, weights), 0)
  expected /= expected.max((1, 2), keepdims=True)
  maps = jax.jit(lambda *x: grad_cam(model.apply, *x), compiler_options=QUICKLY)(
    variables, images, classes
  )
  np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5)
  assert expected.std() > 0.1


@pytest.mark.parametrize("name, side", FAMILIES.items())
def test_every_family_has_a_map_and_no_variable_more(name, side):
  model = models.make(name, 5, mean=MEAN, std=STD)
  images = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.uint8)
  variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros(images.shape)))
  assert variables.keys() == {"params", "batch_stats"}
  classes = jax.ShapeDtypeStruct((2,), jnp.int32)
  maps = jax.eval_shape(lambda *x: grad_cam(model.apply, *x), variables, images, classes)
  assert (maps.shape, maps.dtype) == ((2, side, side), jnp.float32)


def test_the_program_of_training_is_the_one_without_the_mark(monkeypatch):
  model = models.make("wide_resnet_10_1", 5, mean=MEAN, std=STD)
  images = jnp.zeros((2, 8, 8, 3))
  variables = jax.eval_shape(lambda: model.init(jax.random.key(0), images))

  def train(variables):
    return model.apply(variables, images, train=True, mutable=["batch_stats"])

  def program():
    return str(jax.make_jaxpr(lambda v: train(v))(variables))

  marked = program()
  monkeypatch.setattr(wide_resnet, "mark_last_map", lambda module, x: x)
  assert program() == marked


def test_allconvs_map_lies_over_the_image():
  # Its padded map has a margin; a change in the image moves the map most at the same place.
  model = models.make("allconv", 5, mean=MEAN, std=STD)
  images = np.full((3, 32, 32, 3), 0.5, np.float32)
  images[1, 8:12, 8:12], images[2, 20:24, 12:16] = 1, 1

  def run():
    variables = model.init(jax.random.key(0), images)
    return model.apply(variables, images, mutable=["intermediates"])[1]

  plain, first, second = np.asarray(
    jax.jit(run, compiler_options=QUICKLY)()["intermediates"]["network"]["last_map"], np.float64
  )
  for changed, row, column in ((first, 2, 2), (second, 5, 3)):
    moved = np.square(changed - plain).sum(-1)
    centre = [(moved * places).sum() / moved.sum() for places in np.mgrid[:8, :8]]
    assert np.abs(np.array(centre) - (row, column)).max() < 0.5


def test_enlarging_is_bilinear():
  maps = jnp.array([[[0.0, 1.0]]])
  # Two cells over four pixels: their centres are half a pixel inside the pairs.
  np.testing.assert_allclose(enlarge(maps, (2, 4)), [[[0, 0.25, 0.75, 1]] * 2], atol=1e-6)
  assert enlarge(jnp.ones((3, 8, 8)), (32, 20)).shape == (3, 32, 20)


def test_a_network_without_a_marked_map_is_refused_in_one_line():
  class Bare(nn.Module):
    @nn.compact
    def __call__(self, images, train):
      return nn.Dense(3)(images.mean((1, 2)))

  model = models.NormalisedNetwork(Bare(), MEAN, STD)
  variables = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
  with pytest.raises(
    UserError, match="pass it through apr_jax.models.layers.mark_last_map before"
  ) as error:
    grad_cam(model.apply, variables, np.zeros((1, 8, 8, 3), np.uint8), np.array([0]))
  assert "\n" not in str(error.value)
