"""One step against NumPy in float64, and the same step on 1, 2 and 4 devices."""

import dataclasses
import functools
import inspect
import types
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from apr_jax import data, keys, losses, models, optimizers, parallel
from apr_jax.attacks.pgd import pgd
from apr_jax.augment.pipeline import make_augmentation
from apr_jax.models.contrastive import Contrastive
from apr_jax.models.layers import BatchNorm, conv, head
from apr_jax.run.state import create_state
from apr_jax.training import step as step_module
from configs import base

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)
LABELS = RANDOM.integers(0, 5, 8).astype(np.int32)
SGD = types.SimpleNamespace(nesterov=True, weight_decay=0.01, decay_norms=True)
ATTACK = functools.partial(pgd, steps=2, epsilon=8 / 255, step_size=5 / 255)


class Linear(nn.Module):
  """Logits are linear in the pixels."""

  @nn.compact
  def __call__(self, images, train):
    del train
    return nn.Dense(5, name="fc", kernel_init=nn.initializers.normal(0.1))(
      images.reshape(len(images), -1)
    )


@dataclasses.dataclass(frozen=True)
class Views:
  """In place of an augmentation: views made by a function."""

  make: Callable[..., tuple[jax.Array, jax.Array]]
  batch_norm_groups: tuple[tuple[int, ...], ...] | None = None
  auxiliary_views: int = 0
  loss_of: Callable[..., jax.Array] | None = None

  def __call__(self, key, images, labels, positions, shard):
    return self.make(key, images, labels, positions, shard)

  def loss(self, outputs, targets, axis_name):
    if self.loss_of is None:
      return losses.apr_loss(outputs.logits, targets)
    return self.loss_of(outputs, targets, axis_name)


def two_views(key, images, labels, positions, shard):
  """The image, and its negative."""
  del key, positions, shard
  clean = images.astype(jnp.float32) / 255
  return jnp.stack([clean, 1 - clean]), jax.nn.one_hot(labels, 5)


def augmentation(num_classes=5, **changes):
  settings = base.get_config().augment
  settings.update_from_flattened_dict({"crop_padding": 0, "flip": False} | changes)
  return make_augmentation(settings, num_classes)


def linear_state(optimizer):
  model = models.NormalisedNetwork(Linear(), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
  return model, create_state(0, model, (8, 8), optimizer)


def numpy_step(weight, bias, images, labels):
  """Loss, gradient of weight and bias, and number of correct first views, in float64."""
  loss, gradient, correct = 0, [0, 0], None
  for view in (images / 255, 1 - images / 255):
    x = ((view - 0.5) / 0.25).reshape(len(images), -1)
    logits = x @ weight + bias
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    loss += -np.log(probabilities[np.arange(len(labels)), labels]).mean()
    error = (probabilities - np.eye(5)[labels]) / len(labels)
    gradient = [gradient[0] + x.T @ error, gradient[1] + error.sum(0)]
    correct = (logits.argmax(1) == labels).sum() if correct is None else correct
  return loss, gradient, correct


@pytest.mark.parametrize("devices", [1, 4])
def test_two_steps_of_a_linear_model_are_numpys(on_devices, devices):
  optimizer = optax.chain(optax.add_decayed_weights(0.01), optax.sgd(0.1, 0.9, nesterov=True))
  model, state = linear_state(optimizer)
  step = on_devices(devices, model=model, augmentation=Views(two_views), optimizer=optimizer)
  fc = state.params["network"]["fc"]
  weights = [np.asarray(fc["kernel"], np.float64), np.asarray(fc["bias"], np.float64)]
  momenta = [0, 0]
  for number in range(2):
    loss, gradient, correct = numpy_step(*weights, IMAGES.astype(np.float64), LABELS)
    for i, g in enumerate(gradient):
      g = g + 0.01 * weights[i]
      momenta[i] = 0.9 * momenta[i] + g
      weights[i] = weights[i] - 0.1 * (g + 0.9 * momenta[i])
    state, sums = step(state, IMAGES, LABELS, jax.random.key(number))
    assert sums.keys() == {"loss", "correct", "examples", "nonfinite"}
    assert sums["nonfinite"] == 0
    assert all(value.dtype == jnp.float32 and value.shape == () for value in sums.values())
    assert sums["examples"] == len(LABELS)
    assert sums["loss"] == pytest.approx(loss * len(LABELS), rel=1e-5)
    assert sums["correct"] == correct
    fc = state.params["network"]["fc"]
    np.testing.assert_allclose(fc["kernel"], weights[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(fc["bias"], weights[1], rtol=1e-4, atol=1e-6)
    assert state.step == number + 1
  jax.tree.map(
    np.testing.assert_array_equal,
    jax.random.key_data(state.key),
    jax.random.key_data(linear_state(optimizer)[1].key),
  )


def test_accuracy_is_that_of_the_clean_view(on_devices):
  # A model that is right on the image is wrong on its negative: counting both views, or the second,
  # would show.
  optimizer = optax.sgd(0.0)
  model, state = linear_state(optimizer)
  images = np.zeros((4, 8, 8, 3), np.uint8)
  images[:2] = 255
  kernel = np.zeros((192, 5), np.float32)
  kernel[:, 0], kernel[:, 1] = 1, -1
  state = state.replace(
    params={"network": {"fc": {"kernel": kernel, "bias": np.zeros(5, np.float32)}}}
  )
  step = on_devices(2, model=model, augmentation=Views(two_views), optimizer=optimizer)
  _, sums = step(state, images, np.array([0, 0, 1, 1], np.int32), jax.random.key(0))
  assert (sums["correct"], sums["examples"]) == (4, 4)


def not_finite(loss):
  """A network whose gradient is not finite, and, if it is to be so, its loss neither."""

  class Root(nn.Module):
    @nn.compact
    def __call__(self, images, train):
      del train
      x = images.reshape(len(images), -1)
      logits = nn.Dense(5, name="fc")(x)
      # The square root of zero has no gradient.
      edge = jnp.sqrt(jnp.abs(self.param("edge", nn.initializers.zeros, ())))
      return logits + (edge / 0.0 if loss else edge)

  return models.NormalisedNetwork(Root(), (0.5,) * 3, (0.25,) * 3)


@pytest.mark.parametrize("loss", [False, True])
@pytest.mark.parametrize("skip", [False, True])
def test_a_step_that_is_not_finite_is_counted_and_may_change_nothing(on_devices, loss, skip):
  model, optimizer = not_finite(loss), optax.sgd(optax.constant_schedule(0.1), 0.9)
  state = create_state(0, model, (8, 8), optimizer)
  step = on_devices(
    2, model=model, augmentation=Views(two_views), optimizer=optimizer, skip_nonfinite=skip
  )
  new, sums = step(state, IMAGES, LABELS, jax.random.key(0))
  assert sums["nonfinite"] == 1 and new.step == 1
  assert all(count == 1 for count in jax.tree.leaves(new.opt_state) if count.dtype == jnp.int32)
  same = jax.tree.map(np.array_equal, new.params, state.params)
  assert all(jax.tree.leaves(same)) == skip
  if skip:
    assert (sums["loss"], sums["correct"], sums["examples"]) == (0, 0, 0)
  else:
    assert np.isfinite(sums["loss"]) != loss


@pytest.mark.parametrize(
  "all_finite",
  [step_module._finite.bind, step_module._finite_by_shape, step_module._finite_in_one],
  ids=["operation", "by_shape", "in_one"],
)
def test_one_number_anywhere_is_not_finite(all_finite):
  shapes = ((3, 2, 2), (4,), (), (4,), (1, 4))
  largest = np.finfo(np.float32).max
  arrays = [np.full(shape, largest, np.float32) for shape in shapes]
  all_finite = jax.jit(all_finite)
  assert all_finite(*arrays)  # their sum is not finite
  for array in arrays:
    for place, value in zip((0, -1), (np.nan, -np.inf)):
      array.flat[place] = value
      assert not all_finite(*arrays)
      array.flat[place] = largest


def test_devices_do_not_matter_with_synchronised_batch_norm(tiny_network, on_devices):
  images, labels = np.repeat(IMAGES, 2, axis=0), np.repeat(LABELS, 2)
  images = (images * np.linspace(0.2, 1, 16).reshape(-1, 1, 1, 1)).astype(np.uint8)
  optimizer = optax.sgd(0.1, 0.9)
  model = models.NormalisedNetwork(
    tiny_network(5, axis_name=parallel.AXIS), (0.5,) * 3, (0.25,) * 3
  )
  augment = augmentation(flip=True, crop_padding=1)
  results = {}
  for devices in (1, 2, 4):
    state = create_state(0, model, (8, 8), optimizer)
    step = on_devices(devices, model=model, augmentation=augment, optimizer=optimizer)
    for number in range(3):
      state, sums = step(state, images, labels, jax.random.key(number))
    results[devices] = state.variables, sums
    assert sums["examples"] == 16
  start = create_state(0, model, (8, 8), optimizer).variables
  moved = jax.tree.map(lambda a, b: np.abs(a - b).max() > 1e-3, results[1][0], start)
  assert all(jax.tree.leaves(moved))
  for devices in (2, 4):
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
      results[devices],
      results[1],
    )


def test_running_statistics_are_averaged_over_devices(tiny_network, on_devices):
  images = np.zeros((8, 8, 8, 3), np.uint8)
  images[6:] = 255  # of four devices the last one sees white only
  optimizer = optax.sgd(0.1)
  model = models.NormalisedNetwork(tiny_network(5), (0.0,) * 3, (1.0,) * 3)
  state = create_state(0, model, (8, 8), optimizer)
  step = on_devices(4, model=model, augmentation=augmentation(), optimizer=optimizer)
  statistics = step(state, images, LABELS, jax.random.key(0))[0].batch_stats["network"]["bn"]
  np.testing.assert_allclose(statistics["mean"], 0.1 * 0.25, rtol=1e-5)
  np.testing.assert_allclose(statistics["var"], 0.9, rtol=1e-5)  # each device sees one colour


def test_a_plain_image_set_is_learnt_and_an_attack_on_it_raises_the_loss(tiny_network, on_devices):
  random = np.random.default_rng(1)
  labels = np.arange(16, dtype=np.int32) % 2
  images = random.integers(0, 128, (16, 8, 8, 3), dtype=np.uint8)
  images[labels == 1, :4] += 100  # brighter above
  optimizer = optax.sgd(0.05, 0.9)
  model = models.NormalisedNetwork(tiny_network(2), (0.5,) * 3, (0.25,) * 3)
  state = create_state(0, model, (8, 8), optimizer)
  augment = augmentation(2, **{"apr_p.prob": 0.5})
  step = on_devices(2, model=model, augmentation=augment, optimizer=optimizer)
  history = []
  for number in range(25):
    state, sums = step(state, images, labels, jax.random.key(number))
    history.append({name: float(value) for name, value in sums.items()})
  assert history[-1]["loss"] < 0.5 * history[0]["loss"]
  assert history[-1]["correct"] == 16

  @jax.jit
  def loss_of(views):
    outputs, _ = model.apply(state.variables, views[0], train=True, mutable=["batch_stats"])
    return losses.cross_entropy(outputs.logits, jax.nn.one_hot(labels, 2))

  views = images[None] / np.float32(255)
  assert float(loss_of(ATTACK(jax.random.key(0), views, loss_of))) > 1.5 * float(loss_of(views))


def test_the_update_is_that_of_the_attacked_views(tiny_network, on_devices):
  # The step's own pieces by hand, on one device: the attack's passes leave no trace but the views.
  optimizer = optax.sgd(0.1)
  model = models.NormalisedNetwork(tiny_network(5), (0.5,) * 3, (0.25,) * 3)
  state = create_state(0, model, (8, 8), optimizer)
  key = jax.random.key(4)
  parts = {"model": model, "optimizer": optimizer}
  after, sums = on_devices(1, augmentation=Views(two_views), adversary=ATTACK, **parts)(
    state, IMAGES, LABELS, key
  )
  views, targets = two_views(None, IMAGES, LABELS, None, None)

  def loss_of(views):
    outputs, _ = model.apply(
      state.variables, views.reshape(-1, 8, 8, 3), train=True, mutable=["batch_stats"]
    )
    return losses.apr_loss(outputs.logits.reshape(2, 8, 5), targets)

  attacked = ATTACK(keys.stream(key, "adversary"), views, loss_of)
  plain = on_devices(1, augmentation=Views(lambda *_: (attacked, targets)), **parts)
  expected, expected_sums = plain(state, IMAGES, LABELS, key)
  for name in ("params", "batch_stats"):
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
      after.variables[name],
      expected.variables[name],
    )
  assert sums["loss"] == pytest.approx(float(expected_sums["loss"]), rel=1e-5)
  assert float(sums["loss"]) > 1.02 * float(loss_of(views)) * len(LABELS)


def test_a_step_on_a_doubled_batch_is_one_on_twice_the_images(tiny_network, on_devices):
  optimizer = optax.sgd(0.1)
  model = models.NormalisedNetwork(tiny_network(5), (0.5,) * 3, (0.25,) * 3)
  state = create_state(0, model, (8, 8), optimizer)
  key = jax.random.key(4)
  fgsm = functools.partial(
    pgd, steps=1, epsilon=8 / 255, step_size=10 / 255, random_start=False, outside="pull"
  )
  double = augmentation(**{"apr_p.prob": 1.0, "apr_p.mean_loss": True})
  views, targets = double(keys.stream(key, "augment"), IMAGES, LABELS, jnp.arange(8), jnp.int32(0))
  assert (np.abs(views[1] - views[0]) > 0.05).any()
  after, sums = on_devices(
    1, model=model, augmentation=double, optimizer=optimizer, adversary=fgsm
  )(state, IMAGES, LABELS, key)

  def one_view(*_):
    return views.reshape(1, 16, 8, 8, 3), jnp.tile(targets, (2, 1))

  whole = on_devices(
    1, model=model, augmentation=Views(one_view), optimizer=optimizer, adversary=fgsm
  )
  expected, expected_sums = whole(state, np.tile(IMAGES, (2, 1, 1, 1)), np.tile(LABELS, 2), key)
  assert sums["loss"] / 8 == pytest.approx(float(expected_sums["loss"]) / 16, rel=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
    after.variables,
    expected.variables,
  )


def test_devices_do_not_matter_to_the_attack_with_synchronised_batch_norm(tiny_network, on_devices):
  optimizer = optax.sgd(0.1)
  model = models.NormalisedNetwork(
    tiny_network(5, axis_name=parallel.AXIS), (0.5,) * 3, (0.25,) * 3
  )
  results = []
  for devices, unroll in ((1, True), (2, False), (4, True)):
    state = create_state(0, model, (8, 8), optimizer)
    step = on_devices(
      devices,
      model=model,
      augmentation=augmentation(flip=True),
      optimizer=optimizer,
      adversary=functools.partial(ATTACK, unroll=unroll),
    )
    results.append(step(state, IMAGES, LABELS, jax.random.key(0))[0].variables)
  for other in results[1:]:
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), other, results[0]
    )


RIVALS = {
  "adversarial": {},
  "cutout": {"cutout.size": 4},
  "patch_uniform": {"patch_uniform.size": 8},
  "mixup": {"mixup.alpha": 1.0},
  "cutmix": {"cutmix.alpha": 1.0},
  "autoaugment": {"autoaugment.policy": "cifar10"},
  "random_autoaugment": {"random_autoaugment.prob": 1.0},
  "augmix": {"augmix.width": 1, "augmix.depth": 1},
  "hybrid_p": {"hybrid_p.prob": 0.6},
  "hybrid_s": {"hybrid_s.prob": 1.0},
  "hybrid_ps": {"hybrid_p.prob": 0.6, "hybrid_s.prob": 1.0},
  "hybrid_plus_ps": {
    "hybrid_p.prob": 0.6,
    "hybrid_p.plus": True,
    "hybrid_s.prob": 1.0,
    "hybrid_s.plus": True,
  },
  "vipaug": {"vipaug.prob": 1.0},
  "prime": {"prime.width": 1, "prime.depth": 1, "prime.sigma": 0.5},
  "prime_jsd": {"prime.width": 1, "prime.depth": 1, "prime.sigma": 0.5, "prime.jsd_weight": 4.0},
  "afa": {"afa.strength": 5.0},
  "afa_plain": {"afa.strength": 5.0, "afa.mode": "plain"},
  "afa_jsd": {"afa.strength": 5.0, "afa.mode": "jsd", "afa.jsd_weight": 4.0},
}


@pytest.fixture(scope="module")
def real_images(photographs, request):
  """Eight airplanes, then eight frogs of CIFAR-10, or where they are not here parts of two
  photographs; 16 pixels.
  """
  try:
    folder = request.getfixturevalue("real_data")
  except pytest.skip.Exception:
    images = photographs
  else:
    train = data.load("cifar10", "train", data_dir=str(folder))
    images = train.images[
      np.concatenate([np.flatnonzero(train.labels == label)[:8] for label in (0, 6)])
    ]
  return np.ascontiguousarray(images[:, ::2, ::2])


@pytest.mark.parametrize("rival", RIVALS)
def test_real_images_are_learnt_with_every_rival(rival, tiny_network, on_devices, real_images):
  labels = np.repeat(np.arange(2, dtype=np.int32), 8)
  optimizer = optax.sgd(0.05, 0.9)
  augment = augmentation(2, **RIVALS[rival])
  model = models.NormalisedNetwork(
    tiny_network(2), (0.5,) * 3, (0.25,) * 3, auxiliary_norm=augment.auxiliary_views > 0
  )
  state = create_state(0, model, real_images.shape[1:3], optimizer)
  step = on_devices(
    1,
    model=model,
    augmentation=augment,
    optimizer=optimizer,
    adversary=ATTACK if rival == "adversarial" else None,
  )

  @jax.jit
  def clean_loss(variables):
    # The loss of the step has a floor of its own where labels are mixed.
    images = real_images / np.float32(255)
    outputs, _ = model.apply(variables, images, train=True, mutable=["batch_stats"])
    return losses.cross_entropy(outputs.logits, jax.nn.one_hot(labels, 2))

  before = float(clean_loss(state.variables))
  for number in range(30):
    state, sums = step(state, real_images, labels, jax.random.key(number))
    assert np.isfinite(sums["loss"])
  after = float(clean_loss(state.variables))
  assert after < 0.8 * before


def test_real_images_are_learnt_by_contrast(tiny_network, on_devices, real_images):
  labels = np.repeat(np.arange(2, dtype=np.int32), 8)
  optimizer = optax.sgd(0.03, 0.9)
  model = models.NormalisedNetwork(
    Contrastive(tiny_network(0), 2, dimensions=8), (0.5,) * 3, (0.25,) * 3
  )
  state = create_state(0, model, (16, 16), optimizer)
  augment = augmentation(
    2, **{"simclr.views": 2, "simclr.min_area": 0.5, "simclr.temperature": 0.5}
  )
  step = on_devices(1, model=model, augmentation=augment, optimizer=optimizer)
  history = []
  for number in range(60):
    state, sums = step(state, real_images, labels, jax.random.key(number))
    history.append(float(sums["loss"]) / 16)
  # log 31 for the views, as many others as there are, and log 2 for the probe: what knowing nothing
  # costs.
  assert history[0] == pytest.approx(np.log(31) + np.log(2), rel=0.1)
  assert np.mean(history[-10:]) < np.mean(history[:3]) - 0.1, history
  assert np.mean(history[-10:]) > np.log(15)  # half of the others are of the same class


def test_views_are_compared_across_devices(tiny_network, on_devices):
  optimizer = optax.sgd(0.1, 0.9)
  model = models.NormalisedNetwork(
    Contrastive(tiny_network(0, axis_name=parallel.AXIS), 5), (0.5,) * 3, (0.25,) * 3
  )

  def loss_of(outputs, targets, axis_name):
    return losses.supclr_loss(outputs.logits, outputs.projection, targets, axis_name=axis_name)

  views = Views(two_views, loss_of=loss_of)
  results = {}
  for devices in (1, 4):
    state = create_state(0, model, (8, 8), optimizer)
    step = on_devices(devices, model=model, augmentation=views, optimizer=optimizer)
    for number in range(2):
      state, sums = step(state, IMAGES, LABELS, jax.random.key(number))
    results[devices] = state.variables, sums
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), results[4], results[1]
  )


def test_the_key_decides_the_augmentation(on_devices):
  optimizer = optax.sgd(0.1)
  model, state = linear_state(optimizer)
  step = on_devices(
    2,
    model=model,
    augmentation=augmentation(crop_padding=2, flip=True),
    optimizer=optimizer,
  )

  def loss(seed):
    return float(step(state, IMAGES, LABELS, jax.random.key(seed))[1]["loss"])

  assert loss(0) == loss(0)
  assert len({loss(seed) for seed in range(4)}) == 4


def test_the_augmentation_is_told_the_places_in_the_global_batch(on_devices):
  optimizer = optax.sgd(0.0)
  model, state = linear_state(optimizer)
  kernel = np.ones((192, 5), np.float32)
  kernel[:, 0] = 0
  state = state.replace(
    params={"network": {"fc": {"kernel": kernel, "bias": np.zeros(5, np.float32)}}}
  )

  def dark_from_five_on(key, images, labels, positions, shard):
    # Classes other than 0 win on a white image; only images at places 5, 6 and 7 are black.
    del key, images
    views = (
      jnp.where(positions < 5, 1.0, 0.0).reshape(1, -1, 1, 1, 1) * jnp.ones((1, 2, 8, 8, 3))
      + 0 * shard
    )
    return views, jax.nn.one_hot(labels, 5)

  step = on_devices(4, model=model, augmentation=Views(dark_from_five_on), optimizer=optimizer)
  _, sums = step(state, IMAGES, np.zeros(8, np.int32), jax.random.key(0))
  assert sums["correct"] == 3


def test_dropout_keys_differ_between_devices_and_from_the_augmentations(on_devices):
  class Draws(nn.Module):
    """Puts the draw of its dropout key into the logit of class 0."""

    @nn.compact
    def __call__(self, images, train):
      scale = self.param("scale", nn.initializers.ones, ())
      draw = jax.random.uniform(self.make_rng("dropout")) if train else 0.0
      return scale * jnp.stack([jnp.full(len(images), draw), jnp.zeros(len(images))], 1)

  model = models.NormalisedNetwork(Draws(), (0.0,) * 3, (1.0,) * 3)
  optimizer = optax.sgd(0.0)
  state = create_state(0, model, (8, 8), optimizer)
  step = on_devices(2, model=model, augmentation=augmentation(2), optimizer=optimizer)

  def both(seed):
    return float(step(state, IMAGES, np.zeros(8, np.int32), jax.random.key(seed))[1]["loss"]) / 8

  one = on_devices(1, model=model, augmentation=augmentation(2), optimizer=optimizer)
  first = float(one(state, IMAGES, np.zeros(8, np.int32), jax.random.key(0))[1]["loss"]) / 8
  # With one draw for both devices the mean over them would be that of the first.
  assert abs(both(0) - first) > 1e-3
  assert both(0) != both(1)


def three_views(key, images, labels, positions, shard):
  """The image, its negative, and a dark image."""
  views, targets = two_views(key, images, labels, positions, shard)
  return jnp.concatenate([views, 0.3 * views[:1]]), targets


@pytest.mark.parametrize("groups", [((0, 2), (1,)), ((2, 1), (0,)), ((0,), (1,), (2,))])
def test_groups_of_views_pass_through_batch_norm_by_themselves(tiny_network, on_devices, groups):
  model = models.NormalisedNetwork(tiny_network(5), (0.5,) * 3, (0.25,) * 3)
  optimizer = optax.sgd(0.1)
  state = create_state(0, model, (8, 8), optimizer)
  views, targets = three_views(None, IMAGES, LABELS, None, None)

  def apart(params):
    """Each group by hand: the sum of the losses, the first view's logits, the statistics."""
    logits, statistics = [None] * 3, []
    for group in groups:
      together = jnp.concatenate([views[view] for view in group])
      outputs, updates = model.apply(
        {"params": params, "batch_stats": state.batch_stats},
        together,
        train=True,
        mutable=["batch_stats"],
      )
      for view, part in zip(group, jnp.split(outputs.logits, len(group))):
        logits[view] = part
      statistics.append(updates["batch_stats"])
    return sum(losses.cross_entropy(part, targets) for part in logits), (logits[0], statistics[0])

  (loss, (logits, statistics)), gradients = jax.value_and_grad(apart, has_aux=True)(state.params)
  step = on_devices(1, model=model, augmentation=Views(three_views, groups), optimizer=optimizer)
  after, sums = step(state, IMAGES, LABELS, jax.random.key(0))
  assert sums["loss"] == pytest.approx(float(loss) * 8, rel=1e-5)
  assert sums["correct"] == (logits.argmax(1) == LABELS).sum()
  expected = jax.tree.map(lambda p, g: p - 0.1 * g, state.params, gradients)
  for found, wanted in ((after.params, expected), (after.batch_stats, statistics)):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), found, wanted)
  whole = on_devices(1, model=model, augmentation=Views(three_views), optimizer=optimizer)
  together = whole(state, IMAGES, LABELS, jax.random.key(0))[1]
  assert abs(float(together["loss"]) / float(sums["loss"]) - 1) > 1e-3


@pytest.mark.parametrize("groups", [((0,),), ((0, 1), (1,)), ((0,), (2,))])
def test_groups_must_hold_each_view_once(tiny_network, on_devices, groups):
  model = models.NormalisedNetwork(tiny_network(5), (0.5,) * 3, (0.25,) * 3)
  optimizer = optax.sgd(0.1)
  state = create_state(0, model, (8, 8), optimizer)
  step = on_devices(1, model=model, augmentation=Views(two_views, groups), optimizer=optimizer)
  with pytest.raises(ValueError, match="batch_norm_groups must hold each of 2 views once"):
    step(state, IMAGES, LABELS, jax.random.key(0))


def test_the_step_stays_readable():
  assert len(inspect.getsource(step_module.train_step).splitlines()) < 80


class Convolution(nn.Module):
  """A convolution, batch norm, and the linear layer of the mean."""

  axis_name: str | None = None

  @nn.compact
  def __call__(self, images, train):
    x = conv(6, 3, name="conv1", dtype=jnp.float32)(images)
    x = nn.relu(BatchNorm(axis_name=self.axis_name, name="bn")(x, train))
    return head(x, 5)


def with_first_layer(**settings):
  return models.NormalisedNetwork(
    Convolution(parallel.AXIS),
    (0.5,) * 3,
    (0.25,) * 3,
    first_layer=models.FirstLayer(**settings),
  )


def test_gains_are_learnt_and_perturbed_alike_on_all_devices(on_devices):
  optimizer = optax.sgd(0.1, 0.9)
  results = {}
  for devices, sigma in ((1, 0.5), (4, 0.5), (1, 0.0)):
    model = with_first_layer(kind="modulation", sigma=sigma)
    state = create_state(0, model, (8, 8), optimizer)
    step = on_devices(devices, model=model, augmentation=augmentation(), optimizer=optimizer)
    for number in range(2):
      state, sums = step(state, IMAGES, LABELS, jax.random.key(number))
    results[devices, sigma] = jax.device_get((state.variables, sums))
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
    results[4, 0.5],
    results[1, 0.5],
  )
  perturbed, calm = (
    results[1, sigma][0]["params"]["network"]["conv1"]["gain_logits"] for sigma in (0.5, 0.0)
  )
  assert np.abs(perturbed).min() > 1e-5  # all have moved
  assert np.abs(perturbed - calm).max() > 1e-4


def test_all_views_see_one_draw(on_devices):
  # Two equal views whose loss compares them: with a draw of its own each, it would not be zero.
  def same_views(key, images, labels, positions, shard):
    del key, positions, shard
    clean = images.astype(jnp.float32) / 255
    return jnp.stack([clean, clean]), jax.nn.one_hot(labels, 5)

  def difference(outputs, targets, axis_name):
    del targets, axis_name
    return jnp.abs(outputs.logits[0] - outputs.logits[1]).max()

  optimizer = optax.sgd(0.1)
  model = with_first_layer(kind="modulation", sigma=1.0)
  state = create_state(0, model, (8, 8), optimizer)
  views = Views(same_views, batch_norm_groups=((0,), (1,)), loss_of=difference)
  step = on_devices(1, model=model, augmentation=views, optimizer=optimizer)
  _, sums = step(state, IMAGES, LABELS, jax.random.key(0))
  assert float(sums["loss"]) == 0


def test_a_soft_proportion_is_part_of_the_loss_and_masks_hold(on_devices):
  optimizer = optimizers.sgd(SGD, lambda step: 0.1, 0.9)

  def losses_of(**settings):
    model = with_first_layer(kind="proportion", proportion=(1.0, 0.0, 0.0), **settings)
    start = create_state(0, model, (8, 8), optimizer)
    penalty = float(model.first_layer.penalty(start.params))
    step = on_devices(2, model=model, augmentation=augmentation(), optimizer=optimizer)
    state, sums = step(start, IMAGES, LABELS, jax.random.key(0))
    coefficients = state.params["network"]["conv1"]["coefficients"]
    return float(sums["loss"]) / 8, penalty, np.asarray(coefficients)

  soft, penalty, moved = losses_of(soft=True, beta=3.0)
  free, none, _ = losses_of(soft=True, beta=0.0)
  assert penalty > 0.1 and none == 0
  assert soft == pytest.approx(free + penalty, rel=1e-5)
  assert moved.all()
  masked = losses_of()[2]
  low = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], bool)
  assert masked[low].all() and not masked[~low].any()
