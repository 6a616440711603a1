"""What a step keeps beside the weights: their moving average, and batch statistics by route."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from apr_jax import losses, models
from apr_jax.augment.pipeline import make_augmentation
from apr_jax.models import norm_route
from apr_jax.run.state import create_state
from apr_jax.training.step import apply_to_views
from configs import base

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)
LABELS = RANDOM.integers(0, 5, 8).astype(np.int32)
CLEAN = IMAGES.astype(np.float32) / 255


def plain_augmentation():
  settings = base.get_config().augment
  settings.update(crop_padding=0, flip=False)
  return make_augmentation(settings, 5)


def network(tiny_network, **options):
  return models.NormalisedNetwork(tiny_network(5), (0.0,) * 3, (1.0,) * 3, **options)


def test_the_moving_average_is_that_of_a_loop_in_numpy(tiny_network, on_devices):
  optimizer = optax.sgd(0.1, 0.9)
  model = network(tiny_network)
  state = create_state(0, model, (8, 8), optimizer, average=True)
  step = on_devices(
    2, model=model, augmentation=plain_augmentation(), optimizer=optimizer, average_decay=0.3
  )
  expected = jax.tree.map(lambda x: np.asarray(x, np.float64), state.variables)
  jax.tree.map(np.testing.assert_array_equal, state.average, state.variables)
  decays = []
  for number in range(1, 6):
    state, _ = step(state, IMAGES, LABELS, jax.random.key(number))
    decay = min(0.3, (1 + number) / (10 + number))  # at first less than the 0.3
    decays.append(decay)
    expected = jax.tree.map(
      lambda old, new, d=decay: d * old + (1 - d) * np.asarray(new, np.float64),
      expected,
      state.variables,
    )
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), state.average, expected
    )
  assert decays[0] < 0.2 and decays[-1] == 0.3
  differs = [
    np.abs(a - b).max() > 1e-3
    for a, b in zip(jax.tree.leaves(state.average), jax.tree.leaves(state.variables))
  ]
  assert all(differs)


def test_the_average_changes_nothing_else(tiny_network, on_devices):
  optimizer = optax.sgd(0.1)
  model = network(tiny_network)
  results = []
  for average in (False, True):
    state = create_state(0, model, (8, 8), optimizer, average=average)
    assert (state.average is not None) == average
    step = on_devices(
      1, model=model, augmentation=plain_augmentation(), optimizer=optimizer, average_decay=0.9
    )
    results.append(step(state, IMAGES, LABELS, jax.random.key(0))[0].variables)
  jax.tree.map(np.testing.assert_array_equal, *results)


def test_the_main_route_is_initialised_as_without_an_auxiliary_one(tiny_network):
  plain, dual = (
    network(tiny_network, auxiliary_norm=dual).init(jax.random.key(1), CLEAN)
    for dual in (False, True)
  )
  assert dual["params"]["network"]["bn"].keys() == {
    "scale",
    "bias",
    "auxiliary_scale",
    "auxiliary_bias",
  }
  assert dual["batch_stats"]["network"]["bn"].keys() == {
    "mean",
    "var",
    "auxiliary_mean",
    "auxiliary_var",
  }
  jax.tree.map(np.testing.assert_array_equal, norm_route.without_auxiliary(dual), plain)
  copied = norm_route.with_auxiliary(plain)
  assert jax.tree.structure(copied) == jax.tree.structure(dual)
  assert norm_route.current() == norm_route.MAIN


@dataclasses.dataclass(frozen=True)
class Negative:
  """In place of an augmentation: the image, and beside it its darker negative."""

  batch_norm_groups: tuple[tuple[int, ...], ...] | None = None
  auxiliary_views: int = 1
  weights: tuple[float, float] = (1.0, 1.0)

  def __call__(self, key, images, labels, positions, shard):
    clean = images.astype(jnp.float32) / 255
    return jnp.stack([clean, (1 - clean) / 2]), jax.nn.one_hot(labels, 5)

  def loss(self, outputs, targets, axis_name):
    return sum(
      weight * losses.cross_entropy(view, targets)
      for weight, view in zip(self.weights, outputs.logits)
    )


@pytest.mark.parametrize("devices", [1, 2])
def test_each_route_keeps_the_statistics_of_its_views(tiny_network, on_devices, devices):
  optimizer = optax.sgd(0.1)
  model = network(tiny_network, auxiliary_norm=True)
  state = create_state(0, model, (8, 8), optimizer)
  step = on_devices(devices, model=model, augmentation=Negative(), optimizer=optimizer)
  found = step(state, IMAGES, LABELS, jax.random.key(0))[0].batch_stats["network"]["bn"]
  shares = np.split(CLEAN.astype(np.float64), devices)
  for route, view in (("", lambda x: x), ("auxiliary_", lambda x: (1 - x) / 2)):
    patches = [
      view(share).reshape(-1, 4, 2, 4, 2, 3).mean((2, 4)).reshape(-1, 3) for share in shares
    ]
    mean = np.mean([p.mean(0) for p in patches], 0)
    var = np.mean([p.var(0, ddof=1) for p in patches], 0)
    np.testing.assert_allclose(found[f"{route}mean"], 0.1 * mean, rtol=1e-4)
    np.testing.assert_allclose(found[f"{route}var"], 0.9 + 0.1 * var, rtol=1e-4)


@pytest.mark.parametrize("route, weights", [("", (1.0, 0.0)), ("auxiliary_", (0.0, 1.0))])
def test_each_view_trains_the_norm_of_its_route_and_all_train_the_rest(
  tiny_network, on_devices, route, weights
):
  optimizer = optax.sgd(0.5)
  model = network(tiny_network, auxiliary_norm=True)
  state = create_state(0, model, (8, 8), optimizer)
  step = on_devices(1, model=model, augmentation=Negative(weights=weights), optimizer=optimizer)
  after = step(state, IMAGES, LABELS, jax.random.key(0))[0].params["network"]
  before = state.params["network"]
  for name, value in after["bn"].items():
    moved = np.abs(value - before["bn"][name]).max() > 1e-5
    assert moved == (name in (f"{route}scale", f"{route}bias")), name
  assert np.abs(after["fc"]["kernel"] - before["fc"]["kernel"]).max() > 1e-4


def test_logits_of_all_views_come_in_their_order(tiny_network):
  model = network(tiny_network, auxiliary_norm=True)
  variables = model.init(jax.random.key(0), CLEAN)
  views = jnp.stack([CLEAN, CLEAN / 2, 1 - CLEAN])
  keys = jax.random.key(1), jax.random.key(2)
  found, _ = apply_to_views(model, variables, views, ((1,), (0,)), *keys, auxiliary=1)
  assert found.logits.shape == (3, 8, 5)
  for view, route, logits in zip(views, ("", "", norm_route.AUXILIARY), found.logits):
    alone, _ = model.apply(variables, view, train=True, route=route, mutable=["batch_stats"])
    np.testing.assert_allclose(logits, alone.logits, atol=1e-5)
  with pytest.raises(ValueError, match="batch_norm_groups must hold each of 2 views once"):
    apply_to_views(model, variables, views, ((0, 1), (2,)), *keys, auxiliary=1)


def test_inference_takes_the_main_route(tiny_network):
  model = network(tiny_network, auxiliary_norm=True)
  variables = jax.tree.map(
    lambda x: x + RANDOM.uniform(0.1, 0.5, x.shape).astype(np.float32),
    model.init(jax.random.key(0), CLEAN),
  )
  plain = network(tiny_network).apply(norm_route.without_auxiliary(variables), CLEAN)
  np.testing.assert_array_equal(model.apply(variables, CLEAN), plain)
  other = model.apply(variables, CLEAN, route=norm_route.AUXILIARY)
  assert np.abs(np.asarray(other) - np.asarray(plain)).max() > 1e-2


def test_networks_of_the_zoo_have_a_second_route_and_any_first_layer_beside_it():
  spec = models.NetworkSpec(
    "wide_resnet_10_1", 10, (32, 32), (0.5,) * 3, (0.25,) * 3, auxiliary_norm=True
  )
  modulated = dataclasses.replace(spec, first_layer=models.FirstLayer(kind="modulation"))

  def shapes(spec):
    start = jax.eval_shape(spec.build().init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    return start["params"]["network"]

  plain = shapes(dataclasses.replace(spec, auxiliary_norm=False))
  for found in (shapes(spec), shapes(modulated)):
    assert found.keys() == plain.keys()
    assert found["bn"].keys() == {*plain["bn"].keys(), "auxiliary_scale", "auxiliary_bias"}
    block = found["stage1_block1"]
    assert block["conv1"].keys() == {"kernel"} and "auxiliary_scale" in block["bn2"]
  assert shapes(modulated)["conv1"].keys() == {"coefficients", "gain_logits"}
  assert spec.folded() == dataclasses.replace(spec, auxiliary_norm=False)
