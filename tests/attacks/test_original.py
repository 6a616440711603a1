"""Our attacks beside the package of the paper's authors, where it is installed, on one network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from apr_jax.attacks import APGD, FAB, Square, autoattack
from tests import lazy

torch, baseline_autoattack = map(lazy.needed, ("torch", "benchmarks.baseline_autoattack"))


@pytest.fixture(scope="module", autouse=True)
def original():
  if baseline_autoattack.package() is None:
    pytest.skip("the original package is not installed")


NUMBER, SHAPE, CLASSES, CHANNELS, EPSILON = 64, (6, 6, 3), 10, 8, 0.004
LENGTH, TARGETS = 20, 3
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 1, (NUMBER, *SHAPE)).astype(np.float32)
FILTERS = RANDOM.normal(size=(CHANNELS, 3, 3, 3)).astype(np.float32)
HEAD = (0.1 * RANDOM.normal(size=(CHANNELS * 36, CLASSES))).astype(np.float32)


def ours(images):
  """A convolution of a wave of the images, in the layout of PyTorch."""
  inputs = images.transpose(0, 3, 1, 2)
  hidden = jax.lax.conv_general_dilated(
    inputs + 0.2 * jnp.sin(60 * inputs), FILTERS, (1, 1), "SAME"
  )
  return jax.nn.relu(hidden).reshape(len(images), -1) @ HEAD


def theirs(inputs):
  waves = inputs + 0.2 * torch.sin(60 * inputs)
  hidden = torch.nn.functional.conv2d(waves, torch.from_numpy(FILTERS), padding=1)
  return torch.relu(hidden).flatten(1) @ torch.from_numpy(HEAD)


LABELS = np.asarray(ours(IMAGES).argmax(-1))
ATTACKS = {
  "apgd-ce": APGD("ce", "apgd-ce", iterations=LENGTH),
  "apgd-t": APGD("targeted-dlr", "apgd-t", iterations=LENGTH, targets=TARGETS),
  "fab-t": FAB(iterations=LENGTH, targets=TARGETS),
  "square": Square(queries=10 * LENGTH),
}


def standing(name):
  """bool `[N]`, of ours and of the package."""
  length = 10 * LENGTH if name == "square" else LENGTH
  original = baseline_autoattack.Original(theirs, EPSILON, length=length, targets=TARGETS)
  attacked = original(name, IMAGES, LABELS)
  result = autoattack(
    ours,
    IMAGES,
    LABELS,
    epsilon=EPSILON,
    attacks=(ATTACKS[name],),
    key=jax.random.key(0),
    batch_size=NUMBER,
  )
  return result.robust, np.asarray(ours(attacked).argmax(-1)) == LABELS


@pytest.mark.parametrize("name", ATTACKS)
def test_as_many_images_stand(name):
  robust, expected = standing(name)
  assert 5 < expected.sum() < NUMBER - 5
  if name == "fab-t":  # which draws no random numbers
    np.testing.assert_array_equal(robust, expected)
  assert abs(int(robust.sum()) - int(expected.sum())) <= 4
