"""The benchmarks' own arithmetic, and that the speed baseline does the same work as ours."""

import importlib
import pathlib
import sys

import jax
import numpy as np
import pytest

from apr_jax.corruptions import corrupt, parameters


@pytest.fixture
def load(monkeypatch):
  """Imports a file of benchmarks/, which is not part of the package."""
  monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parents[2]))
  return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.mark.parametrize(
  "name",
  (
    "gaussian_noise",
    "shot_noise",
    "glass_blur",
    "motion_blur",
    "fog",
    "elastic_transform",
    "jpeg_compression",
  ),
)
def test_baseline_does_what_ours_does(name, load, photographs):
  baseline = load("corruption_speed").BASELINE[name]
  images = np.concatenate([photographs] * 4)
  rng = np.random.default_rng(0)
  theirs = np.stack([baseline(rng, image, parameters.at(name, 3, 32)) for image in images]).astype(
    float
  )
  ours = np.asarray(corrupt(jax.random.key(0), images, name, 3)).astype(float)
  np.testing.assert_allclose(
    np.abs(ours - images).mean(), np.abs(theirs - images).mean(), rtol=0.12
  )
  np.testing.assert_allclose((ours - images).std(), (theirs - images).std(), rtol=0.12)


def test_speed_counts_all_severities_and_a_last_partial_batch(load, photographs):
  speed = load("corruption_speed")
  running, compiling = speed.our_seconds("contrast", photographs[:5], 2)
  assert running > 0 and compiling > 0
  assert speed.baseline_seconds("jpeg_compression", photographs[:2]) > 0


def test_statistics_by_hand(load):
  fidelity = load("corruption_fidelity")
  clean = np.full((2, 8, 8, 3), 100, np.uint8)
  corrupted = clean.copy()
  corrupted[:, ::2] += 10
  mean, std, psnr = fidelity.statistics(corrupted, clean)
  np.testing.assert_allclose([mean, std, psnr], [5, 5, 10 * np.log10(255**2 / 50)])


def test_band_power_finds_a_wave_in_its_band(load):
  fidelity = load("corruption_fidelity")
  wave = np.cos(2 * np.pi * 6 * np.arange(32) / 32)[None, None, :, None] * np.ones((1, 32, 1, 3))
  power = fidelity.band_power(wave)
  assert power.argmax() == 2 and power[[0, 1, 3]].max() < 1e-9 * power[2]


def test_fidelity_fails_on_other_images_and_passes_on_our_own(
  load, photographs, tmp_path, monkeypatch, capsys
):
  fidelity = load("corruption_fidelity")
  # Two corruptions stand for all: compiling every set would take minutes.
  names = ("contrast", "impulse_noise")
  monkeypatch.setattr(fidelity, "CORRUPTIONS", names)
  monkeypatch.setattr(fidelity, "EXTRA_CORRUPTIONS", ())
  sets = {
    name: np.stack(
      [
        np.asarray(corrupt(jax.random.key(99), photographs, name, severity))
        for severity in (1, 2, 3, 4, 5)
      ]
    )
    for name in names
  }
  path = tmp_path / "aligned.npz"
  np.savez(path, clean=photographs, **sets)
  monkeypatch.setattr(sys, "argv", ["corruption_fidelity", "--aligned", str(path), "--keys", "8"])
  assert fidelity.main() == 0
  assert capsys.readouterr().out.count("PASS") == 11
  np.savez(
    path, clean=photographs, contrast=sets["contrast"][::-1], impulse_noise=sets["impulse_noise"]
  )
  assert fidelity.main() == 1
  assert "FAIL: 4 bars" in capsys.readouterr().out


def test_fidelity_without_its_file_says_so(load, monkeypatch, capsys):
  monkeypatch.setattr(sys, "argv", ["corruption_fidelity", "--aligned", "nowhere.npz"])
  assert load("corruption_fidelity").main() == 2
  assert "nowhere.npz" in capsys.readouterr().err
