"""The studies without training, against NumPy and scikit-learn."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from apr_jax import data
from apr_jax.errors import UserError
from apr_jax.evaluation.swap import panel
from apr_jax.evaluation.thumbnails import from_text
from apr_jax.studies import swap, tsne
from apr_jax.studies.run import run
from apr_jax.studies.swap import SwapGallery
from apr_jax.studies.templates import Templates
from apr_jax.studies.tsne import HighAmplitude


def test_features_are_log_amplitudes_of_one_bin_of_each_pair():
  images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
  found = tsne.features(images, 16)
  # 231 bins at D ≥ 16, of which (16, 0), (0, 16) and (16, 16) are their own mirrors.
  assert found.shape == (2, 3 * (3 + (231 - 3) // 2))
  rows, columns = np.indices((32, 32))
  distance = np.hypot((rows + 16) % 32 - 16, (columns + 16) % 32 - 16)
  for image, row in zip(images, found):
    amplitude = np.abs(np.fft.fft2(image / 255.0, axes=(0, 1)))
    everything = np.log1p(amplitude[distance >= 16]).ravel()
    # Each pair counts twice there and once here, each mirror of itself once in both.
    own = np.log1p(amplitude[[16, 0, 16], [0, 16, 16]]).ravel()
    np.testing.assert_allclose(2 * row.sum() - own.sum(), everything.sum(), rtol=1e-12)
    assert set(np.round(row, 9)) == set(np.round(everything, 9))


def test_no_frequency_that_high_is_one_line():
  with pytest.raises(UserError, match="8 × 8 pixels have no frequency of 16 or more"):
    tsne.features(np.zeros((1, 8, 8, 3), np.uint8), 16)


def test_separability_is_that_of_scikit_learn_by_hand():
  rng = np.random.default_rng(1)
  values = rng.normal(size=(60, 4)) * (1, 10, 0.1, 3) + 5
  sides = np.repeat([0, 1], 30)
  values[30:, 0] += 1.5
  by_hand = []
  for fit, held in StratifiedKFold(5, shuffle=True, random_state=3).split(values, sides):
    mean, std = values[fit].mean(0), values[fit].std(0)
    # All four components are kept, which is a rotation, and rotations leave the ridge as it is.
    model = LogisticRegression(max_iter=5000).fit((values[fit] - mean) / std, sides[fit])
    by_hand.append((model.predict((values[held] - mean) / std) == sides[held]).mean())
  found = tsne.separability(values, sides, seed=3)
  np.testing.assert_allclose(found, by_hand)
  assert 0.6 < found.mean() < 1


def test_what_is_the_same_cannot_be_told_apart_and_noise_can():
  images = data.load("digits", "test").images[:60]
  same = tsne.features(np.concatenate([images, images[::-1]]), 16)
  noisy = np.clip(images + np.random.default_rng(0).normal(0, 8, images.shape), 0, 255)
  other = tsne.features(np.concatenate([images, noisy.astype(np.uint8)]), 16)
  sides = np.repeat([0, 1], 60)
  assert tsne.separability(same, sides).mean() < 0.6
  assert tsne.separability(other, sides).mean() > 0.95


def test_the_study_of_amplitudes_and_its_sign(request_in):
  study = HighAmplitude("digits", "digits", images=20, severities=(1,), perplexity=5.0)
  written = run("tsne", study, request_in())
  found = written["results"]["comparisons"]
  assert found["noise/1"]["accuracy"] > 0.75 and np.shape(found["noise/1"]["points"]) == (40, 2)
  # A set against itself is the clearest case of what cannot be told apart.
  assert found["other"]["accuracy"] < 0.75 and written["results"]["agrees"] is True
  numbers = {"noise/1": {"accuracy": 0.9}, "other": {"accuracy": 0.8}}
  assert study.summarise(numbers)["agrees"] is False
  assert written["meta"]["conditions"]["digits"]["source"] == "digits"


def test_templates_are_the_dft(request_in):
  study = Templates("digits", image=3, row=2, column=-1)
  results = run("templates", study, request_in())["results"]
  image = data.load("digits", "test").images[3].mean(-1) / 255
  exact = np.fft.fft2(image)[2, -1]
  frequency = results["frequency"]
  np.testing.assert_allclose(frequency["contrasts"], [exact.real, exact.imag], atol=1e-3)
  assert frequency["phase"] == pytest.approx(np.angle(exact), abs=1e-4)
  cos_plus, cos_minus, sin_plus, sin_minus = frequency["responses"].values()
  assert cos_plus - cos_minus == pytest.approx(exact.real, abs=1e-3)
  assert sin_plus - sin_minus == pytest.approx(exact.imag, abs=1e-3)
  assert results["agrees"] and results["against_dft"]["difference"] < 1e-6
  assert min(frequency["responses"].values()) > 0


def test_an_image_that_is_not_there_is_one_line(request_in):
  with pytest.raises(UserError, match="has 360 images in its test split"):
    run("templates", Templates("digits", image=360), request_in())


class Fixed:
  """A classifier that says how bright an image is."""

  num_classes, image_size, name, fingerprint, kind = 10, (32, 32), "fixed", "f", "function"
  defaults: ClassVar = {"data": "digits"}

  def logits(self, images):
    logits = np.zeros((len(images), 10), np.float32)
    logits[np.arange(len(images)), images.astype(int).sum((1, 2, 3)) % 10] = 2
    return logits


@pytest.fixture
def fixed(monkeypatch, tmp_path):
  monkeypatch.setattr(swap, "_classifier", lambda folder: Fixed())
  folders = [tmp_path / name for name in ("a", "b")]
  for folder in folders:
    folder.mkdir()
  return tuple(map(str, folders))


def test_the_gallery_shows_pairs_chosen_by_rule_and_what_is_said_of_them(fixed, request_in):
  request = request_in(runs=fixed)
  results = run("swap", SwapGallery(shown=2, limit=40), request)["results"]
  test = data.load("digits", "test").take(40)
  firsts = [int(np.flatnonzero(test.labels == label)[0]) for label in range(3)]
  for number, example in enumerate(results["examples"][:2]):
    pictures = panel(test.images[firsts[number]], test.images[firsts[number + 1]])
    np.testing.assert_array_equal([from_text(text) for text in example["pictures"]], pictures)
    assert example["labels"] == [number, number + 1]
    expected = Fixed().logits(pictures).argmax(1).tolist()
    assert example["answers"]["a"]["predictions"] == expected
  assert results["examples"][2]["set"] == "photo_patches"
  assert results["rates"]["a"]["in_distribution"]["pairs"] > 20
  # Two networks that answer alike.
  assert results["more_phase"] is False
  rates = {"phase": 60.0, "amplitude": 30.0}, {"phase": 70.0, "amplitude": 20.0}
  told = {f"rates/{name}": {"in_distribution": found} for name, found in zip("ab", rates)}
  summary = SwapGallery().summarise({"images": []} | told)
  assert summary["more_phase"] is True and summary["agrees"] is False


def test_pairs_may_be_named_and_must_be_there(fixed, request_in):
  study = SwapGallery(pairs=("3-10",), shown=1, limit=40)
  results = run("swap", study, request_in(runs=fixed))["results"]
  test = data.load("digits", "test")
  np.testing.assert_array_equal(from_text(results["examples"][0]["pictures"][1]), test.images[10])
  for pair, message in (("3-400", "beyond the 40 test images"), ("3+4", "a pair is FIRST-SECOND")):
    with pytest.raises(UserError, match=message):
      run("swap", dataclasses.replace(study, pairs=(pair,)), request_in(runs=fixed))


def test_networks_that_are_not_there_are_one_line(request_in, tmp_path):
  with pytest.raises(UserError, match="there is no folder .*nowhere"):
    run("swap", SwapGallery(), request_in(runs=(str(tmp_path / "nowhere"),)))
