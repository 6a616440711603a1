"""Methods of augmentation: each is its exported function on a stream of its own.

Stages say what excludes what.
"""

import dataclasses
import inspect
import itertools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import apr_jax
from apr_jax import augment, keys, losses, settings
from apr_jax.augment.augmix import augmix
from apr_jax.augment.autoaugment import autoaugment, random_autoaugment
from apr_jax.augment.csi import csi_views
from apr_jax.augment.cutout import cutout
from apr_jax.augment.method import STAGES, Batch, Method
from apr_jax.augment.methods import (
  METHODS,
  needs_auxiliary_norm,
  needs_projection,
  switched_on,
)
from apr_jax.augment.mix import cutmix, mixup
from apr_jax.augment.patch_uniform import patch_uniform
from apr_jax.augment.pipeline import make_augmentation
from apr_jax.augment.prime_transforms import Ranges
from apr_jax.augment.simclr import simclr
from apr_jax.defaults import get_config
from apr_jax.errors import UserError

CLASSES = 3
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
FLOATS = IMAGES.astype(np.float32) / 255
LABELS = np.arange(8, dtype=np.int32) % CLASSES
TARGETS = np.eye(CLASSES, dtype=np.float32)[LABELS]
# The second of two devices.
KEY, POSITIONS, SHARD = jax.random.key(5), jnp.arange(8, 16), jnp.int32(1)
MEAN, STD = np.float32([0.5, 0.4, 0.3]), np.float32([0.2, 0.25, 0.3])
BY_POSITION = {"positions": POSITIONS}
IN_PAIRS = {"positions": POSITIONS, "shard": SHARD}


# These programs run once: compiling them without optimisation takes two thirds of the time.
QUICKLY = {"xla_backend_optimization_level": 0}


def beside_clean(view):
  return jnp.stack([FLOATS, view])


def normalised_apr_p(key):
  return beside_clean(apr_jax.apr_p(key, (FLOATS - MEAN) / STD, 0.9, **IN_PAIRS) * STD + MEAN)


# What switches each method on, and the call of its function that it then is, on key → views; those
# of mixup and cutmix come with their targets.
CASES = {
  "apr_s": (
    {"prob": 0.7, "severity": 5.0, "overflow": "clip"},
    lambda key: (apr_jax.apr_s(key, IMAGES, 5, "clip", prob=0.7, **BY_POSITION) / 255.0)[None],
  ),
  "apr_p": (
    {"prob": 0.9, "per_image": True},
    lambda key: beside_clean(apr_jax.apr_p(key, FLOATS, 0.9, per_image=True, **IN_PAIRS)),
  ),
  "hybrid_s": (
    {"prob": 0.7, "severity": 2.0, "plus": True},
    lambda key: (augment.ha_s(key, IMAGES, 2, "wrap", True, prob=0.7, **BY_POSITION) / 255.0)[None],
  ),
  "hybrid_p": (
    {"prob": 0.9, "plus": True, "per_image": True},
    lambda key: beside_clean(augment.ha_p(key, FLOATS, 0.9, True, per_image=True, **IN_PAIRS)),
  ),
  "cutout": ({"size": 6}, lambda key: cutout(key, FLOATS, 6, MEAN, **BY_POSITION)[None]),
  "patch_uniform": (
    {"size": 9, "scale": 0.5},
    lambda key: patch_uniform(key, FLOATS, 9, 0.5, **BY_POSITION)[None],
  ),
  "power_perturbation": (
    {"prob": 0.8, "tau": 1.5},
    lambda key: augment.power_perturbation(key, FLOATS, 1.5, 0.8, **BY_POSITION)[None],
  ),
  "mixup": ({"alpha": 0.8}, lambda key: mixup(key, FLOATS, TARGETS, 0.8, shard=SHARD)),
  "cutmix": (
    {"alpha": 0.8, "prob": 1.0},
    lambda key: cutmix(key, FLOATS, TARGETS, 0.8, prob=1.0, shard=SHARD),
  ),
  "autoaugment": (
    {"policy": "cifar10"},
    lambda key: (autoaugment(key, IMAGES, "cifar10", **BY_POSITION) / 255.0)[None],
  ),
  "random_autoaugment": (
    {"prob": 0.6},
    lambda key: (random_autoaugment(key, IMAGES, prob=0.6, **BY_POSITION) / 255.0)[None],
  ),
  "augmix": (
    {"width": 2, "depth": 2, "severity": 4.0},
    lambda key: augmix(key, IMAGES, 2, 2, 4.0, **BY_POSITION),
  ),
  "simclr": (
    {"views": 3, "min_area": 0.3},
    lambda key: simclr(key, IMAGES, 3, 0.3, **BY_POSITION),
  ),
  "csi": (
    {"views": 1, "min_area": 0.3},
    lambda key: csi_views(key, IMAGES, 1, 0.3, **BY_POSITION),
  ),
  "vipaug": (
    {"prob": 0.9, "overflow": "clip", "other": 0.1},
    lambda key: (
      augment.vipaug(key, IMAGES, 3, "clip", 0.001, 0.1, prob=0.9, **BY_POSITION) / 255.0
    )[None],
  ),
  "prime": (
    {"width": 1, "depth": 1, "sigma": 2.0},
    lambda key: augment.prime(key, FLOATS, 1, 1, Ranges(sigma=2.0), **BY_POSITION)[None],
  ),
  "afa": (
    {"strength": 5.0, "minimum": 1.0, "mode": "plain"},
    lambda key: augment.afa(key, FLOATS, 5.0, 1.0, **BY_POSITION)[None],
  ),
}
# Those whose settings decide their stage.
MORE_STAGES = {METHODS["prime"]: ("views",), METHODS["afa"]: ("pixels",)}


def configured(*on, **values):
  """`config.augment` without crop and flip, with these methods of the table on."""
  chosen = get_config().augment
  chosen.crop_padding, chosen.flip = 0, False
  for name in on:
    chosen[name].update(CASES[name][0])
  chosen.update_from_flattened_dict(values)
  return chosen


def augmented(augmentation):
  return jax.jit(augmentation, compiler_options=QUICKLY)(KEY, IMAGES, LABELS, POSITIONS, SHARD)


@pytest.mark.parametrize("name", CASES)
def test_a_method_is_its_function_on_its_own_stream(name):
  views, targets = augmented(make_augmentation(configured(name), CLASSES, MEAN, STD))
  expected = jax.jit(CASES[name][1], compiler_options=QUICKLY)(keys.stream(KEY, name))
  if isinstance(expected, tuple):
    expected, expected_targets = expected[0][None], expected[1]
    np.testing.assert_allclose(targets, expected_targets, atol=1e-6)
    assert ((targets > 0).sum(1) == 2).any()
  else:
    np.testing.assert_array_equal(targets, TARGETS)
  np.testing.assert_allclose(views, expected, atol=2e-5)
  assert np.abs(views[-1] - FLOATS).max() > 0.05


def test_apr_p_normalised_is_apr_p_of_normalised_images():
  chosen = configured(**{"apr_p.prob": 0.9, "apr_p.normalised": True})
  views, _ = augmented(make_augmentation(chosen, CLASSES, MEAN, STD))
  np.testing.assert_allclose(views, normalised_apr_p(keys.stream(KEY, "apr_p")), atol=2e-5)


def test_apr_p_may_double_the_batch_alone():
  chosen = configured(**{"apr_p.double": True, "apr_p.normalised": True})
  on = switched_on(chosen)
  assert list(on) == ["apr_p"] and on["apr_p"].batch_coin is None  # no coin to set to 1
  views, targets = augmented(make_augmentation(chosen, CLASSES, MEAN, STD))
  np.testing.assert_array_equal(views[0], views[1])
  np.testing.assert_allclose(views, beside_clean(FLOATS), atol=1e-6)
  np.testing.assert_array_equal(targets, TARGETS)
  # where it recombines there are two views anyway
  both = make_augmentation(configured("apr_p", **{"apr_p.double": True}), CLASSES)
  alone = make_augmentation(configured("apr_p"), CLASSES)
  np.testing.assert_array_equal(augmented(both)[0], augmented(alone)[0])


def test_the_mean_loss_of_apr_p_is_that_of_all_views_in_one_batch():
  logits = np.random.default_rng(1).normal(size=(2, 8, CLASSES)).astype(np.float32)
  outputs = losses.Outputs(logits)
  mean = make_augmentation(configured("apr_p", **{"apr_p.mean_loss": True}), CLASSES)
  log_shares = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  expected = -(log_shares.reshape(16, CLASSES) * np.tile(TARGETS, (2, 1))).sum(-1).mean()
  assert float(mean.loss(outputs, TARGETS)) == pytest.approx(expected, rel=1e-6)
  total = make_augmentation(configured("apr_p"), CLASSES).loss(outputs, TARGETS)
  assert float(total) == pytest.approx(2 * expected, rel=1e-6)


@pytest.mark.parametrize("cls", METHODS.values())
def test_what_a_method_says_of_itself(cls):
  stages = {cls().stage, *MORE_STAGES.get(cls, ())}
  assert stages <= set(STAGES) and not cls().on and inspect.getdoc(cls) != inspect.getdoc(Method)
  assert ("beside" in stages) == (cls.loss_beside is not Method.loss_beside)
  if not stages & {"batch", "views"}:  # there they would be ignored
    assert cls.loss is Method.loss and not cls.projection and cls.batch_norm_groups is None
  fields = {field.name for field in dataclasses.fields(cls)}
  coin = cls().batch_coin
  assert coin is None or coin in fields


def test_no_two_methods_draw_from_the_same_stream():
  drawn = []

  class Recording(Batch):
    def draw(self, name):
      drawn.append(name)
      return super().draw(name)

  for name, (values, _) in CASES.items():
    method = METHODS[name](**values)

    def apply(images, method=method):
      batch = Recording(KEY, images, jnp.asarray(TARGETS), POSITIONS, SHARD, MEAN, STD)
      return method(batch).images

    jax.eval_shape(apply, IMAGES if method.stage in ("image", "views") else FLOATS)
  assert len(drawn) == len(set(drawn)) == len(CASES)
  assert not {"crop", "flip"} & set(drawn)


@pytest.mark.parametrize("first, second", list(itertools.combinations(CASES, 2)))
def test_one_method_of_each_stage_and_views_alone(first, second):
  stages = {METHODS[name](**CASES[name][0]).stage for name in (first, second)}
  if len(stages) == 2 and "views" not in stages:
    assert switched_on(configured(first, second)).keys() == {first, second}
    return
  with pytest.raises(UserError) as error:
    switched_on(configured(first, second))
  names = [name for name in METHODS if name in (first, second)]
  assert str(error.value) == (
    f"augment.{names[0]} and augment.{names[1]} exclude each other; switch all but one of them off"
  )


@pytest.mark.parametrize("name", CASES)
def test_a_view_beside_goes_with_every_other_method(name):
  if name == "afa":
    return
  chosen = configured(name, **{"afa.strength": 3.0})
  assert switched_on(chosen).keys() == {name, "afa"} and needs_auxiliary_norm(chosen)
  assert not needs_auxiliary_norm(configured(name))
  augmentation = make_augmentation(chosen, CLASSES, MEAN, STD)
  arguments = KEY, IMAGES, LABELS, POSITIONS, SHARD
  views, targets = jax.eval_shape(augmentation, *arguments)
  others, _ = jax.eval_shape(make_augmentation(configured(name), CLASSES), *arguments)
  assert len(views.shape) == 5 and views.shape[0] == others.shape[0] + 1 and len(targets) == 2


def test_three_stages_go_together_in_their_order():
  chosen = configured("apr_s", "cutout", "apr_p")
  views, _ = augmented(make_augmentation(chosen, CLASSES, MEAN, STD))
  single = apr_jax.apr_s(
    keys.stream(KEY, "apr_s"), IMAGES, 5, "clip", prob=0.7, positions=POSITIONS
  )
  blank = cutout(keys.stream(KEY, "cutout"), single / np.float32(255), 6, MEAN, **BY_POSITION)
  mixed = apr_jax.apr_p(keys.stream(KEY, "apr_p"), blank, 0.9, per_image=True, **IN_PAIRS)
  np.testing.assert_allclose(views, jnp.stack([blank, mixed]), atol=2e-5)


def test_what_is_off_leaves_no_trace_in_the_program():
  def program(*on):
    augmentation = make_augmentation(configured(*on), CLASSES)
    return str(jax.make_jaxpr(augmentation)(KEY, IMAGES, LABELS, POSITIONS, SHARD))

  assert not any(word in program() for word in ("fft", "random", "threefry"))
  assert "fft" in program("apr_p") and "random" in program("mixup")
  assert "fft" not in program("mixup")


LOGITS = np.random.default_rng(1).normal(size=(3, 8, CLASSES)).astype(np.float32)
PROJECTION = np.random.default_rng(2).normal(size=(3, 8, 5)).astype(np.float32)
PROJECTION /= np.linalg.norm(PROJECTION, axis=-1, keepdims=True)


@pytest.mark.parametrize(
  "chosen, expected",
  [
    (configured(), lambda: losses.apr_loss(LOGITS, TARGETS)),
    (configured("apr_s", "apr_p"), lambda: losses.apr_loss(LOGITS, TARGETS)),
    (configured("augmix"), lambda: losses.augmix_loss(LOGITS, TARGETS, 12.0)),
    (
      configured("augmix", **{"augmix.jsd_weight": 3.0}),
      lambda: losses.augmix_loss(LOGITS, TARGETS, 3.0),
    ),
    (
      configured("simclr", **{"simclr.temperature": 0.3}),
      lambda: losses.supclr_loss(LOGITS, PROJECTION, TARGETS, 0.3),
    ),
  ],
)
def test_the_views_bring_their_loss(chosen, expected):
  augmentation = make_augmentation(chosen, CLASSES)
  outputs = losses.Outputs(LOGITS, PROJECTION if augmentation.projection else None)
  assert float(augmentation.loss(outputs, TARGETS)) == pytest.approx(float(expected()), rel=1e-6)
  assert augmentation.projection == needs_projection(chosen) == ("simclr" in augmentation.methods)
  assert augmentation.batch_norm_groups is None


@dataclasses.dataclass(frozen=True)
class Negative(Method):
  """A method of one's own: the negative as a second view, with batch statistics of its own."""

  weight: float = settings.setting(0.0, "of the negative in the loss; 0 = off", settings.share())

  stage: ClassVar[str] = "batch"
  batch_norm_groups: ClassVar[tuple[tuple[int, ...], ...]] = ((0,), (1,))

  @property
  def on(self):
    return self.weight > 0

  def __call__(self, batch):
    return batch.change(views=jnp.stack([batch.images, 1 - batch.images]))

  def loss(self, outputs, targets, axis_name=None):
    return losses.apr_loss(outputs.logits[:1], targets) + self.weight * losses.apr_loss(
      outputs.logits[1:], targets
    )


def test_label_smoothing_spreads_a_share_of_the_targets():
  _, targets = augmented(make_augmentation(configured(label_smoothing=0.3), CLASSES))
  np.testing.assert_allclose(targets, 0.7 * TARGETS + 0.1, atol=1e-6)
  # the labels of mixed images are mixed as ever
  mixed, smooth = (
    augmented(make_augmentation(configured("mixup", label_smoothing=share), CLASSES))[1]
    for share in (0.0, 0.3)
  )
  np.testing.assert_allclose(smooth, 0.7 * np.asarray(mixed) + 0.1, atol=1e-6)
  logits = np.random.default_rng(3).normal(size=(8, CLASSES))
  torch = pytest.importorskip("torch")
  theirs = torch.nn.functional.cross_entropy(
    torch.tensor(logits), torch.tensor(LABELS).long(), label_smoothing=0.3
  )
  assert float(losses.cross_entropy(logits, targets)) == pytest.approx(float(theirs), rel=1e-5)


def test_a_method_of_ones_own_is_a_class_and_a_line(monkeypatch):
  monkeypatch.setitem(METHODS, "negative", Negative)
  chosen = configured("cutout")
  with chosen.unlocked():
    chosen.negative = settings.section(Negative)
  assert make_augmentation(chosen, CLASSES).methods.keys() == {"cutout"}
  chosen.negative.weight = 0.5
  augmentation = make_augmentation(chosen, CLASSES, MEAN, STD)
  views, _ = augmented(augmentation)
  np.testing.assert_allclose(views[1], 1 - views[0], atol=1e-6)
  assert augmentation.batch_norm_groups == ((0,), (1,))
  expected = losses.apr_loss(LOGITS[:1], TARGETS) + losses.apr_loss(LOGITS[1:2], TARGETS) / 2
  assert float(augmentation.loss(losses.Outputs(LOGITS[:2]), TARGETS)) == pytest.approx(
    float(expected), rel=1e-6
  )
  chosen.apr_p.prob = 0.5
  with pytest.raises(UserError, match=r"augment\.apr_p and augment\.negative exclude each other"):
    switched_on(chosen)


def test_a_configuration_from_before_a_method_has_it_off():
  older = configured("apr_p")
  with older.unlocked():
    del older.simclr
    del older.apr_p.normalised
  assert switched_on(older) == {"apr_p": METHODS["apr_p"](prob=0.9, per_image=True)}
