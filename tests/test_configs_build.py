"""The training step of every configuration file traces, without data and without compiling."""

import functools
import importlib
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import experiment, models, optimizers, parallel, schedules
from apr_jax.attacks.pgd import make_adversary
from apr_jax.data import ArrayData
from apr_jax.run.state import create_state
from apr_jax.training.step import train_step
from tests.models.test_contrastive import Small

NAMES = sorted(path.stem for path in (pathlib.Path(__file__).parents[1] / "configs").glob("*.py"))
VIEWS = {"apr_p": 2, "hybrid_p": 2, "simclr": 2, "csi": 8, "augmix": 3}  # of the others 1
# (pixels, classes) by the first word of a configuration's name; "base" is CIFAR's.
DATA = {
  "digits": (8, 10),
  "cifar10": (32, 10),
  "base": (32, 10),
  "cifar100": (32, 100),
  "imagenet": (224, 1000),
}


def fresh(name):
  return importlib.import_module(f"configs.{name}").get_config()


load = functools.cache(fresh)  # which nobody changes


# Each network is traced once, with the first configuration that names it; large ones take seconds.
OWN = {}
for config_name in NAMES:
  OWN.setdefault(load(config_name).model.name, config_name)


def of_the_step(name):
  """What the step of a configuration depends on, but for the number of classes."""
  config = load(name)
  model = config.model.to_dict() | {
    "name": config.model.name if name in OWN.values() else "",
    "mean": (),
    "std": (),
  }
  # Of a first layer, the shapes are those of its kind, and whether anything is drawn.
  model["first_layer"] |= {"proportion": (), "sigma": config.model.first_layer.sigma > 0}
  return repr(
    (
      DATA[name.partition("_")[0]][0],
      config.augment.to_dict(),
      config.adversary.to_dict(),
      config.optimizer.to_dict(),
      # the state of its optimizer has the momentum
      config.schedule.name in ("triangular", "one_cycle"),
      model,
    )
  )


def of_the_augmentation(name):
  """What its views and targets depend on."""
  config = load(name)
  return repr((DATA[name.partition("_")[0]], config.augment.to_dict(), config.model.frozen))


# Configurations that augment alike, by the first of them.
ALIKE = {}
for config_name in NAMES:
  ALIKE.setdefault(of_the_augmentation(config_name), config_name)


# CIFAR-100's configurations are CIFAR-10's with other data: one of each pair is traced.
TRACED = {}
for config_name in NAMES:
  TRACED.setdefault(of_the_step(config_name), config_name)


@pytest.fixture(autouse=True)
def small(monkeypatch):
  monkeypatch.setitem(models.NETWORKS, "small", Small)


@functools.cache
def built(name):
  """The configuration and its parts: with the network it names where that is its turn, else with a
  small one.
  """
  config = fresh(name)
  if name not in OWN.values():
    config.model.name = "small"
  config.adversary.steps = min(config.adversary.steps, 1)  # written out, all steps are the same
  size, classes = DATA[name.partition("_")[0]]
  train = ArrayData(np.zeros((2, size, size, 3), np.uint8), np.zeros(2, np.int32), classes, "zeros")
  config = experiment.resolve(config, train)
  return config, experiment.build(config)


def test_the_networks_are_among_those_traced():
  assert {"wide_resnet_40_2", "resnet50", "resnet50_max_blur", "wide_resnet_10_1"} <= OWN.keys()


def test_those_left_out_have_a_twin_that_is_traced():
  assert len(NAMES) - len(TRACED) < len(NAMES) / 2
  assert {name.partition("_")[0] for name in TRACED.values()} == {
    "base",
    "digits",
    "cifar10",
    "cifar100",
    "imagenet",
  }


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_builds(name):
  config, parts = built(name)
  assert parts.num_classes == config.model.num_classes == DATA[name.partition("_")[0]][1]


@pytest.mark.parametrize("name", TRACED.values())
def test_the_step_traces(name):
  config, parts = built(name)
  momentum = schedules.make_momentum(config.schedule, config.optimizer.momentum, 4, 8)
  update_rule = optimizers.make_optimizer(
    config.optimizer, lambda step: config.optimizer.learning_rate, momentum
  )
  state = jax.eval_shape(
    functools.partial(create_state, 0, parts.model, parts.image_size, update_rule)
  )
  step = functools.partial(
    train_step,
    model=parts.model,
    augmentation=parts.augmentation,
    optimizer=update_rule,
    adversary=make_adversary(config.adversary),
  )
  # One device's share: its images and labels carry the mapped axis.
  images = jax.ShapeDtypeStruct((1, 4, *parts.image_size, 3), jnp.uint8)
  labels, shard = jax.ShapeDtypeStruct((1, 4), jnp.int32), jax.ShapeDtypeStruct((1,), jnp.int32)
  mapped = jax.vmap(step, in_axes=(None, 0, 0, None, 0), out_axes=0, axis_name=parallel.AXIS)
  key = jax.eval_shape(jax.random.key, 0)
  after, sums = jax.eval_shape(mapped, state, images, labels, key, shard)
  for old, new in zip(jax.tree.leaves(state.params), jax.tree.leaves(after.params), strict=True):
    assert new.shape == (1, *old.shape) and new.dtype == old.dtype
  assert {name: value.dtype for name, value in sums.items()} == dict.fromkeys(
    ("loss", "correct", "examples", "nonfinite"), jnp.float32
  )


def augmented(name):
  """The shapes of four images, their views and their targets."""
  parts, like = built(name)[1], ALIKE[of_the_augmentation(name)]
  images = jax.ShapeDtypeStruct((4, *parts.image_size, 3), jnp.uint8)
  return images, *shapes_of_views(like)


@functools.cache
def shapes_of_views(name):
  parts = built(name)[1]
  images = jax.ShapeDtypeStruct((4, *parts.image_size, 3), jnp.uint8)
  labels = positions = jax.ShapeDtypeStruct((4,), jnp.int32)
  key, shard = jax.eval_shape(jax.random.key, 0), jax.ShapeDtypeStruct((), jnp.int32)
  return jax.eval_shape(parts.augmentation, key, images, labels, positions, shard)


@pytest.mark.parametrize("name", NAMES)
def test_number_of_views(name):
  _, parts = built(name)
  classes = DATA[name.partition("_")[0]][1]
  images, views, targets = augmented(name)
  methods = parts.augmentation.methods
  expected = max((VIEWS.get(method, 1) for method in methods), default=1)
  if "augmix" in methods and methods["augmix"].single:
    expected = 1
  if "prime" in methods and methods["prime"].jsd_weight:
    expected = 3
  expected //= 2 if load(name).model.frozen else 1  # heads alone are trained on one view each
  if "afa" in methods and methods["afa"].mode != "plain":
    expected = 3 if methods["afa"].mode == "jsd" else expected + 1
    assert targets[1].shape == (4, classes)  # of the images as crop and flip leave them
    targets = targets[0]
  assert (views.shape, views.dtype) == ((expected, *images.shape), jnp.float32)
  assert targets.shape == (4, classes) and targets.dtype == jnp.float32
