"""From a configuration to the parts of an experiment."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import data, experiment, losses, models, parallel
from apr_jax.augment.apr import AprP
from apr_jax.classifiers.predictor import Predictor
from apr_jax.data import ArrayData
from apr_jax.device_group import ALONE, DeviceGroup
from apr_jax.errors import UserError
from apr_jax.models.contrastive import Contrastive
from apr_jax.settings import flatten

TRAIN = ArrayData(np.zeros((6, 8, 12, 3), np.uint8), np.arange(6, dtype=np.int32), 7, "small")


def config(**overrides):
  from configs import base

  made = base.get_config()
  made.update_from_flattened_dict(
    {key.replace("__", "."): value for key, value in overrides.items()}
  )
  return made


def test_resolve_fills_in_what_the_data_decide():
  given = config()
  resolved = experiment.resolve(given, TRAIN)
  assert (resolved.model.num_classes, resolved.model.image_size) == (7, (8, 12))
  assert (given.model.num_classes, given.model.image_size) == (0, (0, 0))
  changed = {"num_classes": 7, "image_size": (8, 12)}
  assert resolved.to_dict() == given.to_dict() | {"model": given.model.to_dict() | changed}
  with pytest.raises(AttributeError):
    resolved.model.widht = 3  # still locked


def test_resolve_twice_is_resolve_once():
  once = experiment.resolve(config(), TRAIN)
  assert experiment.resolve(once, TRAIN).to_dict() == once.to_dict()


@pytest.mark.parametrize(
  "overrides, words",
  [
    ({"model__num_classes": 10}, "model.num_classes is 10, but the data set 'small' has 7"),
    (
      {"model__image_size": (12, 8)},
      "model.image_size is (12, 8), but the data set 'small' has (8, 12)",
    ),
  ],
)
def test_a_configuration_that_contradicts_the_data_is_refused(overrides, words):
  with pytest.raises(UserError) as error:
    experiment.resolve(config(**overrides), TRAIN)
  assert words in str(error.value)


@pytest.mark.parametrize(
  "key, value, rule",
  [
    ("epochs", 0, "above 0"),
    ("epochs", -3, "above 0"),
    ("batch_size", 0, "above 0"),
    ("log_every_steps", 0, "above 0"),
    ("eval_every_epochs", -1, "0 or more"),
    ("checkpoint.every_steps", -1, "0 or more"),
    ("checkpoint.keep", 0, "above 0"),
    ("evaluation.batch_size", 0, "above 0"),
    ("data.shuffle_buffer", 0, "above 0"),
    ("data.min_crop_area", 0.0, "above 0 and at most 1"),
    ("data.min_crop_area", 1.5, "above 0 and at most 1"),
    ("augment.crop_padding", -1, "0 or more"),
    ("augment.crop_fill", 256, "in 0..255"),
    ("augment.crop_fill", -1, "in 0..255"),
    ("augment.apr_p.prob", 1.01, "in 0..1"),
    ("augment.apr_p.prob", -0.1, "in 0..1"),
    ("augment.apr_s.prob", 2.0, "in 0..1"),
    ("augment.apr_s.severity", 0.1, "above 0.1 and at most 10"),
    ("augment.apr_s.severity", 10.5, "above 0.1 and at most 10"),
    ("augment.apr_s.overflow", "warp", "one of clip, wrap"),
    ("model.std", (0.2, 0.0, 0.2), "three numbers above 0, one per channel"),
    ("model.mean", (0.1, 0.2), "three numbers, one per channel"),
    ("optimizer.learning_rate", -0.1, "above 0"),
    ("schedule.boundaries_epochs", (60, 60), "numbers above 0 that increase"),
    ("augment.apr_p.prob", float("nan"), "finite"),
    ("augment.hybrid_p.prob", -0.5, "in 0..1"),
    ("augment.hybrid_s.severity", 11.0, "above 0.1 and at most 10"),
    ("augment.hybrid_s.overflow", "warp", "one of clip, wrap"),
    ("augment.cutout.size", -1, "0 or more"),
    ("augment.mixup.alpha", -1.0, "0 or more"),
    ("augment.cutmix.alpha", float("nan"), "finite"),
    ("augment.cutmix.prob", 1.5, "in 0..1"),
    ("augment.augmix.width", -3, "0 or more"),
    ("augment.augmix.depth", 0, "above 0"),
    ("augment.augmix.severity", 0.0, "above 0.1 and at most 10"),
    ("augment.augmix.jsd_weight", -12.0, "0 or more"),
    ("augment.simclr.views", -2, "0 or more"),
    ("augment.csi.views", -1, "0 or more"),
    ("augment.simclr.min_area", 0.0, "above 0 and at most 1"),
    ("augment.simclr.min_area", 1.5, "above 0 and at most 1"),
    ("augment.simclr.temperature", 0.0, "above 0"),
    ("augment.patch_uniform.size", -1, "0 or more"),
    ("augment.patch_uniform.scale", 1.5, "in 0..1"),
    (
      "augment.autoaugment.policy",
      "svhn",
      "empty or one of cifar10, cifar10_disjoint, imagenet, imagenet_disjoint",
    ),
    ("adversary.steps", -1, "0 or more"),
    ("adversary.epsilon", 300.0, "in 0..255"),
    ("adversary.step_size", 0.0, "above 0"),
    ("augment.random_autoaugment.prob", 1.5, "in 0..1"),
    ("schedule.warmup_epochs", -1.0, "0 or more"),
    ("schedule.factor", 0.0, "above 0"),
    ("optimizer.momentum", 1.0, "from 0 to below 1"),
    ("seed", -1, "in 0..2^32-1"),
    ("model.first_layer.kind", "modulated", "one of plain, proportion, modulation"),
    ("model.first_layer.kernel_size", 4, "0, or an odd number in 3..31"),
    ("model.first_layer.kernel_size", 1, "0, or an odd number in 3..31"),
    (
      "model.first_layer.proportion",
      (0.5, 0.25, 0.3),
      "three shares, 0 or more, that sum to 1",
    ),
    (
      "model.first_layer.proportion",
      (0.6, 0.6, -0.2),
      "three shares, 0 or more, that sum to 1",
    ),
    ("model.first_layer.proportion", (0.5, 0.5), "three shares, 0 or more, that sum to 1"),
    ("model.first_layer.beta", -1.0, "0 or more"),
    (
      "model.first_layer.modulation",
      "per_band",
      "one of per_filter, shared, per_coefficient, none",
    ),
    ("model.first_layer.sigma", -0.5, "0 or more"),
    ("data.extra_folders", ("a,b",), "folders, ('A', 'B'), without commas"),
    ("evaluation.ood_sets", ("a,b",), "names of data sets, ('A', 'B'), without commas"),
  ],
)
def test_values_out_of_range_are_named_with_their_rule(key, value, rule):
  with pytest.raises(UserError) as error:
    experiment.resolve(config(**{key.replace(".", "__"): value}), TRAIN)
  assert str(error.value) == f"{key} must be {rule}, got {value!r}"


@pytest.mark.parametrize(
  "key, value",
  [
    ("eval_every_epochs", 0),
    ("augment.apr_p.prob", 1.0),
    ("augment.apr_s.severity", 10.0),
    ("augment.crop_fill", 255),
    ("augment.crop_padding", 0),
    ("augment.apr_s.overflow", "wrap"),
  ],
)
def test_values_at_the_edge_are_accepted(key, value):
  resolved = experiment.resolve(config(**{key.replace(".", "__"): value}), TRAIN)
  assert flatten(resolved.to_dict())[key] == value


@pytest.mark.parametrize(
  "key, value, message",
  [
    ("model.name", "wide_resnet", "unknown model.name 'wide_resnet'; did you mean"),
    ("model.dtype", "float16", "unknown model.dtype 'float16'; did you mean"),
    ("optimizer.name", "sdg", "unknown optimizer.name 'sdg'; did you mean 'sgd'?"),
    ("schedule.name", "cosin", "unknown schedule.name 'cosin'; did you mean 'cosine'?"),
  ],
)
def test_a_name_that_is_not_known_is_refused_without_data(key, value, message):
  with pytest.raises(UserError) as error:
    experiment.check(config(**{key.replace(".", "__"): value}))
  assert str(error.value).startswith(message)


def test_augmentations_that_exclude_each_other_are_refused_in_one_line():
  on = {"augment__apr_s__prob": 0.5, "augment__hybrid_s__prob": 0.5}
  with pytest.raises(UserError) as error:
    experiment.check(config(**on))
  assert str(error.value) == (
    "augment.apr_s and augment.hybrid_s exclude each other; switch all but one of them off"
  )


@pytest.mark.parametrize(
  "keys",
  [
    ("apr_s.prob", "apr_p.prob"),
    ("hybrid_s.prob", "hybrid_p.prob"),
    ("apr_s.prob", "cutout.size", "mixup.alpha"),
    ("cutout.size", "apr_p.prob"),
    ("apr_s.prob", "patch_uniform.size"),
  ],
)
def test_augmentations_that_go_together_are_accepted(keys):
  on = {f"augment__{key.replace('.', '__')}": 3 if key.endswith("size") else 0.5 for key in keys}
  resolved = flatten(experiment.resolve(config(**on), TRAIN).to_dict())
  assert all(resolved[key.replace("__", ".")] == value for key, value in on.items())


def test_simclr_brings_its_loss_and_a_projection():
  overrides = {
    "model__name": "wide_resnet_10_1",
    "augment__simclr__views": 2,
    "augment__simclr__temperature": 0.3,
  }
  parts = experiment.build(experiment.resolve(config(**overrides), TRAIN))
  assert isinstance(parts.model.network, Contrastive)
  assert parts.model.network.network.num_classes == 0
  assert parts.model.network.num_classes == parts.num_classes == 7
  random = np.random.default_rng(0)
  outputs = models.Outputs(
    random.normal(size=(2, 4, 7)).astype(np.float32),
    random.normal(size=(2, 4, 3)).astype(np.float32),
  )
  shared = jax.vmap(
    lambda outputs: parts.augmentation.loss(outputs, np.eye(7)[:4], parallel.AXIS),
    axis_name=parallel.AXIS,
  )
  found = shared(jax.tree.map(lambda x: x[None], outputs))[0]
  alone = losses.supclr_loss(outputs.logits, outputs.projection, np.eye(7)[:4], 0.3)
  assert found == pytest.approx(float(alone), rel=1e-6)


def test_build_makes_the_configured_parts():
  overrides = {
    "model__name": "wide_resnet_10_1",
    "model__mean": (0.1, 0.2, 0.3),
    "augment__apr_p__prob": 0.6,
  }
  parts = experiment.build(experiment.resolve(config(**overrides), TRAIN))
  assert (parts.num_classes, parts.image_size) == (7, (8, 12))
  assert (parts.model.mean, parts.model.std) == ((0.1, 0.2, 0.3), (0.2023, 0.1994, 0.2010))
  network = parts.model.network
  assert (network.num_classes, network.depth, network.widen) == (7, 10, 1)
  assert parts.augmentation.methods == {"apr_p": AprP(prob=0.6)}
  views, targets = jax.eval_shape(
    parts.augmentation, jax.random.key(0), TRAIN.images, TRAIN.labels, jnp.arange(6), jnp.int32(0)
  )
  assert (views.shape, targets.shape) == ((2, 6, 8, 12, 3), (6, 7))


@pytest.mark.parametrize(
  "dtype, expected",
  [
    # the tests run on CPU
    ("float32", jnp.float32),
    ("bfloat16", jnp.bfloat16),
    ("auto", jnp.float32),
  ],
)
def test_precision_of_the_network(dtype, expected):
  assert (
    experiment.build(experiment.resolve(config(model__dtype=dtype), TRAIN)).model.network.dtype
    == expected
  )


ALL = DeviceGroup(parallel.AXIS)


@pytest.mark.parametrize(
  "size, sync, partners, statistics",
  [
    (1, False, ALONE, ALONE),
    (1, True, ALONE, ALL),
    (0, False, ALL, ALL),
    (0, True, ALL, ALL),
    (2, False, *2 * [DeviceGroup(parallel.AXIS, 2)]),
  ],
)
def test_which_devices_share_partners_and_statistics(size, sync, partners, statistics):
  overrides = {"device_group": size, "model__sync_batch_norm": sync}
  parts = experiment.build(experiment.resolve(config(**overrides), TRAIN))
  assert parts.augmentation.group == partners
  assert parts.model.network.axis_name == statistics


def test_unknown_precision_lists_the_known_ones():
  with pytest.raises(UserError, match="unknown model.dtype 'float16'.*auto, bfloat16, float32"):
    experiment.build(experiment.resolve(config(model__dtype="float16"), TRAIN))


def test_the_predictor_is_the_model_in_evaluation_mode():
  parts = experiment.build(experiment.resolve(config(model__name="wide_resnet_10_1"), TRAIN))
  shapes = jax.eval_shape(lambda: parts.model.init(jax.random.key(0), jnp.zeros((1, 8, 12, 3))))
  random = np.random.default_rng(0)
  variables = jax.tree.map(lambda x: random.uniform(0.05, 0.2, x.shape).astype(np.float32), shapes)
  images = random.integers(0, 256, (3, 8, 12, 3), dtype=np.uint8)
  predictor = Predictor(parts.model.apply, 2, jax.devices()[:1])
  expected = parts.model.apply(variables, jnp.asarray(images, jnp.float32) / 255, train=False)
  np.testing.assert_allclose(
    predictor.logits(predictor.place(variables), images), expected, rtol=1e-4
  )


def test_data_are_loaded_with_their_settings():
  settings = config(data__name="digits", data__image_size=16, data__resize=20).data
  np.testing.assert_array_equal(
    experiment.load_data(settings, "test").images,
    data.load("digits", "test", image_size=16, resize=20).images,
  )


def test_training_images_are_held_in_memory_or_streamed(tmp_path):
  assert experiment.load_train(config(data__name="digits", data__limit=9).data).num_examples == 9
  with pytest.raises(UserError, match="data.extra_folders needs data.stream=True"):
    experiment.load_train(config(data__name="digits", data__extra_folders=("x",)).data)
  for name in ("a", "b"):
    (tmp_path / "train" / name).mkdir(parents=True)
    (tmp_path / "train" / name / "0.png").write_bytes(b"read when it is needed")
  settings = config(data__name=f"folder:{tmp_path}", data__image_size=24, data__stream=True).data
  stream = experiment.load_train(settings)
  assert isinstance(stream, data.ImageStream)
  resolved = experiment.resolve(config(), stream)
  assert (resolved.model.num_classes, resolved.model.image_size) == (2, (24, 24))
