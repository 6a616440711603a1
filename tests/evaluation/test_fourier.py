"""The Fourier heat map on planted networks, and against a loop over NumPy's inverse transforms."""

import numpy as np
import pytest

from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation import fourier, runner
from apr_jax.evaluation.clean import Clean
from apr_jax.evaluation.fourier import Fourier
from apr_jax.evaluation.settings import Settings


def grey(count, height, width, labels=None):
  """Images of one grey value, where no perturbation is clipped."""
  labels = np.zeros(count, np.int32) if labels is None else np.array(labels, np.int32)
  return ArrayData(np.full((count, height, width, 3), 128, np.uint8), labels, 5, "grey")


def scores(task, suite=None):
  suite = suite or Fourier()
  return suite.summarise({name: compute() for name, compute in suite.parts(task)})


def reads(frequencies, height, width):
  """A network that is linear in the pixels and correct unless the red channel holds one of some
  frequencies.
  """
  rows, columns = np.indices((height, width))
  waves = [
    function(2 * np.pi * (row * rows / height + column * columns / width)).ravel()
    for row, column in frequencies
    for function in (np.cos, np.sin)
  ]

  def logits(images):
    red = (images[..., 0].reshape(len(images), -1) - 128.0) / 255
    most = np.abs(red @ np.stack(waves, 1)).max(1)
    # Rounding leaves a little of every frequency; the perturbation itself gives hw/16 or more.
    return np.stack(
      [np.full(len(images), height * width / 32), most, *np.zeros((3, len(images)))], 1
    )

  return logits


@pytest.mark.parametrize("height, width", [(8, 8), (9, 7), (6, 9)])
@pytest.mark.parametrize("read", [((0, 0), (0, 1), (1, 0), (1, -1)), ((-2, 1),), ((2, -3), (3, 3))])
def test_errors_are_at_the_frequencies_that_the_network_reads_and_nowhere_else(
  planted, read, height, width
):
  results = scores(planted({"grey": grey(3, height, width)}, logits=reads(read, height, width)))
  errors = fourier.fourier_map({"fourier": results})
  assert errors.shape == (height, width) and results["first_frequency"] == [
    -(height // 2),
    -(width // 2),
  ]
  centre = np.array([height // 2, width // 2])
  expected = np.zeros((height, width))
  for frequency in read:
    for sign in (1, -1):
      expected[tuple((centre + sign * np.array(frequency)) % (height, width))] = 100
  np.testing.assert_array_equal(errors, expected)
  assert results["clean_error"] == 0 and results["examples"] == 3
  assert results["mean_error"] == pytest.approx(expected.mean())


def small_network(images):
  """A convolution, a square and a linear layer with random weights, in NumPy."""
  random = np.random.default_rng(1)
  kernel, matrix = random.normal(size=(2, 2, 3, 6)), random.normal(size=(6, 5))
  x = images / 255 - 0.5
  windows = np.stack([x[:, i : i + 5, j : j + 5] for i in (0, 1) for j in (0, 1)], -2)
  features = np.einsum("nhwkc,kcf->nhwf", windows, kernel.reshape(4, 3, 6))
  return (features**2).mean((1, 2)) @ matrix


def test_the_map_equals_a_loop_over_inverse_transforms(planted):
  random = np.random.default_rng(0)
  images = random.integers(0, 256, (40, 6, 6, 3), dtype=np.uint8)
  test = ArrayData(images, small_network(images).argmax(1).astype(np.int32), 5, "random")
  results = scores(planted({"random": test}, logits=small_network))
  signs = fourier.signs_of(np.arange(40), 3)
  for row in range(-3, 3):
    for column in range(-3, 3):
      mirror = tuple((-frequency + 3) % 6 - 3 for frequency in (row, column))
      first, second = sorted([(row, column), mirror])
      spectrum = np.zeros((6, 6), complex)
      spectrum[first] += 0.5 + 0.5j
      spectrum[second] += 0.5 - 0.5j
      basis = np.fft.ifft2(spectrum).real * 6
      assert np.linalg.norm(basis) == pytest.approx(1)
      noisy = images / 255 + 6 / 8 * signs[:, None, None, :] * basis[..., None]  # norm 4 · 6/32
      wrong = small_network(np.rint(255 * np.clip(noisy, 0, 1))).argmax(1) != test.labels
      assert results["map"][row + 3][column + 3] == pytest.approx(100 * wrong.mean()), (row, column)
  assert (
    len(set(np.ravel(results["map"]))) > 5
    and results["norm"] == 0.75
    and results["clean_error"] == 0
  )


def test_signs_are_fair_and_of_the_image_alone():
  signs = fourier.signs_of(np.arange(3000), 3)
  assert signs.shape == (3000, 3) and set(np.unique(signs)) == {-1, 1}
  np.testing.assert_array_less(np.abs(signs.mean(0)), 0.06)  # three standard deviations
  assert {tuple(triple) for triple in signs[:100]} == {
    (i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)
  }
  np.testing.assert_array_equal(fourier.signs_of(np.array([7, 2000]), 3), signs[[7, 2000]])


@pytest.mark.parametrize(
  "size, norm",
  [
    ((32, 32), 4),
    ((224, 224), 15.7),
    ((8, 8), 1),
    ((299, 299), 15.7 * 299 / 224),
    ((128, 128), 64 * (4 / 32 + 15.7 / 224)),
    ((8, 32), 2),
  ],
)
def test_norms(size, norm):
  assert fourier.norm_of(size) == pytest.approx(norm)


def test_what_is_added_has_the_norm_in_each_channel():
  images = np.full((1, 32, 32, 3), 128, np.uint8)
  added = (
    np.asarray(fourier.perturbed(images, np.ones((1, 3), np.float32), 3, -5, 4.0)) / 255 - 128 / 255
  )
  np.testing.assert_allclose(np.linalg.norm(added[0], axis=(0, 1)), 4, atol=0.05)


def test_large_images_have_a_map_of_their_lowest_frequencies(planted):
  names = [name for name, _ in Fourier().parts(planted({"grey": grey(1, 70, 66)}))]
  assert names == ["clean", *(f"row/{row}" for row in range(-31, 1))]
  summary = Fourier().summarise(
    {"clean": {"error": 0.0, "examples": 1, "image_size": [70, 66], "norm": 1.0}}
    | {f"row/{row}": [100.0 * row + column for column in range(-31, 32)] for row in range(-31, 1)}
  )
  assert np.shape(summary["map"]) == (63, 63) and summary["first_frequency"] == [-31, -31]
  assert summary["map"][31 + 4][31 + 9] == summary["map"][31 - 4][31 - 9] == -409


def test_a_few_images_evenly_spaced(planted):
  seen = []

  def logits(images):
    seen.append(images[:, 0, 0, 0])
    return np.eye(5)[np.zeros(len(images), int)]

  images = np.tile(np.arange(10, dtype=np.uint8)[:, None, None, None], (1, 2, 2, 3))
  data = ArrayData(images, np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1], np.int32), 5, "sorted")
  results = scores(planted({"sorted": data}, logits=logits), Fourier(examples=4))
  np.testing.assert_array_equal(seen[0], [0, 2, 5, 7])
  assert results["examples"] == 4 and np.all(np.array(results["map"]) == 25)


def test_many_frequencies_are_not_held_at_once(planted, monkeypatch):
  data = grey(5, 8, 8)
  whole = scores(planted({"grey": data}, logits=reads([(1, 2)], 8, 8)))
  monkeypatch.setattr(fourier, "CHUNK_BYTES", 2 * data.images.nbytes)
  calls = []

  def logits(images):
    calls.append(len(images))
    return reads([(1, 2)], 8, 8)(images)

  assert scores(planted({"grey": data}, logits=logits)) == whole
  # 34 of 64 frequencies: four are their own mirrors
  assert max(calls) == 10 and sum(calls) == 5 + 5 * 34


def test_results_without_a_map():
  with pytest.raises(UserError, match="run evaluate.py with --suites fourier"):
    fourier.fourier_map({"clean": {}})


def test_norm_and_seed_are_options(planted):
  data = grey(6, 8, 8)
  task = planted({"grey": data})
  assert scores(task)["norm"] == 1 and scores(task, Fourier(norm=3.5))["norm"] == 3.5
  assert not np.array_equal(
    fourier.signs_of(np.arange(20), 3), fourier.signs_of(np.arange(20), 3, 1)
  )
  seen = []

  def recording(images):
    return seen.append(images) or np.zeros((len(images), 5))

  for seed in (0, 1, 1):
    scores(planted({"grey": data}, logits=recording), Fourier(seed=seed))
  zero, one, again = np.split(np.concatenate(seen), 3)
  np.testing.assert_array_equal(one, again)
  assert (zero != one).any()


def test_the_map_is_an_array_beside_results_that_hold_it_and_nothing_beside_others(run, tmp_path):
  classifier = LoadedClassifier(run)

  def evaluate(suites, limit):
    settings = Settings.of(classifier, limit=limit)
    return runner.evaluate(classifier, settings, suites, tmp_path, quiet=True).results

  small = {"fourier": Fourier(largest_map=3)}
  expected = evaluate(small, 3)["fourier"]["map"]
  np.testing.assert_array_equal(np.load(tmp_path / "fourier.npy"), expected)
  (tmp_path / "fourier.npy").write_text("damaged")
  both = evaluate(small | {"clean": Clean()}, 3)  # whose map is not computed again
  assert both["fourier"]["map"] == expected
  np.testing.assert_array_equal(np.load(tmp_path / "fourier.npy"), expected)
  assert "fourier" not in evaluate(("clean",), 2)
  assert sorted(path.name for path in tmp_path.glob("*.npy*")) == []
