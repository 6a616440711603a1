"""What a stranger adds: a method, a network and an evaluator, each a file's worth and one entry.

Each class below could stand in a file of its own. The only other thing that is done with it is one
entry in one table.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import apr_jax
from apr_jax import data, experiment, keys, models
from apr_jax.augment.method import Batch, Method
from apr_jax.augment.methods import METHODS
from apr_jax.errors import UserError
from apr_jax.evaluation.evaluator import Evaluator, Headline
from apr_jax.evaluation.suites import SUITES
from apr_jax.models.layers import BatchNorm, head, mark_last_map
from apr_jax.report.results import all_metrics, read_scores
from apr_jax.settings import setting, share
from apr_jax.training import loop
from configs import digits_base


@dataclasses.dataclass(frozen=True)
class Negative(Method):
  """Inverts some of the images."""

  prob: float = setting(0.0, "of inverting an image; 0 = off", share())

  stage: ClassVar[str] = "pixels"

  @property
  def on(self) -> bool:
    return self.prob > 0

  def __call__(self, batch: Batch) -> Batch:
    image_keys = keys.per_image(batch.draw("negative"), batch.images, batch.positions)
    chosen = jax.vmap(lambda key: jax.random.bernoulli(key, self.prob))(image_keys)
    images = jnp.where(chosen[:, None, None, None], 1 - batch.images, batch.images)
    return batch.change(images=images)


class Patches(nn.Module):
  """Patches, each seen by the classes for itself."""

  num_classes: int
  dtype: Any = jnp.float32
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array:
    x = nn.Conv(32, (8, 8), strides=(8, 8), dtype=self.dtype)(images)
    x = mark_last_map(self, nn.relu(BatchNorm(axis_name=self.axis_name)(x, train)))
    return head(x.reshape(len(x), 1, 1, -1), self.num_classes)


@dataclasses.dataclass(frozen=True)
class Upside(Evaluator):
  """The error on images that are turned upside down."""

  turns: int = 2

  headlines: ClassVar = {"upside_error": Headline("upside error %", lambda found: found["error"])}

  def parts(self, task):
    yield "upside", lambda: self._score(task)

  def summarise(self, results):
    return results["upside"]

  def lines(self, summary):
    return [f"upside-down error      {summary['error']:6.2f} %"]

  def _score(self, task):
    images = np.rot90(task.test.images, self.turns, axes=(1, 2))
    wrong = task.logits(np.ascontiguousarray(images)).argmax(1) != task.test.labels
    return {"error": 100 * float(wrong.mean()), "examples": len(wrong)}


@pytest.fixture
def added(monkeypatch):
  monkeypatch.setitem(METHODS, "negative", Negative)
  monkeypatch.setitem(models.NETWORKS, "patches", Patches)
  monkeypatch.setitem(SUITES, "upside", Upside())


@pytest.fixture
def config(added):
  config = digits_base.get_config()
  config.update_from_flattened_dict(
    {
      "model.name": "patches",
      "augment.negative.prob": 0.2,
      "augment.apr_p.prob": 0.6,
      "epochs": 4,
      "batch_size": 32,
      "data.limit": 640,
      "optimizer.learning_rate": 0.02,
      "eval_every_epochs": 0,
      "schedule.warmup_epochs": 0.0,
    }
  )
  return config


def test_they_train_and_evaluate_together(config, tmp_path):
  loop.train(config, str(tmp_path / "run"), quiet=True)
  classifier = apr_jax.load_classifier(tmp_path / "run")
  results = apr_jax.evaluate(
    classifier, suites=("clean", "upside"), limit=100, out=tmp_path / "run" / "eval", quiet=True
  )

  test = data.load("digits", "test").take(100)
  wrong = classifier.logits(test.images[:, ::-1, ::-1]).argmax(1) != test.labels
  assert results["upside"] == {"error": pytest.approx(100 * wrong.mean()), "examples": 100}
  assert results["clean"]["error"] < 50 < results["upside"]["error"]
  assert (tmp_path / "run" / "eval" / "report.html").is_file()

  # The score is in the tables, as any other.
  assert all_metrics()["upside_error"].title == "upside error %"
  assert read_scores(tmp_path / "run").value("upside_error") == results["upside"]["error"]


def test_a_methods_settings_are_configuration_keys_with_rules(config):
  experiment.check(config)
  config.augment.negative.prob = 1.5
  with pytest.raises(UserError, match=r"augment\.negative\.prob must be in 0\.\.1, got 1\.5"):
    experiment.check(config)
  config.augment.negative.prob = 0.5
  config.augment.cutout.size = 4
  with pytest.raises(UserError, match=r"augment\.cutout and augment\.negative exclude each other"):
    experiment.check(config)


def test_a_network_has_the_first_layers_settings_for_free(config):
  config.model.update(num_classes=10, image_size=(32, 32))
  config.model.first_layer.kind = "modulation"
  model = experiment.build(config).model
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))
  stem = shapes["params"]["network"]["Conv_0"]
  assert {name: leaf.shape for name, leaf in stem.items()} == {
    "coefficients": (8, 8, 3, 32),
    "gain_logits": (32, 3),
    "bias": (32,),
  }


def test_a_method_changes_what_the_network_sees(config):
  config.augment.update(crop_padding=0, flip=False)
  config.augment.apr_p.prob = 0.0
  config.augment.negative.prob = 1.0
  config.model.update(num_classes=10, image_size=(32, 32))
  test = data.load("digits", "test").take(4)
  augmentation = experiment.build(config).augmentation
  views, targets = augmentation(
    jax.random.key(0), test.images, test.labels, jnp.arange(4), jnp.int32(0)
  )
  np.testing.assert_allclose(views[0], 1 - test.images / 255, atol=1e-6)
  np.testing.assert_array_equal(targets.argmax(1), test.labels)
