"""Networks by name: their size, their input, their precision."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import models
from apr_jax.errors import UserError
from apr_jax.models import torch_names

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
# Of the PyTorch originals.
PARAMETERS = {
  ("allconv", 10): 1_409_674,
  ("densenet_40_12", 10): 1_059_298,
  ("densenet_bc_100_12", 10): 769_162,
  ("preact_resnet18", 10): 11_172_170,
  ("resnet18_cifar", 10): 11_173_962,
  ("resnet50", 1000): 25_557_032,
  ("resnet50_max_blur", 1000): 25_557_032,
  ("resnext29_32x4", 10): 6_807_882,
  ("wide_resnet_10_1", 10): 77_850,
  ("wide_resnet_28_10", 10): 36_479_194,
  ("wide_resnet_40_2", 10): 2_243_546,
  ("wide_resnet_40_2", 100): 2_255_156,
}


def make(name, num_classes=10, **keywords):
  return models.make(name, num_classes, **{"mean": MEAN, "std": STD} | keywords)


@pytest.fixture(scope="module")
def init():
  """Initialises the smallest network from a seed; compiled once."""
  return jax.jit(
    lambda seed: make("wide_resnet_10_1").init(jax.random.key(seed), jnp.zeros((1, 8, 8, 3)))
  )


@pytest.fixture(scope="module")
def small(init):
  """Variables of the smallest network, with statistics that are not all ones and zeros; and float
  images.
  """
  random = np.random.default_rng(0)
  variables = init(0)

  def noisy(x):
    return x + random.uniform(0, 0.4, x.shape).astype(np.float32)

  images = jnp.asarray(random.uniform(0, 1, (4, 8, 8, 3)), jnp.float32)
  return variables | {"batch_stats": jax.tree.map(noisy, variables["batch_stats"])}, images


def test_every_network_with_an_original_is_counted():
  assert {name for name, _ in PARAMETERS} == torch_names.NAMES.keys() & models.NETWORKS.keys()


@pytest.mark.parametrize("name, num_classes", PARAMETERS)
def test_number_of_parameters(name, num_classes):
  model = make(name, num_classes)
  variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))
  assert sum(x.size for x in jax.tree.leaves(variables["params"])) == PARAMETERS[name, num_classes]


@pytest.mark.parametrize(
  "dtype, expected", [(jnp.float32, {"HIGHEST"}), (jnp.bfloat16, {"DEFAULT"})]
)
def test_float32_products_are_not_shortened_on_accelerators_and_others_are_as_jax_has_them(
  dtype, expected
):
  model = make("wide_resnet_10_1", dtype=dtype)
  images = jnp.zeros((1, 8, 8, 3))
  variables = jax.eval_shape(model.init, jax.random.key(0), images)

  def loss(variables):
    return model.apply(variables, images).sum()

  program = jax.jit(jax.grad(loss)).trace(variables).lower(lowering_platforms=("tpu",)).as_text()
  convolutions = [line for line in program.splitlines() if "stablehlo.convolution" in line]
  found = {
    each for line in convolutions for each in re.findall(r"<precision (\w+)>", line) or ["DEFAULT"]
  }
  assert len(convolutions) > 20 and found == expected


@pytest.mark.parametrize("name", models.NETWORKS)
def test_every_network_gives_float32_logits_and_has_float32_parameters(name):
  model = make(name, 7, dtype=jnp.bfloat16)
  images = jnp.zeros((3, 32, 32, 3))
  logits, variables = jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), images))
  assert (logits.shape, logits.dtype) == ((3, 7), jnp.float32)
  assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("name", models.NETWORKS)
def test_every_network_passes_its_axis_to_all_its_batch_norms(name):
  # Where one batch norm lacks the axis, its statistics differ between the halves and are not
  # replicated.
  model = make(name, axis_name="halves")
  images = jnp.zeros((2, 3, 32, 32, 3))
  variables = jax.eval_shape(lambda: model.init(jax.random.key(0), images[0]))

  def statistics(variables, images):
    return model.apply(
      variables, images, train=True, mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)}
    )[1]

  shared = jax.vmap(statistics, in_axes=(None, 0), out_axes=None, axis_name="halves")
  updates = jax.eval_shape(shared, variables, images)
  assert jax.tree.map(jnp.shape, updates["batch_stats"]) == jax.tree.map(
    jnp.shape, variables["batch_stats"]
  )


def test_normalisation_is_inside_the_model(small):
  variables, images = small
  logits = make("wide_resnet_10_1").apply(variables, images)
  plain = make("wide_resnet_10_1", mean=(0, 0, 0), std=(1, 1, 1))
  normalised = (np.asarray(images) - np.array(MEAN)) / np.array(STD)
  np.testing.assert_allclose(
    logits, plain.apply(variables, jnp.asarray(normalised, jnp.float32)), rtol=1e-4, atol=1e-5
  )
  assert np.abs(logits - plain.apply(variables, images)).max() > 0.05


def test_bfloat16_logits_are_near_the_float32_ones(small):
  variables, images = small
  exact = make("wide_resnet_10_1").apply(variables, images)
  rough = make("wide_resnet_10_1", dtype=jnp.bfloat16).apply(variables, images)
  assert exact.dtype == rough.dtype == jnp.float32
  difference = np.abs(exact - rough).max() / np.abs(exact).max()
  assert 1e-5 < difference < 0.03  # computed in bfloat16 indeed, and not far off


def test_evaluation_treats_images_one_by_one_and_training_does_not(small):
  variables, images = small
  model = make("wide_resnet_10_1")
  np.testing.assert_allclose(
    model.apply(variables, images)[:1], model.apply(variables, images[:1]), rtol=1e-4, atol=1e-5
  )

  def train(images):
    return model.apply(variables, images, train=True, mutable=["batch_stats"])[0].logits

  assert np.abs(train(images)[:1] - train(images[:1])).max() > 0.05


def test_initialisation_depends_on_the_key(init):
  first, again, other = (init(seed)["params"]["network"] for seed in (0, 0, 1))
  jax.tree.map(np.testing.assert_array_equal, first, again)
  assert np.abs(first["conv1"]["kernel"] - other["conv1"]["kernel"]).max() > 0.1


def test_wide_resnet_is_initialised_as_the_released_code_does(init):
  kernels = 0
  for path, kernel in jax.tree_util.tree_leaves_with_path(init(0)["params"]["network"]):
    name = jax.tree_util.keystr(path)
    if "conv" in name or "shortcut" in name:
      kernels += 1
      height, width, _, out = kernel.shape
      assert kernel.std() == pytest.approx(np.sqrt(2 / (height * width * out)), rel=0.1), name
  assert kernels == 1 + 3 * 2 + 2
  fc = init(0)["params"]["network"]["fc"]
  assert 0.98 / np.sqrt(64) < np.abs(fc["kernel"]).max() <= 1 / np.sqrt(64)
  assert not np.any(fc["bias"])


def test_unknown_name_lists_the_known_ones_and_suggests_the_nearest():
  with pytest.raises(UserError) as error:
    make("wide_resnet_40_20")
  assert str(error.value).startswith(
    "unknown model.name 'wide_resnet_40_20'; did you mean 'wide_resnet_40_2'?"
  )
  assert all(name in str(error.value) for name in models.NETWORKS)
