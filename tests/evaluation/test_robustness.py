"""The suites of attacks: a linear network, whose standing images are known exactly."""

import dataclasses
import json
import os
import pathlib
import signal
import time

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

ROOT = pathlib.Path(__file__).parents[2]
EPSILON = 8 / 255
SIZE = 8  # pixels, for the attacks take thousands of steps
QUICK = Robustness(attacks=("apgd-ce", "apgd-t"), epsilon=EPSILON, images=20, block=8)


def fitted(pixels: int) -> np.ndarray:
  """The weights of a linear network that ridge regression fits to the digits; float32 `[D, 10]`."""
  train = data.load("digits", "train", image_size=pixels)
  inputs = train.images.reshape(len(train.images), -1) / 255
  targets = 10 * np.eye(10)[train.labels]
  ridge = inputs @ inputs.T + 2 * (pixels / SIZE) ** 2 * np.eye(len(inputs))
  return (inputs.T @ np.linalg.solve(ridge, targets)).astype(np.float32)


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
  """Of the network `linear`."""
  return fitted(SIZE)


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


@pytest.mark.parametrize(
  "masked, breaker, words",
  [
    (lambda logits, images: 1e4 * logits(images), "apgd-t", "the gradient of some images is zero"),
    (
      lambda logits, images: logits(jnp.round(images * 8) / 8),
      "square",
      "square uses no gradient and lowers the accuracy by",
    ),
  ],
  ids=["logits times 10,000", "quantised input"],
)
def test_masked_gradients_are_seen_through_and_told(tmp_path, masked, breaker, words):
  weights = fitted(32)

  def logits(images):
    return images.reshape(len(images), -1) @ weights

  classifier = apr_jax.FromFunction(
    None, 10, 32, name="masked", jax_logits=lambda images: masked(logits, images)
  )
  attack = Robustness(attacks=("apgd-ce", breaker), epsilon=4 * EPSILON, images=12)
  apr_jax.evaluate(classifier, "digits", suites={"autoattack": attack}, out=tmp_path, quiet=True)
  found = json.loads((tmp_path / "results.json").read_text())["autoattack"]
  assert found["clean_accuracy"] > 80 and found["by_attack"]["apgd-ce"] > 50
  assert found["robust_accuracy"] < 10 and found["broken_by"][breaker] >= 6
  told = [warning for warning in found["warnings"] if words in warning]
  assert told
  assert f"warning: {told[0]}" in (tmp_path / "report.html").read_text()


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


SMALL = '''
"""A small linear network."""

import pathlib

import numpy as np

import apr_jax

WEIGHTS = np.load(pathlib.Path(__file__).with_name("weights.npy"))


def small():
  return apr_jax.FromFunction(
    None, 10, 8, name="small", jax_logits=lambda images: images.reshape(len(images), -1) @ WEIGHTS
  )
'''


@pytest.mark.slow
def test_the_command_killed_and_restarted_gives_the_same_on_any_number_of_devices(tmp_path, forks):
  weights = fitted(8)
  np.save(tmp_path / "weights.npy", weights)
  (tmp_path / "small.py").write_text(SMALL)
  attacks, epsilon, blocks, out = ("apgd-ce", "square"), 0.8 * EPSILON, 4, tmp_path / "killed"

  def start(devices):
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    command = [
      "evaluate.py",
      f"--classifier={tmp_path / 'small.py'}:small",
      "--data=digits",
      "--suites=autoattack",
      f"--option=autoattack.attacks={attacks}",
      f"--option=autoattack.epsilon={epsilon}",
      f"--option=autoattack.images={6 * blocks}",
      "--option=autoattack.block=6",
      "--save_adversarial",
      "--noreport",
      f"--out={out}",
    ]
    return forks.start(command, env=os.environ | {"XLA_FLAGS": flags})

  def finished():
    return sum(len(path.read_text().splitlines()) - 1 for path in out.glob("parts-*.jsonl"))

  killed = start(devices=2)
  while killed.poll() is None and finished() < 1:
    time.sleep(0.05)
  killed.send_signal(signal.SIGKILL)
  assert killed.communicate() and killed.returncode == -signal.SIGKILL
  assert 1 <= finished() < blocks and not (out / IMAGES).exists()
  restarted = start(devices=1)
  _, errors = restarted.communicate(timeout=300)
  assert restarted.returncode == 0, errors
  assert finished() == blocks

  # in one piece, in this process, on its four devices
  small = apr_jax.FromFunction(
    None, 10, 8, name="small", jax_logits=lambda images: images.reshape(len(images), -1) @ weights
  )
  attack = Robustness(
    attacks=attacks, epsilon=epsilon, images=6 * blocks, block=6 * blocks, save_adversarial=True
  )
  whole = evaluate(small, attack, tmp_path / "whole")
  found = json.loads((out / "results.json").read_text())["autoattack"]
  of_blocks = ("seconds", "files", "examples")
  assert {key: value for key, value in found.items() if key not in of_blocks} == {
    key: value for key, value in whole.items() if key not in of_blocks
  }
  assert 10 < found["robust_accuracy"] < 90
  expected = np.load(tmp_path / "whole" / IMAGES)
  for name, values in np.load(out / IMAGES).items():
    np.testing.assert_array_equal(values, expected[name])
