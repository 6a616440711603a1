"""The ensemble: exactly right where the truth is known, and the same however it is packed."""

import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax import attacks as attacks_room
from apr_jax.attacks import APGD, FAB, STANDARD, VERSIONS, AutoAttack, Square, checks, join
from apr_jax.errors import UserError

KEY = jax.random.key(0)
SHAPE, CLASSES, EPSILON = (6, 6, 3), 10, 0.01
SIZE = 108
BATCH = 96  # of one size wherever it can be: each size compiles programs of its own
QUICK = (
  APGD("ce", "apgd-ce", iterations=2),
  APGD("targeted-dlr", "apgd-t", iterations=10, targets=3),
  FAB(True, "fab-t", iterations=10, targets=3),
  Square(queries=60),
)


def pictures(number, seed=0):
  """A third of the values are 0 or 1, where the box cuts what an attack may do."""
  random = np.random.default_rng(seed)
  images = random.uniform(0, 1, (number, *SHAPE))
  return np.where(random.random(images.shape) < 1 / 3, np.rint(images), images).astype(np.float32)


WEIGHT = (0.1 * np.random.default_rng(1).normal(size=(SIZE, CLASSES))).astype(np.float32)
IMAGES = pictures(96)


def linear(images):
  return images.reshape(len(images), -1) @ WEIGHT


def autoattack(*arguments, batch_size=BATCH, **options):
  return attacks_room.autoattack(*arguments, batch_size=batch_size, **options)


LABELS = np.asarray(linear(IMAGES).argmax(-1))


def standing(images, labels, weight, epsilon):
  """bool `[N]`, in float64: no image of the box has a larger logit than the label's."""
  images, weight = images.reshape(len(images), -1).astype(np.float64), weight.astype(np.float64)
  logits = images @ weight
  stands = logits.argmax(-1) == labels
  for k in range(weight.shape[1]):
    towards = weight[:, k] - weight[:, labels].T
    room = np.where(towards > 0, 1 - images, images)
    rise = (np.abs(towards) * np.minimum(room, epsilon)).sum(-1)
    gap = logits[np.arange(len(images)), labels] - logits[:, k]
    stands &= (k == labels) | (gap > rise)
  return stands


def assert_honest(result, logits_fn, images, labels, epsilon=EPSILON):
  """Every adversarial image is in its box and fools the network; all others are the originals."""
  broken = np.array([breaker not in (None, "clean") for breaker in result.broken_by], bool)
  change = np.abs(result.adversarial - images).max((1, 2, 3))
  assert (change <= epsilon + 1e-6).all()
  assert result.adversarial.min() >= 0
  assert result.adversarial.max() <= 1
  assert not change[~broken].any()
  assert (np.asarray(logits_fn(result.adversarial)).argmax(-1) != labels)[broken].all()


def assert_same(first, second):
  assert first.broken_by == second.broken_by
  np.testing.assert_array_equal(first.adversarial, second.adversarial)


@pytest.fixture(scope="module")
def of_linear():
  labels = LABELS.copy()
  labels[:5] = (labels[:5] + 1) % CLASSES  # wrong from the start
  attacks = (*STANDARD[:3], Square(queries=100))
  return labels, autoattack(linear, IMAGES, labels, epsilon=EPSILON, attacks=attacks, key=KEY)


def test_on_a_linear_network_exactly_the_right_images_stand(of_linear):
  labels, result = of_linear
  expected = standing(IMAGES, labels, WEIGHT, EPSILON)
  unboxed = (np.abs(WEIGHT[:, :, None] - WEIGHT[:, labels][:, None]).sum(0) * EPSILON).T
  gaps = np.take_along_axis(linear(IMAGES), labels[:, None], 1) - linear(IMAGES)
  assert 20 < expected.sum() < 80
  # the box matters: without it more would fall
  assert ((gaps > unboxed) | (np.arange(CLASSES) == labels[:, None])).all(1).sum() < expected.sum()
  np.testing.assert_array_equal(result.robust, expected)
  assert result.by_attack["clean"] == pytest.approx(100 * 91 / 96)
  assert result.broken_by[:5] == ("clean",) * 5
  assert result.robust_accuracy == pytest.approx(100 * expected.mean())
  assert_honest(result, linear, IMAGES, labels)
  assert result.warnings == ()


@pytest.mark.parametrize("attack", ["apgd-t", "fab-t"])
def test_so_does_each_of_the_two_alone(attack):
  result = autoattack(linear, IMAGES, LABELS, epsilon=EPSILON, attacks=(attack,), key=KEY)
  np.testing.assert_array_equal(result.robust, standing(IMAGES, LABELS, WEIGHT, EPSILON))


def rugged(images):
  """A small convolutional network on a wave of its input: attacks do not find the same at once."""
  random = np.random.default_rng(2)
  first = random.normal(size=(3, 3, 3, 8)).astype(np.float32)
  last = random.normal(size=(6 * 6 * 8, CLASSES)).astype(np.float32)
  waves = jnp.sin(60 * images) * 0.2 + images
  hidden = jax.lax.conv_general_dilated(
    waves, first, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
  )
  return jax.nn.relu(hidden).reshape(len(images), -1) @ last


RUGGED, RUGGED_EPSILON = IMAGES[:40], 0.003
RUGGED_LABELS = np.asarray(rugged(RUGGED).argmax(-1))


@pytest.fixture(scope="module")
def of_rugged():
  return AutoAttack(rugged, epsilon=RUGGED_EPSILON, attacks=QUICK, batch_size=40)(
    RUGGED, RUGGED_LABELS, key=KEY
  )


def test_later_attacks_find_more(of_rugged):
  accuracies = list(of_rugged.by_attack.values())
  assert accuracies == sorted(accuracies, reverse=True)
  assert len({breaker for breaker in of_rugged.broken_by if breaker}) >= 2
  assert 10 < of_rugged.robust_accuracy < 90
  assert_honest(of_rugged, rugged, RUGGED, RUGGED_LABELS, RUGGED_EPSILON)


@pytest.mark.parametrize("batch_size, devices", [(8, 4), (16, 2)])
def test_blocks_batches_devices_and_stops_change_nothing(of_rugged, batch_size, devices):
  # Blocks of the images, in another order, in small batches over several devices, each by an
  # ensemble of its own, as after a stop.
  order = np.random.default_rng(3).permutation(40)
  blocks = []
  for places in (order[:17], order[17:]):
    attack = AutoAttack(
      rugged,
      epsilon=RUGGED_EPSILON,
      attacks=QUICK,
      batch_size=batch_size,
      devices=jax.devices()[:devices],
    )
    blocks.append(attack(RUGGED[places], RUGGED_LABELS[places], key=KEY, positions=places))
  result = join(blocks)
  assert result.broken_by == tuple(of_rugged.broken_by[row] for row in order)
  np.testing.assert_array_equal(result.adversarial, of_rugged.adversarial[order])
  assert result.by_attack == of_rugged.by_attack


def test_nothing_is_compiled_twice():
  traced = []

  def counted(images):
    traced.append(images.shape)
    return linear(images)

  attack = AutoAttack(counted, epsilon=1e-6, attacks=QUICK[:2], batch_size=BATCH)
  for key in (KEY, jax.random.key(1)):
    attack(IMAGES, LABELS, key=key)
  # the verdict, and one step for both losses, all targets and all iterations
  assert [shape for shape in traced if shape[0] == BATCH] == [IMAGES.shape] * 2


def test_the_key_changes_the_random_starts():
  first, other = (
    autoattack(rugged, RUGGED, RUGGED_LABELS, attacks=QUICK[:1], key=key, batch_size=40)
    for key in (KEY, jax.random.key(1))
  )
  assert (first.adversarial != other.adversarial).any()


def test_huge_logits_hide_from_cross_entropy_only():
  def huge(images):
    return 1e4 * linear(images)

  attacks = ("apgd-ce", "apgd-t")
  result = autoattack(huge, IMAGES, LABELS, epsilon=EPSILON, attacks=attacks, key=KEY)
  np.testing.assert_array_equal(result.robust, standing(IMAGES, LABELS, WEIGHT, EPSILON))
  assert result.by_attack["apgd-ce"] > result.robust_accuracy + 5
  assert [warning for warning in result.warnings if warning.startswith("apgd-ce: the gradient")]
  assert_honest(result, huge, IMAGES, LABELS)


def test_a_network_without_gradients_is_broken_by_square():
  def quantised(images):
    return linear(jnp.round(images * 20) / 20)

  attacks = (APGD("ce", "apgd-ce", iterations=20), Square(queries=1000))
  images = IMAGES[:12]
  labels = np.asarray(quantised(images).argmax(-1))
  result = autoattack(
    quantised, images, labels, epsilon=0.1, attacks=attacks, key=KEY, batch_size=12
  )
  assert result.by_attack["apgd-ce"] > 60
  assert result.robust_accuracy < 30
  assert "square uses no gradient" in result.warnings[-1]
  assert result.warnings[0].startswith("apgd-ce: the gradient of some images is zero")
  assert_honest(result, quantised, images, labels, 0.1)


@pytest.mark.parametrize("classes", [2, 3])
def test_few_classes(classes):
  def few(images):
    return images.reshape(len(images), -1) @ WEIGHT[:, :classes]

  labels = np.asarray(few(IMAGES).argmax(-1))
  attacks = (APGD("dlr", "apgd-dlr", iterations=3), "apgd-t", *(["fab-t"] if classes == 2 else []))
  result = autoattack(few, IMAGES, labels, epsilon=EPSILON, attacks=attacks, key=KEY)
  np.testing.assert_array_equal(
    result.robust, standing(IMAGES, labels, WEIGHT[:, :classes], EPSILON)
  )
  assert [warning for warning in result.warnings if f"{classes} classes are too few" in warning]


def test_uint8_is_divided_by_255():
  images = np.random.default_rng(0).integers(0, 256, (BATCH, *SHAPE), dtype=np.uint8)
  labels = np.asarray(linear(images / np.float32(255)).argmax(-1))
  attack = AutoAttack(linear, epsilon=EPSILON, attacks=QUICK[:1], batch_size=BATCH)
  assert_same(attack(images, labels, key=KEY), attack(images / np.float32(255), labels, key=KEY))


def test_the_versions():
  assert [attack.name for attack in VERSIONS["standard"]] == list(STANDARD)
  assert [(attack.name, attack.restarts) for attack in VERSIONS["plus"]] == [
    ("apgd-ce", 5),
    ("apgd-dlr", 5),
    ("fab", 5),
    ("square", 1),
    ("apgd-t", 1),
    ("fab-t", 1),
  ]
  assert [(attack.name, attack.passes) for attack in VERSIONS["rand"]] == [
    ("apgd-ce", 20),
    ("apgd-dlr", 20),
  ]
  iterations = {attack.iterations for attack in (*VERSIONS["plus"][:3], *VERSIONS["plus"][4:])}
  assert iterations == {100}
  assert VERSIONS["plus"][3].queries == 5000


def test_restarts_break_more():
  once, thrice = (
    autoattack(
      rugged,
      RUGGED,
      RUGGED_LABELS,
      epsilon=0.003,
      attacks=(APGD("ce", "apgd-ce", iterations=1, restarts=restarts),),
      key=KEY,
      batch_size=40,
    )
    for restarts in (1, 5)
  )
  assert thrice.robust_accuracy < once.robust_accuracy
  assert not (thrice.robust & ~once.robust).any()


def test_a_randomised_network_takes_keys():
  def noisy(images, keys):
    noise = jax.vmap(lambda key: jax.random.uniform(key, SHAPE))(keys)
    return linear(images + 0.15 * noise)

  attack = AutoAttack(
    noisy,
    epsilon=EPSILON,
    attacks=(APGD("ce", "apgd-ce", iterations=5, passes=3),),
    batch_size=8,
    randomised=True,
  )
  order = np.random.default_rng(0).permutation(24)
  result = attack(IMAGES[:24], LABELS[:24], key=KEY)
  other = attack(IMAGES[order], LABELS[order], key=KEY, positions=order)
  assert other.broken_by == tuple(result.broken_by[row] for row in order)
  np.testing.assert_array_equal(other.adversarial, result.adversarial[order])
  assert result.warnings == ()
  assert result.by_attack["apgd-ce"] < result.by_attack["clean"] < 100


def test_a_network_in_training_mode_is_warned_about():
  def of_batch(images):
    return linear(images - images.mean(0))

  labels = np.asarray(of_batch(IMAGES).argmax(-1))
  result = autoattack(of_batch, IMAGES, labels, epsilon=1e-6, attacks=QUICK[:1], key=KEY)
  assert "is in training mode" in result.warnings[0]


def test_what_else_is_warned_about():
  logits = np.asarray(linear(IMAGES))
  assert not checks.of_clean_logits(logits)
  assert "remove its softmax" in checks.of_clean_logits(np.asarray(jax.nn.softmax(logits)))[0]
  assert not checks.of_clean_logits(np.full((2, 4), 0.5))
  assert not checks.of_repetition(logits, 1.00001 * logits, LABELS)
  assert checks.of_repetition(logits, logits + 0.01, LABELS)
  assert checks.of_repetition(logits, logits[:, ::-1], LABELS)
  assert not checks.of_program(str(jax.make_jaxpr(linear)(IMAGES)))
  half = jax.make_jaxpr(lambda images: linear(images.astype(jnp.bfloat16)))(IMAGES)
  assert "half precision" in checks.of_program(str(half))[0]
  assert not checks.of_classes(4, ["apgd-t"])
  assert not checks.of_classes(2, [])


@pytest.mark.parametrize(
  "changes, message",
  [
    ({"epsilon": 8}, r"epsilon must be in \(0, 1\].* got 8"),
    ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ({"attacks": "strong"}, "unknown version of AutoAttack 'strong'.*Known: plus, rand, standard"),
    ({"attacks": ("apgd",)}, "unknown attack 'apgd'; did you mean 'pgd'"),
    ({"attacks": ()}, "attacks must be one or more"),
    ({"attacks": ("square", "square")}, "different names.* got square, square"),
    ({"images": IMAGES * 255}, r"must be in \[0, 1\], got 0 to 255"),
    ({"images": IMAGES[0]}, r"must be \[N, H, W, C\]"),
    ({"images": IMAGES.astype(int)}, "must be uint8, or float"),
    ({"labels": LABELS[:4]}, r"labels must be int \[96\]"),
    ({"labels": LABELS + 10}, r"labels must be in 0..9 for 10 logits"),
    ({"labels": LABELS - 10}, r"labels must be 0 or more"),
    ({"positions": np.arange(5)}, r"positions must be of shape \(96,\)"),
    ({"logits_fn": lambda images: images.sum((1, 2, 3))}, r"must return \[B, K\]"),
    ({"logits_fn": lambda images: linear(images) / 0}, "not finite"),
  ],
)
def test_what_cannot_be_used_is_said_in_one_line(changes, message):
  arguments = {"logits_fn": linear, "images": IMAGES, "labels": LABELS, "key": KEY} | changes
  with pytest.raises(UserError, match=message) as raised:
    autoattack(**arguments)
  assert "\n" not in str(raised.value)


def test_a_bar_shows_what_stands(capsys):
  autoattack(linear, IMAGES, LABELS, epsilon=EPSILON, attacks=QUICK[:1], key=KEY, progress=True)
  assert re.search(r"apgd-ce.*100%.*96 standing", capsys.readouterr().err)


def test_importing_the_room_brings_no_flax():
  code = "import sys, apr_jax.attacks; print([n for n in ('flax', 'torch') if n in sys.modules])"
  done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
  assert done.stdout.strip() == "[]"
