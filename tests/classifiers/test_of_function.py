"""Any function as a classifier: of NumPy, JAX or PyTorch; what is checked, and its fingerprint."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import apr_jax
from apr_jax.classifiers.interface import Classifier, ability, check_classifier, need
from apr_jax.errors import UserError

SIZE = (6, 4)
IMAGES = np.random.default_rng(0).integers(0, 256, (11, *SIZE, 3), dtype=np.uint8)
WEIGHT = np.random.default_rng(1).normal(size=(72, 5)).astype(np.float32)
EXPECTED = (IMAGES.reshape(11, -1) / 255) @ WEIGHT.astype(np.float64)


def linear(images):
  return (images.reshape(len(images), -1) / np.float32(255)) @ WEIGHT


def jax_linear(images):
  return images.reshape(len(images), -1) @ WEIGHT


def of(logits, **options):
  return apr_jax.FromFunction(logits, 5, SIZE, **{"name": "mine", **options})


def of_torch():
  torch = pytest.importorskip("torch")
  layer = torch.nn.Linear(72, 5, bias=False).requires_grad_(False)
  layer.weight.copy_(torch.from_numpy(WEIGHT.T.copy()))
  return lambda images: layer(torch.from_numpy(images).flatten(1).float() / 255)


# {kind: () → what is given}
KINDS = {
  "numpy": lambda: {"logits": linear},
  "lists": lambda: {"logits": lambda images: linear(images).tolist()},
  "float64": lambda: {"logits": lambda images: linear(images).astype(np.float64)},
  "jax arrays": lambda: {"logits": lambda images: jax_linear(jnp.asarray(images) / 255)},
  "jax function": lambda: {"logits": None, "jax_logits": jax_linear},
  "jax function with leaves": lambda: {
    "logits": None,
    "jax_logits": jax.tree_util.Partial(lambda w, x: x.reshape(len(x), -1) @ w, WEIGHT),
  },
  "torch": lambda: {"logits": of_torch()},
}


@pytest.mark.parametrize("batch_size", [1, 4, 11, 500])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_the_function_for_any_batch_size(kind, batch_size):
  classifier = of(**KINDS[kind](), batch_size=batch_size)
  logits = classifier.logits(IMAGES)
  assert logits.dtype == np.float32 and logits.shape == (11, 5)
  np.testing.assert_allclose(logits, EXPECTED, rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(classifier.logits(IMAGES[:3]), EXPECTED[:3], rtol=1e-5, atol=1e-5)


def test_half_precision_of_jax_is_taken():
  classifier = of(lambda images: jnp.asarray(linear(images)).astype(jnp.bfloat16))
  np.testing.assert_allclose(classifier.logits(IMAGES), EXPECTED, rtol=0.02, atol=0.02)


def test_it_is_a_classifier_with_the_abilities_that_are_given():
  plain = of(linear)
  assert isinstance(plain, Classifier) and check_classifier(plain) is plain
  assert (plain.name, plain.num_classes, plain.image_size, plain.kind) == (
    "mine",
    5,
    SIZE,
    "function",
  )
  abilities = ("jax_logits", "features", "grad_cam", "config", "workdir", "step", "seed")
  assert [ability(plain, name) for name in abilities] == [None] * 7
  with pytest.raises(
    UserError, match="the suite x needs jax_logits, which 'mine' lacks: .*jax_logits="
  ):
    need(plain, "jax_logits", "the suite x")
  able = of(linear, jax_logits=jax_linear, features=lambda images: images[:, 0, :2, 0] / 2.0)
  assert need(able, "jax_logits", "the suite x") is jax_linear
  np.testing.assert_array_equal(need(able, "features", "a suite")(IMAGES), IMAGES[:, 0, :2, 0] / 2)


def test_one_number_is_a_square_and_numbers_of_numpy_are_numbers():
  classifier = apr_jax.FromFunction(linear, np.int64(5), np.int32(32), name="mine", fingerprint="f")
  assert (classifier.num_classes, classifier.image_size) == (5, (32, 32))
  assert check_classifier(classifier) is classifier


def test_the_function_is_called_in_chunks_of_images_that_it_may_change():
  sizes = []

  def spoils(images):
    sizes.append(len(images))
    logits = linear(images)
    images[:] = 0
    return logits

  before = IMAGES.copy()
  before.flags.writeable = False
  np.testing.assert_array_equal(of(spoils, batch_size=4).logits(before), linear(IMAGES))
  assert sizes == [4, 4, 3]
  np.testing.assert_array_equal(before, IMAGES)


def test_a_jax_function_is_compiled_once():
  traced = []

  def logits(images):
    traced.append(images.shape)
    return jax_linear(images)

  classifier = of(None, jax_logits=logits, batch_size=4)
  classifier.logits(IMAGES[:1])
  count = len(traced)
  classifier.logits(IMAGES)
  classifier.logits(IMAGES[:6])
  assert len(traced) == count


# {case: (what the function makes of images, words of the line)}
BAD = {
  "too few": (
    lambda x: linear(x)[:-1],
    "must return float [4, 5] for 4 images, got float32 [3, 5]",
  ),
  "probabilities of one class": (lambda x: linear(x)[:, 0], "got float32 [4]"),
  "another number of classes": (lambda x: linear(x)[:, :4], "got float32 [4, 4]"),
  "transposed": (lambda x: linear(x).T, "got float32 [5, 4]"),
  "whole numbers": (lambda x: linear(x).astype(int), "got int64 [4, 5]"),
  "words": (lambda x: ["a"] * len(x), "got <U1 [4]"),
  "nothing": (lambda x: None, "got object []"),
  "ragged": (lambda x: [[1.0], [1.0, 2.0]], "a list that NumPy cannot take"),
  "not a number": (
    lambda x: linear(x) * np.where(x[:, :1, 0, 0] > 100, 1, np.nan),
    "not finite for",
  ),
  "infinite": (lambda x: linear(x) * np.inf, "not finite for 4 of 4 images"),
  "too large": (lambda x: np.sign(linear(x)) * np.float64(1e300), "not finite for 4 of 4 images"),
}


@pytest.mark.parametrize("case", BAD)
def test_answers_that_are_no_logits_are_one_line(case):
  function, words = BAD[case]
  with pytest.raises(
    UserError, match=f"logits of 'mine' .*{re.escape(words)}.*; let it return"
  ) as error:
    of(function, batch_size=4).logits(IMAGES)
  assert "\n" not in str(error.value)


def test_tensors_that_need_a_gradient_are_one_line():
  torch = pytest.importorskip("torch")
  layer = torch.nn.Linear(72, 5)
  with pytest.raises(UserError, match=r"a Tensor that NumPy cannot take .*\.detach\(\)\.cpu\(\)"):
    of(lambda images: layer(torch.from_numpy(images).flatten(1).float())).logits(IMAGES)


@pytest.mark.parametrize(
  "function, words",
  [
    (lambda x: jax_linear(x)[:, :4], r"float \[2, 5\] for 2 images, got float32 \[2, 4\]"),
    (lambda x: jax_linear(x).sum(), r"got float32 \[\]"),
    (lambda x: (jax_linear(x), x), "got tuple"),
    (lambda x: jax_linear(x).astype(int), r"got int32 \[2, 5\]"),
    (lambda x: jax_linear(x) / 0, "not finite for 11 of 11"),
  ],
)
def test_answers_of_a_jax_function_that_are_no_logits_are_one_line(function, words):
  with pytest.raises(UserError, match=f"jax_logits of 'mine' .*{words}") as error:
    of(None, jax_logits=function).logits(IMAGES)
  assert "\n" not in str(error.value)


def test_features_are_checked_too():
  narrow = of(linear, features=lambda x: np.ones((len(x), len(x))), batch_size=4)
  with pytest.raises(UserError, match=r"features of 'mine' returned \[3, 3\] and, .* \[4, 4\]"):
    narrow.features(IMAGES)
  with pytest.raises(UserError, match=r"features of 'mine' must return float \[11, D\]"):
    of(linear, features=lambda x: x).features(IMAGES)


def test_what_the_function_raises_is_passed_on():
  def breaks(images):
    raise ZeroDivisionError("mine")

  with pytest.raises(ZeroDivisionError, match="mine"):
    of(breaks).logits(IMAGES)


@pytest.mark.parametrize(
  "images", [IMAGES / 255, IMAGES[0], IMAGES[:0], IMAGES[..., :1], IMAGES.transpose(0, 2, 1, 3)]
)
@pytest.mark.parametrize("kind", ["numpy", "jax function"])
def test_other_images_are_refused(kind, images):
  with pytest.raises(UserError, match=f"images must be .*{re.escape(str(list(images.shape)))}"):
    of(**KINDS[kind]()).logits(images)


@pytest.mark.parametrize(
  "change, words",
  [
    ({"logits": 3}, "logits must be a function of images, or None, got 3"),
    ({"logits": None}, "logits and jax_logits are both None"),
    ({"jax_logits": "f"}, "jax_logits must be a function"),
    ({"features": 3}, "features must be a function"),
    ({"num_classes": 0}, "num_classes must be a whole number above 0, got 0"),
    ({"num_classes": 10.0}, "num_classes must be a whole number above 0, got 10.0"),
    ({"num_classes": True}, "num_classes must be"),
    ({"image_size": (32, 32, 3)}, "image_size must be .*height, width.*, got .32, 32, 3"),
    ({"image_size": (32, 0)}, "image_size must be"),
    ({"image_size": "32"}, "image_size must be"),
    ({"name": ""}, "name must be a text that is not empty"),
    ({"name": None}, "name must be a text"),
    ({"fingerprint": ""}, "fingerprint must be a text"),
    ({"fingerprint": 7}, "fingerprint must be a text"),
    ({"batch_size": 0}, "batch_size must be a whole number above 0, got 0"),
  ],
)
def test_arguments_that_cannot_be_used_are_one_line(change, words):
  given = {"logits": linear, "num_classes": 5, "image_size": SIZE, "name": "mine"} | change
  with pytest.raises(UserError, match=f"^FromFunction: {words}") as error:
    apr_jax.FromFunction(**given)
  assert "\n" not in str(error.value)


def test_fingerprints_name_the_function_by_its_answers():
  one = of(linear).fingerprint
  assert len(one) == 16 and int(one, 16) >= 0
  assert of(lambda images: linear(images.copy()), name="other").fingerprint == one
  last_digit = np.nextafter(WEIGHT, 9)
  changed = (
    lambda images: linear(images) + 1,
    lambda images: (images.reshape(len(images), -1) / np.float32(255)) @ last_digit,
    lambda images: linear(images)[:, ::-1],
  )
  others = {of(function).fingerprint for function in changed}
  assert len(others | {one}) == 4


def test_a_function_of_the_mean_alone_has_a_fingerprint_of_its_own():
  # The means of plain noise are all the same, so that these would be too.
  def above(level):
    return lambda x: np.where(x.mean((1, 2, 3)) > level, 1.0, 0)[:, None].repeat(5, 1)

  assert len({of(above(level)).fingerprint for level in (100, 120, 127, 134)}) == 4


def test_a_given_fingerprint_wins_and_nothing_is_computed_before_it_is_asked_for():
  calls = []

  def counted(images):
    calls.append(len(images))
    return linear(images)

  given, digest = of(counted, fingerprint="epoch 200"), of(counted)
  assert given.fingerprint == "epoch 200" and not calls
  assert digest.fingerprint == digest.fingerprint and calls == [8]


KERNEL = np.random.default_rng(2).normal(size=(3, 3, 3, 4))


def test_the_first_layer_is_as_given():
  plain = of(linear)
  assert plain.first_kernel is None and plain.first_gain is None
  able = of(linear, first_kernel=jnp.asarray(KERNEL), first_gain=[1, 2, 3, 4])
  np.testing.assert_array_equal(able.first_kernel, KERNEL.astype(np.float32))
  np.testing.assert_array_equal(able.first_gain, np.float32([1, 2, 3, 4]))
  assert able.first_kernel.dtype == able.first_gain.dtype == np.float32


@pytest.mark.parametrize(
  "given, words",
  [
    ({"first_kernel": np.zeros((4, 3, 3, 5))}, "must be float [k, k, C, O], got [4, 3, 3, 5]"),
    ({"first_kernel": np.zeros((3, 3, 3))}, "weight.permute(2, 3, 1, 0)"),
    ({"first_kernel": KERNEL * np.inf}, "first_kernel must be finite"),
    ({"first_kernel": [[1], [1, 2]]}, "NumPy cannot take first_kernel, a list"),
    ({"first_gain": np.ones(4)}, "first_gain must be float [O]"),
    ({"first_kernel": KERNEL, "first_gain": np.ones(3)}, "first_gain must be float [4]"),
    ({"first_kernel": KERNEL, "first_gain": -np.ones(4)}, "one number of 0 or more"),
  ],
)
def test_what_is_no_first_layer_is_one_line(given, words):
  with pytest.raises(UserError, match=re.escape(words)):
    of(linear, **given)
