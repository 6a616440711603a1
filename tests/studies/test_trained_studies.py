"""The studies of trained networks: what is trained, what is read off the results, and one of them
from end to end.
"""

import json
import math

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import apr_jax
from apr_jax import config_files, data, experiment, models
from apr_jax.augment.bands import Bands
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.errors import UserError
from apr_jax.evaluation.clean import Clean
from apr_jax.evaluation.corruptions import Corruptions
from apr_jax.evaluation.suites import SUITES
from apr_jax.models.layers import BatchNorm, head, mark_last_map
from apr_jax.studies import trained
from apr_jax.studies.bands import TrainedOnBands, input_statistics, published_accuracy
from apr_jax.studies.labels import TwoLabelCurves
from apr_jax.studies.modulation import Modulation
from apr_jax.studies.proportion import FilterProportion
from apr_jax.studies.run import run
from apr_jax.training import loop


class Tiny(nn.Module):
  """Patches, each seen by the classes for itself."""

  num_classes: int
  dtype: jnp.dtype = jnp.float32
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images, train):
    x = nn.Conv(16, (4, 4), strides=(4, 4), dtype=self.dtype)(images)
    x = mark_last_map(self, nn.relu(BatchNorm(axis_name=self.axis_name)(x, train)))
    return head(x.reshape(len(x), 1, 1, -1), self.num_classes)


TINY = (
  "model.name=tiny",
  "data.image_size=8",
  "data.limit=640",
  "epochs=6",
  "batch_size=64",
  "eval_every_epochs=0",
)


@pytest.fixture
def tiny(monkeypatch, request_in):
  """A request for networks of a moment."""
  monkeypatch.setitem(models.NETWORKS, "tiny", Tiny)
  file = config_files.FOLDER / "digits_standard.py"
  return request_in(quick=True, config=str(file), changes=TINY)


def test_the_heat_map_by_bands_by_hand():
  # 4 pixels: frequencies −2..1 in units of Nyquist −1, −0.5, 0, 0.5.
  errors = np.arange(16.0).reshape(4, 4)
  coordinates = (-1, -0.5, 0, 0.5)
  by_hand = {"low": [], "middle": [], "high": []}
  for row, y in enumerate(coordinates):
    for column, x in enumerate(coordinates):
      radius = math.hypot(y, x)
      band = "low" if radius <= 0.65 else "middle" if radius <= 0.92 else "high"
      by_hand[band].append(errors[row, column])
  assert [len(found) for found in by_hand.values()] == [5, 4, 7]
  found = trained.by_band({"map": errors.tolist(), "first_frequency": [-2, -2]}, (4, 4))
  assert found == {band: pytest.approx(np.mean(values)) for band, values in by_hand.items()}


def test_headlines_by_hand():
  names = [name for category in trained.CATEGORIES.values() for name in category]
  assert sorted(names) == sorted(apr_jax.corruptions.CORRUPTIONS)
  by_name = {name: [float(place), place + 2.0] for place, name in enumerate(names)}
  found = trained.headline(
    {
      "clean": {"error": 5.0},
      "corruptions": {"mean_error": 8.0, "by_corruption": by_name},
      "ood": {"a": {"max_logit": {"auroc": 80}}, "b": {"max_logit": {"auroc": 90}}, "mean": 1},
    }
  )
  assert found == {
    "clean": 5.0,
    "corrupted": 8.0,
    "noise": 2.0,
    "blur": 5.5,
    "weather": 9.5,
    "digital": 13.5,
    "ood": 85.0,
  }


def test_the_spread_over_seeds_by_hand():
  assert trained.mean_and_spread([1.0, 3.0]) == {
    "mean": 2.0,
    "deviation": pytest.approx(math.sqrt(2)),
    "values": [1.0, 3.0],
  }
  assert trained.mean_and_spread([4.0])["deviation"] is None


def test_statistics_of_what_is_left_are_numpys():
  images = data.load("digits", "train", image_size=16).images[:30]
  left = Bands("low", "all", (2.0, 5.0))
  spectrum = np.fft.fft2(images / 255.0, axes=(1, 2))
  rows, columns = np.indices((16, 16))
  low = np.hypot((rows + 8) % 16 - 8, (columns + 8) % 16 - 8)[..., None] < 2
  amplitude = np.where(low, np.abs(spectrum), 1)
  values = np.fft.ifft2(amplitude * np.exp(1j * np.angle(spectrum)), axes=(1, 2)).real
  mean, deviation = input_statistics(images, left)
  np.testing.assert_allclose(mean, values.mean((0, 1, 2)), atol=1e-4)
  np.testing.assert_allclose(deviation, values.std((0, 1, 2)), rtol=1e-3)
  mean, deviation = input_statistics(images, Bands())
  np.testing.assert_allclose(mean, (images / 255).mean((0, 1, 2)), rtol=1e-6)
  np.testing.assert_allclose(deviation, (images / 255).std((0, 1, 2)), rtol=1e-6)


def test_the_published_table_has_the_published_sign():
  table = published_accuracy()
  assert len(table) == 16 and table["all/all"] == 93.0 and table["high/middle"] == 26.9
  results = {
    name: {"accuracy": accuracy, "input": {}, "classes": 10} for name, accuracy in table.items()
  }
  summary = TrainedOnBands().summarise(results)
  assert summary["spreads"] == summary["published"]["spreads"] == {"amplitude": 44.4, "phase": 15.2}
  assert summary["agrees"] is True
  turned = {"/".join(reversed(name.split("/"))): found for name, found in results.items()}
  assert TrainedOnBands().summarise(turned)["agrees"] is False
  assert TrainedOnBands().summarise({"low/low": results["low/low"]})["agrees"] is None


def test_the_curves_of_two_labels_must_all_rise():
  def scores(clean, corrupted, ood):
    return {"clean": clean, "corrupted": corrupted, "ood": ood}

  study = TwoLabelCurves(shares=(0.0, 1.0), mixed=(), seeds=(0,))
  ends = {"trained/0/seed0": scores(5, 20, 80), "trained/1/seed0": scores(4, 15, 90)}
  summary = study.summarise(ends)
  assert summary["curves"]["trained"] == {
    "share": [0.0, 1.0],
    "clean": [5, 4],
    "corrupted": [20, 15],
    "ood": [80, 90],
  }
  assert summary["agrees"] is True
  assert summary["monotone"] == {"trained": ["clean", "corrupted", "ood"]}
  worse = study.summarise(ends | {"trained/1/seed0": scores(4, 15, 70)})
  assert worse["agrees"] is False and worse["monotone"] == {"trained": ["clean", "corrupted"]}


def test_a_proportion_matters_if_it_does_more_than_the_seed():
  study = FilterProportion(seeds=(0, 1), sweep=())

  def results(range_of_means):
    return {
      f"{name}/seed{seed}": {"clean": 1.0, "noise": 1.0, "corrupted": 20 + own + seed}
      for name, own in zip(
        ("free", "low", "middle", "high", "balanced"), (0, 0, 0, 0, range_of_means)
      )
      for seed in (0, 1)
    }

  summary = study.summarise(results(3))
  assert summary["range"] == 3 and summary["seed_deviation"] == pytest.approx(math.sqrt(0.5))
  assert summary["agrees"] is True and study.summarise(results(1))["agrees"] is False
  one = {name: found for name, found in results(3).items() if name.endswith("seed0")}
  assert FilterProportion(seeds=(0,), sweep=()).summarise(one)["agrees"] is None


def test_the_gain_of_modulation_is_against_the_plain_network():
  errors = {"plain": 20, "modulation": 19, "modulation_a": 18, "b": 15, "modulation_b": 15}
  results = {f"{name}/seed0": {"clean": 5.0, "corrupted": error} for name, error in errors.items()}
  results["modulation_ab/seed0"] = {"clean": 5.0, "corrupted": 16.0}
  summary = Modulation(seeds=(0,), apr_sp=False).summarise(results)
  assert summary["gains"]["modulation_ab"] == 4 and summary["agrees"] is True
  assert summary["from_layer"] is False  # B alone gains 5


@pytest.mark.parametrize("study", [FilterProportion(), Modulation(), TwoLabelCurves()])
def test_every_variant_is_a_configuration_of_its_own(study, request_in):
  base = study.base(request_in(quick=True))
  made = [trained.changed(base, changes) for changes in study.variants().values()]
  assert len({json.dumps(trained.identity(config)) for config in made}) == len(made) > 5
  for config in made:
    experiment.check(config)
  # What stands in the configuration of the whole size is the published experiment.
  full = study.base(request_in())
  assert (full.model.name, full.data.name, full.epochs) == ("resnet18_cifar", "cifar10", 200)
  assert len(list(study.parts(request_in()))) >= 3 * len(study.seeds)


def test_a_wrong_network_or_configuration_is_one_line(tiny, request_in):
  with pytest.raises(UserError, match="there is no network 'low'; the networks are all/all"):
    run("bands", TrainedOnBands(only=("low",)), tiny)
  with pytest.raises(UserError, match="radii must be two growing numbers"):
    run("bands", TrainedOnBands(radii=(9.0, 4.0)), tiny)
  with pytest.raises(UserError, match="epochs must be above 0"):
    run("bands", TrainedOnBands(), request_in(quick=True, changes=("epochs=0",)))


@pytest.mark.slow
def test_networks_of_bands_from_training_to_table(tiny, monkeypatch):
  trainings = []
  train = loop.train

  def counted(config, folder, **options):
    trainings.append(folder.name)
    train(config, folder, **options)

  monkeypatch.setattr(loop, "train", counted)
  study = TrainedOnBands(radii=(2.0, 3.0), only=("low/low", "all/high"))
  results = run("bands", study, tiny)["results"]
  assert trainings == ["low_low", "all_high"]
  assert results["accuracy"]["low/low"] > 30 > 10 == results["chance"]
  classifier = apr_jax.load_classifier(tiny.workdir / "networks" / "low_low")
  test = data.load("digits", "test", image_size=8)
  right = classifier.logits(test.images).argmax(1) == test.labels
  assert results["accuracy"]["low/low"] == pytest.approx(100 * right.mean())
  # It answers to its band alone: what is high may be anything.
  checkers = np.indices((8, 8)).sum(0) % 2 * 20
  changed = np.clip(test.images[:20] // 2 + 60 + checkers[..., None], 0, 255).astype(np.uint8)
  same = np.clip(test.images[:20] // 2 + 70, 0, 255).astype(np.uint8)
  np.testing.assert_allclose(classifier.logits(changed), classifier.logits(same), atol=1e-3)
  with pytest.raises(UserError, match="no gradient passes through"):
    _ = classifier.jax_logits
  # A second start trains nothing.
  assert run("bands", study, tiny)["results"] == results and len(trainings) == 2


@pytest.mark.slow
def test_the_cheap_curve_is_one_network_read_in_several_ways(tiny, monkeypatch):
  few = {"clean": Clean(), "corruptions": Corruptions(("brightness",), (3,)), "ood": SUITES["ood"]}
  monkeypatch.setattr(TwoLabelCurves, "suites", lambda self: few)
  study = TwoLabelCurves(shares=(), mixed=(0.0, 0.5, 1.0), seeds=(0,), limit=40)
  results = run("labels", study, tiny)["results"]
  folder = tiny.workdir / "networks" / "share_0.5_seed0"
  assert [path.name for path in folder.parent.iterdir()] == [folder.name]
  test = data.load("digits", "test", image_size=8).take(40)
  phase, half, amplitude = (
    LoadedClassifier(folder, label_share=share).logits(test.images) for share in (1.0, None, 0.0)
  )
  np.testing.assert_allclose(half, (phase + amplitude) / 2, atol=1e-5)
  assert np.abs(phase - amplitude).max() > 0.01
  errors = [100 * (each.argmax(1) != test.labels).mean() for each in (amplitude, half, phase)]
  assert results["curves"]["mixed"]["clean"] == pytest.approx(errors)
