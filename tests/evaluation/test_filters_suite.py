"""The suite filters: every number against NumPy, and what it refuses."""

import json
import types

import numpy as np
import pytest

import apr_jax
from apr_jax import filters
from apr_jax.errors import UserError
from apr_jax.evaluation import runner
from apr_jax.evaluation.filters import Filters
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.suites import SUITES

RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.standard_normal((3, 3, 3, 10)).astype(np.float32)
GAIN = RANDOM.uniform(0.5, 4, 10).astype(np.float32)
SMALL = Filters(noise=500)


def classifier(**abilities):
  return types.SimpleNamespace(
    name="mine",
    num_classes=3,
    image_size=(8, 8),
    fingerprint="f",
    logits=lambda images: np.zeros((len(images), 3), np.float32),
    **abilities,
  )


def task_of(**abilities):
  return types.SimpleNamespace(classifier=classifier(**abilities))


def scores(suite=SMALL, **abilities):
  results = {name: compute() for name, compute in suite.parts(task_of(**abilities))}
  return suite.summarise(json.loads(json.dumps(results)))


def by_hand(kernel):
  """Shares in percent `[O, 3]` and centroids `[O]`, in float64."""
  along = 2 * np.fft.fftfreq(32)
  radius = np.hypot(along[:, None], along)
  spectra = np.fft.fft2(kernel.astype(float), s=(32, 32), axes=(0, 1))
  power = (np.abs(spectra) ** 2).sum(2)
  power /= power.sum((0, 1))
  bands = [radius <= 0.65, (radius > 0.65) & (radius <= 0.92), radius > 0.92]
  shares = 100 * np.stack([power[mask].sum(0) for mask in bands], 1)
  return shares, (power * radius[..., None]).sum((0, 1))


def values(by_band):
  assert list(by_band) == ["low", "middle", "high"]
  return [*by_band.values()]


@pytest.mark.parametrize("gain", [None, GAIN])
def test_the_numbers_are_those_of_numpy(gain):
  found = scores(first_kernel=KERNEL, first_gain=gain)
  for part, kernel in ((found, KERNEL), (found["without_constant"], KERNEL - KERNEL.mean((0, 1)))):
    shares, centroids = by_hand(kernel)
    assert values(part["mean_shares"]) == pytest.approx(shares.mean(0), abs=1e-3)
    classes = 10 * np.bincount(shares.argmax(1), minlength=3)
    assert values(part["classes"]) == pytest.approx(classes, abs=1e-3)
    energy = (KERNEL.astype(float) ** 2).sum((0, 1, 2)) * (1 if gain is None else gain)
    assert values(part["weighted_shares"]) == pytest.approx(
      energy @ shares / energy.sum(), abs=1e-3
    )
    assert part["centroid_mean"] == pytest.approx(centroids.mean(), abs=1e-5)
    assert part["centroid_std"] == pytest.approx(centroids.std(), abs=1e-5)
  shares, centroids = by_hand(KERNEL)
  assert found["weights"] == ("energy" if gain is None else "energy and gain")
  assert found["kernel"] == [3, 3, 3, 10] and found["silent"] == 0
  assert [each["centroid"] for each in found["by_filter"]] == pytest.approx(centroids, abs=1e-5)
  assert [each["high"] for each in found["by_filter"]] == pytest.approx(shares[:, 2], abs=1e-3)


def test_white_noise_stands_beside_it():
  white = scores(first_kernel=KERNEL)["white"]
  expected = filters.white_baseline(3, 3, count=500)
  assert values(white["mean_shares"]) == pytest.approx(100 * expected.mean_shares)
  assert values(white["classes"]) == pytest.approx(100 * expected.classes)
  # what layers of ten white filters do, drawn two hundred times
  shares, _ = by_hand(np.random.default_rng(1).standard_normal((3, 3, 3, 2000)))
  layers = shares.reshape(200, 10, 3)
  assert values(white["deviation"]["mean_shares"]) == pytest.approx(layers.mean(1).std(0), rel=0.15)
  classes = np.eye(3)[layers.argmax(2)].mean(1)
  assert values(white["deviation"]["classes"]) == pytest.approx(100 * classes.std(0), rel=0.2)


def test_the_profile():
  kernel = np.zeros((3, 3, 3, 3), np.float32)
  kernel[1, 1] = 1  # white: each ring has the mean power
  kernel[..., 2] = 0  # and one filter that counts nowhere
  found = scores(first_kernel=kernel)
  assert found["silent"] == 1 and values(found["classes"])[2] == 100
  assert found["profile"]["mean"] == pytest.approx(np.ones(16), abs=1e-5)
  assert found["profile"]["std"] == pytest.approx(np.zeros(16), abs=1e-5)
  assert found["profile"]["radius"] == pytest.approx((np.arange(16) + 0.5) * 2**0.5 / 16)


def test_filters_of_one_pixel_have_no_rest():
  found = scores(first_kernel=np.ones((1, 1, 2, 5)))
  assert found["without_constant"] is None
  assert values(found["mean_shares"]) == pytest.approx([33.30, 32.42, 34.28], abs=0.01)


def test_the_line_and_the_headline():
  summary = scores(first_kernel=KERNEL)
  low, middle, high = values(summary["mean_shares"])
  (line,) = SMALL.lines(summary)
  assert line.startswith(
    f"first layer low        {low:6.2f} %   (middle {middle:.2f}, high {high:.2f}"
  )
  assert line.endswith("10 filters of 3 × 3 × 3)")
  assert Filters().headlines["first_layer_low"].read(summary) == low


@pytest.mark.parametrize(
  "abilities, message",
  [
    ({"first_kernel": np.zeros((3, 3, 3, 4))}, "of 'mine' is zero everywhere or not finite"),
    ({"first_kernel": KERNEL * np.nan}, "of 'mine' is zero everywhere or not finite"),
    ({"first_kernel": KERNEL[0]}, "a kernel must be real numbers"),
    ({"first_kernel": KERNEL, "first_gain": GAIN[:4]}, "one number per filter"),
    (
      {},
      "the suite filters needs first_kernel, which 'mine' lacks: .*FromFunction .* first_kernel=",
    ),
  ],
)
def test_what_cannot_be_measured_is_one_line(abilities, message):
  with pytest.raises(UserError, match=message):
    scores(**abilities)


def test_the_noise_must_be_some():
  with pytest.raises(UserError, match="noise of 2 filters or more, got 1"):
    scores(Filters(noise=1), first_kernel=KERNEL)


def test_a_function_with_its_kernel_is_evaluated_and_one_without_is_refused(tmp_path):
  def logits(images):
    return np.eye(10, dtype=np.float32)[images[:, 0, 0, 0] % 10]

  with_kernel = apr_jax.FromFunction(logits, 10, (32, 32), name="mine", first_kernel=KERNEL)
  found = apr_jax.evaluate(
    with_kernel, "digits", suites={"filters": SMALL}, out=tmp_path / "with", limit=8, report=False
  )
  assert found["filters"] == scores(first_kernel=KERNEL)
  assert SUITES["filters"] == Filters()
  without = apr_jax.FromFunction(logits, 10, (32, 32), name="mine")
  with pytest.raises(UserError, match="the suite filters needs first_kernel"):
    runner.evaluate(without, Settings("digits"), ("filters",), tmp_path / "without", quiet=True)
