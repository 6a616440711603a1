"""Whose label is predicted, the phase's or the amplitude's: planted networks, and rates worked out
by hand.
"""

import numpy as np
import pytest

from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation import swap
from apr_jax.evaluation.ood import Ood
from apr_jax.evaluation.swap import Swap
from apr_jax.evaluation.thumbnails import from_text

SIDE, CLASSES = 16, 4


def scores(task, suite=None):
  suite = suite or Swap()
  return suite.summarise({name: compute() for name, compute in suite.parts(task)})


def templates():
  """For each class an amplitude, a ring of frequencies raised, and the phase of noise; `[K, SIDE,
  SIDE]` each.
  """
  frequencies = np.fft.fftfreq(SIDE)
  ring = np.digitize(np.hypot(frequencies[:, None], frequencies), (0.25, 0.36, 0.45))
  amplitudes = np.where(ring == np.arange(CLASSES)[:, None, None], 3.0, 1.0)
  amplitudes[:, 0, 0] = 0
  return amplitudes, np.angle(
    np.fft.fft2(np.random.default_rng(0).normal(size=(CLASSES, SIDE, SIDE)))
  )


AMPLITUDES, PHASES = templates()


def planted_images(count, seed=0):
  """Images whose class is in their amplitude and in their phase, up to some noise; nothing is
  clipped.
  """
  random = np.random.default_rng(seed)
  labels = random.integers(0, CLASSES, count)
  planes = np.fft.ifft2(AMPLITUDES[labels] * np.exp(1j * PHASES[labels])).real
  planes = 128 + 20 * planes / planes.std() + random.normal(size=planes.shape)
  images = np.repeat(np.rint(planes)[..., None], 3, -1).astype(np.uint8)
  return ArrayData(images, labels.astype(np.int32), CLASSES, "planted")


def spectra(images):
  planes = images.mean(-1)
  return np.fft.fft2(planes - planes.mean((1, 2), keepdims=True))


def reads_amplitude(images):
  """Cosine of the amplitude spectrum with that of each class."""
  amplitudes = np.abs(spectra(images)).reshape(len(images), -1)
  known = AMPLITUDES.reshape(CLASSES, -1)
  return amplitudes @ (known / np.linalg.norm(known, axis=1, keepdims=True)).T


def reads_phase(images):
  """Correlation of the phase with that of each class, whatever the amplitude."""
  turns = np.exp(1j * np.angle(spectra(images)))
  return np.einsum("nhw,khw->nk", turns, np.exp(-1j * PHASES)).real


@pytest.mark.parametrize(
  "network, source", [(reads_amplitude, "amplitude"), (reads_phase, "phase")]
)
def test_planted_networks_are_told_apart(planted, network, source):
  data = planted_images(200)
  # unless recombined, they cannot be told apart
  assert (network(data.images).argmax(1) == data.labels).all()
  results = scores(
    planted(
      {"planted": data, "other": planted_images(150, seed=1)}, logits=network, ood_sets=("other",)
    )
  )
  inside = results["in_distribution"]
  other = "phase" if source == "amplitude" else "amplitude"
  assert inside[source] >= 95 and inside[other] <= 5
  assert inside["phase"] + inside["amplitude"] + inside["neither"] == pytest.approx(100)
  outside = results["out_of_distribution"]["other"]
  # By chance a quarter of the other images has the same class.
  assert outside[source]["label"] >= 95 and 10 < outside[other]["label"] < 40


def constant(values):
  return lambda images: np.tile(np.array(values, np.float32), (len(images), 1))


def dataset(means, labels, name="planted"):
  """Images of one grey value each: their recombination is the image that gives the amplitude."""
  images = np.tile(np.array(means, np.uint8)[:, None, None, None], (1, 4, 4, 3))
  return ArrayData(images, np.array(labels, np.int32), 5, name)


def test_rates_by_hand(planted):
  # Of a cycle through labels 0, 1, 1 two links join different labels: 0 gives the phase once, the
  # amplitude once.
  data = dataset([10, 20, 30], [0, 1, 1])
  results = scores(planted({"planted": data}, logits=constant([np.log(3), 0, 0, 0, 0])))[
    "in_distribution"
  ]
  assert {key: results[key] for key in ("phase", "amplitude", "neither", "pairs")} == {
    "phase": 50,
    "amplitude": 50,
    "neither": 0,
    "pairs": 2,
  }
  assert results["confidence"] == pytest.approx(300 / 7)
  results = scores(planted({"planted": data}, logits=constant([0, 0, 1, 0, 0])))["in_distribution"]
  assert (results["phase"], results["amplitude"], results["neither"]) == (0, 0, 100)


def by_brightness(images):
  """Class 0 at grey values around 100, class 1 around 200, else class 4; surer of brighter
  images.
  """
  means = images.mean((1, 2, 3))
  logits = np.zeros((len(images), 5))
  logits[np.arange(len(images)), np.where(means < 60, 4, np.where(means < 150, 0, 1))] = means / 50
  return logits.astype(np.float32)


def confidence(mean):
  return 100 * np.exp(mean / 50) / (np.exp(mean / 50) + 4)


def test_out_of_distribution_by_hand(planted):
  # The grey value is all of the amplitude: the network reads it from the image that gives the
  # amplitude.
  data, outside = dataset([100, 200, 100, 200], [0, 1, 0, 0]), dataset([10, 30], [0, 0], "outside")
  results = scores(
    planted({"planted": data, "outside": outside}, logits=by_brightness, ood_sets=("outside",))
  )
  dark = results["out_of_distribution"]["outside"]
  assert dark["phase"] == {
    "label": 0,
    "confidence": pytest.approx((confidence(10) + confidence(30)) / 2, rel=1e-5),
  }
  assert dark["amplitude"] == {
    "label": 75,
    "confidence": pytest.approx((confidence(100) + confidence(200)) / 2, rel=1e-5),
  }
  assert dark["pairs"] == 4
  # Labels 0, 1, 0, 0: class 1 meets class 0 twice, once on each side.
  inside = results["in_distribution"]
  assert inside["pairs"] == 2 and inside["phase"] + inside["amplitude"] + inside["neither"] == 100


def test_sets_of_a_protocol_that_are_missing_or_damaged_are_named_and_the_others_are_scored(
  planted, tmp_path
):
  (tmp_path / "LSUN_fix.npz").write_bytes(b"PK damaged")
  (tmp_path / "svhn_cropped" / "1.0.0").mkdir(parents=True)
  (tmp_path / "svhn_cropped" / "1.0.0" / "dataset_info.json").write_text("{}")
  task = planted(
    {"planted": planted_images(30), "svhn_cropped": planted_images(9, seed=1)},
    logits=reads_phase,
    data_dir=tmp_path,
    ood_sets=("apr",),
  )
  summary = scores(task)
  assert (
    list(summary["out_of_distribution"]) == ["svhn"]
    and summary["out_of_distribution"]["svhn"]["pairs"] == 30
  )
  assert list(summary["missing"]) == [
    "lsun_resize",
    "imagenet_resize",
    "lsun_fix",
    "imagenet_fix",
    "cifar100",
  ]
  assert str(tmp_path / "LSUN_fix.npz") in summary["missing"]["lsun_fix"]
  assert Swap().lines(summary)[1:] == [
    f"  missing: {name}: {why}" for name, why in summary["missing"].items()
  ]
  (protocol,) = Ood().summarise({name: compute() for name, compute in Ood().parts(task)})[
    "protocols"
  ]
  assert summary["missing"] == protocol["missing"]


def test_examples_are_remade_from_their_positions(planted):
  data, outside = planted_images(30), planted_images(9, seed=1)
  results = scores(
    planted({"planted": data, "other": outside}, logits=reads_phase, ood_sets=("other",))
  )
  for examples, others in (
    (results["in_distribution"]["examples"], data),
    (results["out_of_distribution"]["other"]["examples"], outside),
  ):
    assert len(examples) == Swap().examples == 4
    for example in examples:
      first, second = example["images"]
      images = swap.panel(data.images[first], others.images[second])
      np.testing.assert_array_equal(images[:2], [data.images[first], others.images[second]])
      # What it says of them, in order; the phase decides for this network.
      assert example["predictions"] == reads_phase(images).argmax(1).tolist()
      assert example["predictions"] == 2 * [data.labels[first], others.labels[second]]
      if others is outside:
        np.testing.assert_array_equal(from_text(example["second"]), outside.images[second])
      assert example["labels"] == [
        data.labels[first],
        data.labels[second] if others is data else None,
      ]
      assert (
        all(25 <= value <= 100 for value in example["confidences"])
        and len(example["confidences"]) == 4
      )
  first, second = results["in_distribution"]["examples"][0]["images"]
  amplitude, phase = (
    np.fft.fftn(data.images[position].astype(float)) for position in (second, first)
  )
  expected = np.fft.ifftn(np.abs(amplitude) * np.exp(1j * np.angle(phase))).real
  panel = swap.panel(data.images[first], data.images[second])
  assert panel.dtype == np.uint8
  np.testing.assert_allclose(panel[2], expected, atol=0.51)  # rounded


def test_recombined_images_are_clipped(photographs):
  images = np.asarray(swap.swapped(photographs, photographs[::-1]))
  x, y = photographs.astype(float), photographs[::-1].astype(float)
  axes = (1, 2, 3)
  expected = np.fft.ifftn(
    np.abs(np.fft.fftn(y, axes=axes)) * np.exp(1j * np.angle(np.fft.fftn(x, axes=axes))), axes=axes
  ).real
  assert expected.min() < -1 and expected.max() > 256
  assert (np.abs(images - np.clip(expected, 0, 255)) < 0.6).mean() > 0.999


@pytest.mark.parametrize("count", [2, 3, 50, 51])
def test_pairs_join_different_classes_once_each(count):
  labels = np.random.default_rng(count).integers(0, 3, count)
  labels[:2] = 0, 1
  pairs = swap.pairs_within(labels)
  assert (labels[pairs[:, 0]] != labels[pairs[:, 1]]).all()
  assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
  np.testing.assert_array_equal(pairs, swap.pairs_within(labels))
  # With a class of its own for each image, none is left out.
  assert len(swap.pairs_within(np.arange(count))) == count


def test_other_images_take_turns():
  pairs = swap.pairs_across(7, 3)
  np.testing.assert_array_equal(pairs[:, 0], np.arange(7))
  assert sorted(np.bincount(pairs[:, 1])) == [2, 2, 3]
  assert len(set(swap.pairs_across(3, 100)[:, 1])) == 3


def test_chunks_change_nothing(planted, monkeypatch):
  sets = {"planted": planted_images(20), "other": planted_images(7, seed=1)}
  whole = scores(planted(sets, logits=reads_amplitude, ood_sets=("other",)))
  monkeypatch.setattr(swap, "CHUNK_BYTES", 6 * SIDE * SIDE * 3)
  assert scores(planted(sets, logits=reads_amplitude, ood_sets=("other",))) == whole


@pytest.mark.parametrize("labels", [[2], [3, 3, 3]])
def test_one_class_gives_no_pairs(planted, labels):
  with pytest.raises(UserError, match="no pair of two classes to recombine; raise --limit"):
    list(Swap().parts(planted({"planted": dataset([5] * len(labels), labels)})))


def test_examples_and_seed_are_options(planted):
  sets = {"planted": planted_images(30), "other": planted_images(9, seed=1)}

  def task():
    return planted(sets, logits=reads_phase, ood_sets=("other",))

  few = scores(task(), Swap(examples=2))
  for result in (few["in_distribution"], few["out_of_distribution"]["other"]):
    assert len(result["examples"]) == 2
  assert scores(task(), Swap(examples=0))["in_distribution"]["examples"] == []
  labels = sets["planted"].labels
  assert not np.array_equal(swap.pairs_within(labels), swap.pairs_within(labels, 1))

  def first(suite):
    return scores(task(), suite)["in_distribution"]["examples"][0]["images"]

  assert first(Swap(seed=1)) == swap.pairs_within(labels, 1)[0].tolist() != first(Swap())
