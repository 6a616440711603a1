"""Where the first convolution lies: every network of the zoo, and networks of one's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from apr_jax import models
from apr_jax.models import first_convolution
from apr_jax.models.layers import BatchNorm

SIZE = (8, 8)

# {network: the batch normalisation that reads the first convolution, the kernel's shape}
NETWORKS = {
  "allconv": ("bn1", (3, 3, 3, 96)),
  "densenet_40_12": ("stage1_block1/bn1", (3, 3, 3, 24)),
  "densenet_bc_100_12": ("stage1_block1/bn1", (3, 3, 3, 24)),
  "preact_resnet18": ("stage1_block1/bn1", (3, 3, 3, 64)),
  "resnet18_cifar": ("bn1", (3, 3, 3, 64)),
  "resnet50": ("bn1", (7, 7, 3, 64)),
  "resnet50_max_blur": ("bn1", (7, 7, 3, 64)),
  "resnext29_32x4": ("bn1", (3, 3, 3, 64)),
  "wide_resnet_10_1": ("stage1_block1/bn1", (3, 3, 3, 16)),
  "wide_resnet_28_10": ("stage1_block1/bn1", (3, 3, 3, 16)),
  "wide_resnet_40_2": ("stage1_block1/bn1", (3, 3, 3, 16)),
}


def variables_of(model, size):
  """Other numbers in every variable."""
  shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, *size, 3)))
  random = np.random.default_rng(0)
  return jax.tree.map(lambda x: random.uniform(0.5, 2, x.shape).astype(np.float32), shapes)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_the_zoo(name):
  norm, shape = NETWORKS[name]
  size = (64, 64) if name.startswith("resnet50") else (32, 32)
  model = models.make(name, 5, mean=(0, 0, 0), std=(1, 1, 1))
  found = first_convolution.find(model, size)
  assert found.convolution == ("network", "conv1") and found.epsilon == 1e-5
  assert found.normalisation == ("network", *norm.split("/"))
  variables = variables_of(model, size)
  kernel, gain = found.kernel(variables), found.gain(variables)
  assert kernel.shape == shape and kernel.dtype == gain.dtype == np.float32
  np.testing.assert_array_equal(kernel, variables["params"]["network"]["conv1"]["kernel"])
  scale, variance = variables["params"]["network"], variables["batch_stats"]["network"]
  for part in norm.split("/"):
    scale, variance = scale[part], variance[part]
  np.testing.assert_allclose(gain, scale["scale"] ** 2 / (variance["var"] + 1e-5), rtol=1e-6)


def test_every_network_of_the_zoo_is_looked_at():
  assert NETWORKS.keys() == models.NETWORKS.keys()


def test_below_a_contrastive_network():
  model = models.make("wide_resnet_10_1", 5, mean=(0, 0, 0), std=(1, 1, 1), contrastive=True)
  found = first_convolution.find(model, (32, 32))
  assert found.convolution == ("network", "network", "conv1")
  assert found.kernel(variables_of(model, (32, 32))).shape == (3, 3, 3, 16)


class Own(nn.Module):
  """A convolution of some kind, and what a test puts behind it."""

  kernel: tuple[int, ...] = (3, 3)
  behind: str = "norm"

  @nn.compact
  def __call__(self, images):
    if self.behind == "nothing at all":
      return images.mean((1, 2))
    x = nn.Conv(4, self.kernel, name="own")(images)
    if self.behind == "activation":
      x = nn.relu(x)
    if self.behind == "norm of flax":
      return nn.BatchNorm(use_running_average=True, epsilon=1e-3, name="behind")(x)
    return BatchNorm(name="behind")(x, False)


def test_the_gain_is_that_of_inference():
  model = Own()
  variables = variables_of(model, SIZE)
  found = first_convolution.find(model, SIZE)
  images = np.random.default_rng(1).standard_normal((2, *SIZE, 3)).astype(np.float32)
  after = np.asarray(model.apply(variables, images), np.float64)
  kernel, bias = variables["params"]["own"]["kernel"], variables["params"]["own"]["bias"]
  before = np.asarray(
    jax.lax.conv_general_dilated(
      images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    + bias,
    np.float64,
  )
  ratio = after.var((0, 1, 2)) / before.var((0, 1, 2))
  np.testing.assert_allclose(found.gain(variables), ratio, rtol=1e-3)


def test_the_normalisation_of_flax():
  found = first_convolution.find(Own(behind="norm of flax"), SIZE)
  assert (found.normalisation, found.epsilon) == (("behind",), 1e-3)


def test_a_normalisation_that_reads_something_else_is_not_the_filters():
  model = Own(behind="activation")
  found = first_convolution.find(model, SIZE)
  assert found.convolution == ("own",) and found.normalisation is None
  assert found.gain(variables_of(model, SIZE)) is None


@pytest.mark.parametrize("model", [Own(kernel=(3, 5)), Own(behind="nothing at all")])
def test_networks_without_square_filters(model):
  assert first_convolution.find(model, SIZE) is None
