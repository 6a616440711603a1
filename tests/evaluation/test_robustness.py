"""The suites of attacks: a linear network, whose standing images are known exactly."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import apr_jax
from apr_jax import data
from apr_jax.errors import UserError
from apr_jax.evaluation import runner
from apr_jax.evaluation.robustness import IMAGES, Robustness
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.suites import SUITES, configure

EPSILON = 8 / 255
SIZE = 8  # pixels, for the attacks take thousands of steps
QUICK = Robustness(attacks=("apgd-ce", "apgd-t"), epsilon=EPSILON, images=20, block=8)


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
  """Of a linear network that ridge regression fits to the digits; float32 `[192, 10]`."""
  train = data.load("digits", "train", image_size=SIZE)
  inputs = train.images.reshape(len(train.images), -1) / 255
  targets = 10 * np.eye(10)[train.labels]
  ridge = inputs @ inputs.T + 2 * np.eye(len(inputs))
  return (inputs.T @ np.linalg.solve(ridge, targets)).astype(np.float32)


@pytest.fixture
def linear(weights):
  return apr_jax.FromFunction(
    None,
    10,
    SIZE,
    name="linear",
    jax_logits=lambda images: images.reshape(len(images), -1) @ weights,
  )


def stands(weights: np.ndarray, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Closed form, the box [0, 1] included: bool `[N]`."""
  inputs = images.reshape(len(images), -1) / 255.0
  weights = weights.astype(np.float64)
  logits = inputs @ weights
  standing = np.ones(len(images), bool)
  for other in range(10):
    pull = weights[:, other][:, None] - weights[:, labels]  # [D, N], of the other class
    room = np.where(pull > 0, np.minimum(EPSILON, 1 - inputs.T), np.minimum(EPSILON, inputs.T))
    margin = logits[np.arange(len(labels)), labels] - logits[:, other]
    standing &= (labels == other) | (margin > (np.abs(pull) * room).sum(0))
  return standing


def evaluate(classifier, evaluator, out, **settings):
  chosen = {"attacked": evaluator}
  return runner.evaluate(
    classifier, Settings.of(classifier, data="digits", **settings), chosen, out, quiet=True
  ).results["attacked"]


def test_the_standing_images_of_a_linear_network_are_those_of_the_closed_form(
  weights, linear, tmp_path
):
  found = evaluate(linear, dataclasses.replace(QUICK, save_adversarial=True), tmp_path)
  test = data.load("digits", "test", image_size=SIZE)
  positions = np.arange(20) * 360 // 20
  images, labels = test.images[positions], test.labels[positions]
  expected = stands(weights, images, labels)
  assert 2 < expected.sum() < 18
  assert found["robust_accuracy"] == pytest.approx(100 * expected.mean())
  right = linear.logits(images).argmax(1) == labels
  assert found["clean_accuracy"] == found["by_attack"]["clean"] == pytest.approx(100 * right.mean())
  assert list(found["by_attack"]) == ["clean", "apgd-ce", "apgd-t"]
  assert found["broken_by"]["apgd-ce"] + found["broken_by"]["apgd-t"] == (right & ~expected).sum()
  assert (found["images"], found["version"], found["warnings"]) == (20, "custom", [])

  # What is kept on disk stays in the box, and is what the numbers say.
  kept = np.load(tmp_path / IMAGES)
  np.testing.assert_array_equal(kept["positions"], positions)
  np.testing.assert_array_equal(kept["robust"], expected)
  assert np.abs(kept["images"] - images / 255).max() <= EPSILON + 1e-6
  assert kept["images"].min() >= 0 and kept["images"].max() <= 1
  turned = (kept["images"].reshape(20, -1) @ weights).argmax(1) != labels
  np.testing.assert_array_equal(turned, ~expected)

  example = found["examples"][0]
  assert example["predictions"][0] == example["label"] != example["predictions"][1]
  assert len(found["examples"]) == 4 and example["position"] in positions


def test_batches_and_blocks_change_nothing(linear, tmp_path):
  def scores(**changes):
    found = evaluate(linear, dataclasses.replace(QUICK, **changes), tmp_path / str(changes))
    return {key: value for key, value in found.items() if key != "seconds"}

  expected = scores()
  assert 0 < expected["robust_accuracy"] < expected["clean_accuracy"]
  for batch_size, block in ((5, 8), (100, 20)):
    assert scores(batch_size=batch_size, block=block) == expected


def test_an_interrupted_attack_goes_on_at_its_block(linear, tmp_path, monkeypatch):
  calls = []

  class Interrupted(Robustness):
    def _attack(self, task, attack, positions):
      calls.append(len(positions))
      if len(calls) == 2:
        raise KeyboardInterrupt
      return super()._attack(task, attack, positions)

  quick = Interrupted(**dataclasses.asdict(QUICK) | {"attacks": ("apgd-ce",)})
  with pytest.raises(KeyboardInterrupt):
    evaluate(linear, quick, tmp_path)
  found = evaluate(linear, quick, tmp_path)
  assert calls == [8, 8, 8, 4]  # the block that was under way is repeated, the first is not
  whole = Robustness(**dataclasses.asdict(quick))
  expected = evaluate(linear, whole, tmp_path / "whole")
  assert {**found, "seconds": 0} == {**expected, "seconds": 0}


def test_a_function_that_is_not_what_is_evaluated_is_warned_of(weights, tmp_path):
  other = apr_jax.FromFunction(
    lambda images: images.reshape(len(images), -1) / np.float32(255) @ weights,
    10,
    SIZE,
    name="two functions",
    jax_logits=lambda images: jnp.roll(images.reshape(len(images), -1) @ weights, 1, axis=1),
  )
  quick = dataclasses.replace(QUICK, attacks=("apgd-ce",), images=10)
  warnings = evaluate(other, quick, tmp_path)["warnings"]
  assert any("jax_logits and logits disagree" in warning for warning in warnings)


def test_pgd_is_no_stronger_than_the_closed_form_allows(weights, linear, tmp_path):
  pgd = dataclasses.replace(SUITES["pgd"], epsilon=EPSILON, images=60)
  found = evaluate(linear, pgd, tmp_path)
  test = data.load("digits", "test", image_size=SIZE)
  positions = np.arange(60) * 360 // 60
  expected = 100 * stands(weights, test.images[positions], test.labels[positions]).mean()
  assert expected <= found["robust_accuracy"] <= expected + 5 < found["clean_accuracy"]


def test_a_classifier_without_gradients_is_one_line(weights, tmp_path):
  plain = apr_jax.FromFunction(
    lambda images: images.reshape(len(images), -1) @ weights, 10, SIZE, name="plain"
  )
  with pytest.raises(UserError, match=r"the suite attacked needs jax_logits, which 'plain' lacks"):
    evaluate(plain, QUICK, tmp_path)


def test_options_are_set_by_name():
  chosen = configure(SUITES, ["autoattack.images=50", "autoattack.epsilon=1", "ood.scores=()"])
  assert chosen["autoattack"] == dataclasses.replace(SUITES["autoattack"], images=50, epsilon=1.0)


@pytest.mark.parametrize(
  "setting, words",
  [
    ("autoattack.image=5", "unknown option of the suite autoattack 'image'; did you mean 'images'"),
    ("autoatack.images=5", "did you mean 'autoattack'"),
    ("autoattack.images=few", "is of type int, such as 0; got 'few'"),
    ("images=5", "an option is SUITE.OPTION=VALUE"),
  ],
)
def test_unknown_options_are_one_line(setting, words):
  with pytest.raises(UserError) as error:
    configure(SUITES, [setting])
  assert words in str(error.value) and "\n" not in str(error.value)


def test_images_of_other_settings_stay_apart_in_one_folder(linear, tmp_path):
  attack = dataclasses.replace(QUICK, attacks=("apgd-ce",), images=1, save_adversarial=True)
  first = evaluate(linear, attack, tmp_path, resize=SIZE)
  other = evaluate(linear, attack, tmp_path, resize=12)
  assert first["files"] != other["files"]
  expected = np.load(tmp_path / "adversarial" / first["files"][0])["images"]
  evaluate(linear, attack, tmp_path, resize=SIZE)  # nothing is attacked again
  np.testing.assert_array_equal(np.load(tmp_path / IMAGES)["images"], expected)
