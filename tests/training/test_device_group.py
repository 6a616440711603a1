"""Devices that act as one: a group makes and learns what one device with its images does."""

import os
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from apr_jax import device_group, models, parallel
from apr_jax.augment.pipeline import make_augmentation
from apr_jax.device_group import ALONE, DeviceGroup
from apr_jax.errors import UserError
from apr_jax.models import layers
from apr_jax.run.state import create_state
from apr_jax.training import loop
from apr_jax.training.step import train_step
from configs import base

CLASSES, BATCH = 5, 8
RANDOM = np.random.default_rng(0)
BRIGHTNESS = np.linspace(0.2, 1, BATCH).reshape(-1, 1, 1, 1)  # so that devices differ
IMAGES = (RANDOM.integers(0, 256, (BATCH, 8, 8, 3)) * BRIGHTNESS).astype(np.uint8)
LABELS = RANDOM.integers(0, CLASSES, BATCH).astype(np.int32)

IN_PAIRS = {
  "apr_p": {"apr_p.prob": 1.0},
  "apr_p of normalised images": {"apr_p.prob": 1.0, "apr_p.normalised": True},
  "apr_p with a coin per image": {"apr_p.prob": 0.5, "apr_p.per_image": True},
  "hybrid_plus of pairs": {"hybrid_p.prob": 1.0, "hybrid_p.plus": True},
  "two_labels": {"two_labels.prob": 1.0},
  "cutmix": {"cutmix.alpha": 1.0, "cutmix.prob": 1.0},
  "mixup": {"mixup.alpha": 1.0},
}
# The first view of apr_sp is that of apr_s.
WITH_OPERATIONS = {
  "apr_sp": {"apr_s.prob": 1.0, "apr_p.prob": 0.6},
  "hybrid_plus": {
    "hybrid_p.prob": 1.0,
    "hybrid_p.plus": True,
    "hybrid_s.prob": 1.0,
    "hybrid_s.plus": True,
  },
}
# (devices, in a group; the number of devices of which each by itself is to do the same)
DIVISIONS = ((4, 0, 1), (4, 2, 2))


def group_of(size):
  return ALONE if size == 1 else DeviceGroup(parallel.AXIS, size)


def augmentation(size, on):
  settings = base.get_config().augment
  settings.update_from_flattened_dict({"crop_padding": 1, "flip": True} | on)
  return make_augmentation(settings, CLASSES, (0.5,) * 3, (0.25,) * 3, group_of(size))


def augmented(devices, size, on, seed=0):
  """Views `[V, BATCH, ...]` and targets of the whole batch."""
  augment, share = augmentation(size, on), BATCH // devices

  def of_device(images, labels, shard):
    positions = shard * share + jnp.arange(share)
    return augment(jax.random.key(seed), images, labels, positions, shard)

  mapped = jax.pmap(of_device, axis_name=parallel.AXIS, devices=jax.devices()[:devices])
  inputs = (
    IMAGES.reshape(devices, share, *IMAGES.shape[1:]),
    LABELS.reshape(devices, share),
    np.arange(devices),
  )
  # JAX's own compiler option, where the suite has switched it off: without it, sums round as the
  # fusions around them happen to be.
  off = "emitters=false" in os.environ["XLA_FLAGS"]
  options = {"xla_cpu_use_fusion_emitters": True} if off else {}
  views, targets = mapped.lower(*inputs).compile(compiler_options=options)(*inputs)
  return np.concatenate(np.asarray(views), axis=1), np.concatenate(np.asarray(targets))


@pytest.mark.parametrize(
  "name, division", [*((name, DIVISIONS[0]) for name in IN_PAIRS), ("apr_p", DIVISIONS[1])]
)
def test_a_group_makes_to_the_bit_what_one_device_makes(name, division):
  devices, size, alone = division
  (views, targets), expected = (
    augmented(*each, IN_PAIRS[name]) for each in ((devices, size), (alone, 1))
  )
  # but Mixup's averages, which may be rounded once or twice
  np.testing.assert_allclose(views, expected[0], rtol=0, atol=1e-7 if name == "mixup" else 0)
  np.testing.assert_array_equal(targets, expected[1])


def test_partners_come_from_the_whole_group_and_from_nowhere_else():
  # Every image is a class of its own, so Mixup's targets say who was mixed with whom.
  settings = base.get_config().augment
  settings.update_from_flattened_dict({"mixup.alpha": 1.0})
  images, labels = IMAGES.reshape(4, 2, 8, 8, 3), np.arange(8).reshape(4, 2)
  for size in (1, 2, 0):
    augment = make_augmentation(settings, BATCH, group=group_of(size))

    def targets(seed, images, labels, shard, augment=augment):
      positions = 2 * shard + jnp.arange(2)
      return augment(jax.random.key(seed), images, labels, positions, shard)[1]

    mapped = jax.pmap(targets, axis_name=parallel.AXIS, in_axes=(None, 0, 0, 0))
    found = []
    for seed in range(16):
      mixed = np.concatenate(np.asarray(mapped(seed, images, labels, np.arange(4))))
      other = mixed - np.diag(np.diag(mixed))
      found.append(np.where(other.max(1) > 0, other.argmax(1), np.arange(BATCH)))
    found = np.stack(found)
    of_group = 2 * (size or 4)  # images
    assert all(sorted(row) == list(range(BATCH)) for row in found)
    assert (found // of_group == np.arange(BATCH) // of_group).all()
    # Each image has had most of its group as its partner.
    assert min(len(set(column)) for column in found.T) > of_group / 2
    if size == 2:  # groups draw apart
      assert any((row[:4] != row[4:] - 4).any() for row in found)


def trained(on_devices, tiny_network, devices, size, on):
  """Variables and sums after three steps."""
  model = models.NormalisedNetwork(
    tiny_network(CLASSES, axis_name=group_of(size)), (0.5,) * 3, (0.25,) * 3
  )
  optimizer = optax.sgd(0.1, 0.9)
  state = create_state(0, model, (8, 8), optimizer)
  step = on_devices(devices, model=model, augmentation=augmentation(size, on), optimizer=optimizer)
  for number in range(3):
    state, sums = step(state, IMAGES, LABELS, jax.random.key(number))
  return jax.device_get((state.variables, sums))


def check_training(on_devices, tiny_network, on, divisions):
  """Groups against as many devices by themselves; the results of (devices, size)."""
  results = {}
  for devices, size, alone in divisions:
    for each in ((devices, size), (alone, 1)):
      results[each] = trained(on_devices, tiny_network, *each, on)
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
      results[devices, size],
      results[alone, 1],
    )
  return results


def test_a_group_learns_what_one_device_learns(tiny_network, on_devices):
  results = check_training(on_devices, tiny_network, IN_PAIRS["apr_p"], DIVISIONS)
  # and two devices by themselves something else than one
  one, two = (results[devices, 1][0]["batch_stats"]["network"]["bn"] for devices in (1, 2))
  assert np.abs(one["var"] - two["var"]).max() > 1e-3


@pytest.mark.slow
def test_a_group_learns_what_one_device_learns_from_views_with_a_loss_of_their_own(
  tiny_network, on_devices
):
  augmix = {"augmix.width": 2, "augmix.depth": 2}
  check_training(on_devices, tiny_network, augmix, DIVISIONS)


@pytest.mark.slow
def test_a_group_learns_what_one_device_learns_from_both_ways_of_recombining(
  tiny_network, on_devices
):
  check_training(on_devices, tiny_network, WITH_OPERATIONS["apr_sp"], DIVISIONS[:1])


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_OPERATIONS)
def test_operations_and_partners_together_are_equal_to_the_bit(name):
  found, expected = (
    augmented(*division, WITH_OPERATIONS[name], seed=1) for division in ((4, 0), (1, 1))
  )
  np.testing.assert_array_equal(found[0], expected[0])


def lowered(tiny_network, size, on):
  model = models.NormalisedNetwork(
    tiny_network(CLASSES, axis_name=group_of(size)), (0.5,) * 3, (0.25,) * 3
  )
  optimizer = optax.sgd(0.1)
  state = jax.eval_shape(lambda: create_state(0, model, (8, 8), optimizer))

  def step(state, images, labels, shard):
    return train_step(
      state,
      images,
      labels,
      jax.random.key(0),
      shard,
      model=model,
      augmentation=augmentation(size, on),
      optimizer=optimizer,
    )

  inputs = IMAGES.reshape(4, 2, 8, 8, 3), LABELS.reshape(4, 2)
  return parallel.lower_step(step, jax.devices(), state, inputs, split_inputs=True).as_text()


def collectives(text):
  """[(operation, groups of devices)] of a lowered program."""
  return re.findall(r'"stablehlo\.(all_\w+)"[^\n]*replica_groups = dense<([^>]*)>', text)


def test_what_crosses_between_devices(tiny_network):
  whole, halves = "[[0, 1, 2, 3]]", "[[0, 1], [2, 3]]"
  everywhere = {("all_reduce", whole)}  # gradients, running statistics and sums
  assert set(collectives(lowered(tiny_network, 1, IN_PAIRS["apr_p"]))) == everywhere
  # The amplitudes once, and the batch statistics forward and backward; nothing that is not needed.
  for size, groups in ((2, halves), (0, whole)):
    found = collectives(lowered(tiny_network, size, IN_PAIRS["apr_p"]))
    assert [kind for kind, _ in found].count("all_gather") == 1
    assert {*found} == everywhere | {("all_gather", groups), ("all_reduce", groups)}
  per_image = collectives(lowered(tiny_network, 2, {"cutout.size": 2}))
  assert {*per_image} == everywhere | {("all_reduce", halves)}


def test_amplitudes_are_what_is_sent(tiny_network):
  text = lowered(tiny_network, 2, IN_PAIRS["apr_p"])
  sent = re.findall(r'"stablehlo\.all_gather".*: \(tensor<([^>]*)>\)', text)
  assert sent == ["2x3x8x5xf32"]  # two images of a device: channels, height, half of the width


def test_batch_norm_of_groups_is_that_of_their_images():
  batch = RANDOM.normal(size=(8, 3, 3, 2)).astype(np.float32) + np.arange(8).reshape(-1, 1, 1, 1)
  norm = layers.BatchNorm(axis_name=DeviceGroup("devices", 2))
  variables = layers.BatchNorm().init(jax.random.key(0), batch, train=True)
  out, updates = jax.pmap(
    lambda v, x: norm.apply(v, x, train=True, mutable=["batch_stats"]),
    axis_name="devices",
    in_axes=(None, 0),
  )(variables, batch.reshape(4, 2, 3, 3, 2))
  for number, half in enumerate(np.split(batch.astype(np.float64), 2)):
    mean, var = half.mean((0, 1, 2)), half.var((0, 1, 2))
    of_group = np.asarray(out)[2 * number : 2 * number + 2].reshape(half.shape)
    np.testing.assert_allclose(of_group, (half - mean) / np.sqrt(var + 1e-5), atol=1e-4)
    for device in (2 * number, 2 * number + 1):
      found = updates["batch_stats"]
      np.testing.assert_allclose(found["mean"][device], 0.1 * mean, rtol=1e-4, atol=1e-6)
      unbiased = var * 36 / 35
      np.testing.assert_allclose(found["var"][device], 0.9 + 0.1 * unbiased, rtol=1e-4)


@pytest.mark.parametrize("size, devices", [(1, 7), (0, 6), (2, 4), (4, 4), (8, 32)])
def test_groups_that_divide_the_devices(size, devices):
  assert device_group.check_size(size, devices) is None


@pytest.mark.parametrize(
  "size, devices, choices", [(3, 4, "1, 2, 4"), (8, 4, "1, 2, 4"), (4, 6, "1, 2, 3, 6")]
)
def test_groups_that_do_not_are_refused_in_one_line(size, devices, choices):
  line = (
    rf"^device_group {size} does not divide the number of devices, {devices}; "
    rf"give one of {choices}, or 0 for all$"
  )
  with pytest.raises(UserError, match=line):
    device_group.check_size(size, devices)


def test_a_run_is_refused_before_anything_is_read(digits, tmp_path):
  for overrides, line in (
    ({"device_group": 3}, "device_group 3 does not divide the number of devices, 4"),
    ({"device_group": -1}, "device_group must be 0 or more, got -1"),
    (
      {"device_group": 2, "model__sync_batch_norm": True},
      "model.sync_batch_norm averages batch statistics over all devices, device_group=2 over as",
    ),
  ):
    with pytest.raises(UserError, match=line):
      loop.train(digits(**overrides), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
