"""The evaluators on planted logits: every number worked out by hand."""

import numpy as np
import pytest
from PIL import Image

from apr_jax import metrics
from apr_jax.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation import corruption_sources
from apr_jax.evaluation.clean import Clean
from apr_jax.evaluation.corruptions import Corruptions
from apr_jax.evaluation.ood import Ood
from apr_jax.evaluation.suites import SUITES

NAMES = ("fog", "contrast")
TWO = Corruptions(NAMES)


def images_of(predictions, confidences=None):
  images = np.full((len(predictions), 10, 10, 3), 7, np.uint8)
  images[:, 0, 0, 0] = predictions
  images[:, 0, 0, 1] = 20 if confidences is None else confidences
  return images


def dataset(predictions, labels, confidences=None, name="planted"):
  return ArrayData(images_of(predictions, confidences), np.array(labels, np.int32), 5, name)


TEST = dataset([0, 1, 2, 3], [0, 1, 2, 3])


def run_suite(suite, task):
  return suite.summarise({name: compute() for name, compute in suite.parts(task)})


def write_published(folder, wrong, labels=(0, 1, 2, 3), names=NAMES):
  """CIFAR-10-C's layout; at each severity the first wrong[name][severity - 1] images are
  misclassified.
  """
  folder.mkdir(parents=True, exist_ok=True)
  labels = np.array(labels, np.uint8)
  for name in names:
    blocks = [
      images_of([(label + (i < count)) % 5 for i, label in enumerate(labels)])
      for count in wrong[name]
    ]
    np.save(folder / f"{name}.npy", np.concatenate(blocks))
  np.save(folder / "labels.npy", np.tile(labels, 5))


WRONG = {"fog": [0, 1, 2, 3, 4], "contrast": [1, 1, 1, 1, 2]}


def test_clean(planted):
  task = planted({"cifar10": dataset([0, 1, 2, 3, 4, 0], [0, 1, 2, 3, 3, 3])})
  assert run_suite(Clean(), task) == pytest.approx(
    {"accuracy": 400 / 6, "error": 200 / 6, "examples": 6}
  )
  limited = planted({"cifar10": dataset([0, 1, 2, 3, 4, 0], [0, 1, 2, 3, 3, 3])}, limit=5)
  assert run_suite(Clean(), limited) == {"accuracy": 80, "error": 20, "examples": 5}


def test_published_corruptions_by_hand(planted, tmp_path):
  write_published(tmp_path, WRONG)
  results = run_suite(TWO, planted({"cifar10": TEST}, data_dir=tmp_path))
  assert results == {
    "mean_error": pytest.approx((50 + 30) / 2),
    "source": "published",
    "examples": 4,
    "by_corruption": {"fog": [0, 25, 50, 75, 100], "contrast": [25, 25, 25, 25, 50]},
  }
  assert list(results["by_corruption"]) == list(NAMES)


def test_published_corruptions_cut_to_a_limit(planted, tmp_path):
  write_published(tmp_path, WRONG)
  results = run_suite(TWO, planted({"cifar10": TEST}, data_dir=tmp_path, limit=2))
  # The first images are the wrong ones.
  assert results["by_corruption"] == {
    "fog": [0, 50, 100, 100, 100],
    "contrast": [50, 50, 50, 50, 100],
  }
  assert results["examples"] == 2


def test_parts_are_named_by_corruption_and_severity(planted, tmp_path):
  write_published(tmp_path, WRONG)
  parts = dict(TWO.parts(planted({"cifar10": TEST}, data_dir=tmp_path)))
  assert list(parts) == [f"{name}/{severity}" for name in NAMES for severity in range(1, 6)]
  assert parts["fog/4"]() == {"error": 75, "examples": 4, "source": "published", "data": "cifar10"}


def test_the_source_is_the_first_there_is(planted, tmp_path):
  def source(task):
    return next(iter(TWO.parts(task)))[1]()["source"]

  sets = {"cifar10": TEST} | {
    f"cifar10_corrupted/{name}_{s}": TEST for name in NAMES for s in range(1, 6)
  }

  def task():
    return planted(sets, data_dir=tmp_path)

  assert source(task()) == "regenerated"
  (tmp_path / "cifar10_corrupted").mkdir()
  assert source(task()) == "tfds"
  write_published(tmp_path, WRONG)  # the folder itself is the published one
  assert source(task()) == "published"
  assert source(planted(sets, data_dir=tmp_path, source="tfds")) == "tfds"
  assert source(planted(sets, data_dir=tmp_path, source="regenerated")) == "regenerated"


@pytest.mark.parametrize(
  "data_name, folder", [("cifar10", "CIFAR-10-C"), ("cifar100", "CIFAR-100-C")]
)
def test_the_published_folder_inside_the_data_folder_comes_first(
  planted, tmp_path, data_name, folder
):
  write_published(tmp_path, {"fog": [4] * 5, "contrast": [4] * 5})
  write_published(tmp_path / folder, WRONG)
  write_published(tmp_path / "CIFAR-1-C", {"fog": [4] * 5, "contrast": [4] * 5})
  assert run_suite(TWO, planted({data_name: TEST}, data_dir=tmp_path))[
    "mean_error"
  ] == pytest.approx(40)


def test_other_data_sets_have_no_tfds_source(planted, tmp_path):
  (tmp_path / "cifar10_corrupted").mkdir()
  (tmp_path / "cifar100_corrupted").mkdir()
  for name in ("cifar100", "digits"):
    assert (
      next(iter(TWO.parts(planted({name: TEST}, data_dir=tmp_path))))[1]()["source"]
      == "regenerated"
    )
  with pytest.raises(UserError, match="TFDS has no corrupted digits"):
    list(TWO.parts(planted({"digits": TEST}, source="tfds")))


def test_tfds_names_every_set_with_its_corruption_and_severity(planted):
  names = ("gaussian_noise", "glass_blur", "elastic_transform", "jpeg_compression")
  theirs = ("gaussian_noise", "frosted_glass_blur", "elastic", "jpeg_compression")
  wanted = [f"cifar10_corrupted/{name}_{severity}" for name in theirs for severity in range(1, 6)]
  asked = []
  task = planted({"cifar10": TEST} | dict.fromkeys(wanted, TEST), source="tfds", loaded=asked)
  results = run_suite(Corruptions(names), task)
  assert asked == wanted
  assert tuple(results["by_corruption"]) == names and results["mean_error"] == 0


def test_published_corruptions_that_are_not_there(planted, tmp_path):
  with pytest.raises(UserError) as error:
    list(TWO.parts(planted({"cifar10": TEST}, data_dir=tmp_path, source="published")))
  message = str(error.value)
  assert (
    str(tmp_path) in message
    and "CIFAR-10-C" in message
    and "labels.npy" in message
    and "\n" not in message
  )


@pytest.mark.parametrize("content", [(), ("CIFAR-10-C/fog.npy",), ("noise.tar",)])
def test_a_published_folder_without_its_files_is_not_passed_over(planted, tmp_path, content):
  for name in ("", *content):
    path = tmp_path / "CIFAR-10-C" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch() if name else path.mkdir()
  with pytest.raises(
    UserError, match="published corruptions of cifar10 were not found.*unpack the archives"
  ):
    list(TWO.parts(planted({"cifar10": TEST}, data_dir=tmp_path)))


@pytest.mark.parametrize(
  "folder, source",
  [
    ("ImageNet-C/gaussian_noise/1", "regenerated"),  # that of another data set
    ("ImageNet-C/noise/gaussian_noise/1", "regenerated"),
    ("gaussian_noise/1", "published"),
    ("noise/gaussian_noise/1", "published"),
    ("extra/speckle_noise/1", "published"),
  ],
)
def test_a_tree_in_the_data_folder_is_published_unless_it_is_another_data_set_s(
  tmp_path, folder, source
):
  (tmp_path / folder).mkdir(parents=True)
  assert corruption_sources.describe("cifar10", str(tmp_path)).partition(":")[0] == source


def damage_labels(folder):
  labels = np.load(folder / "labels.npy")
  labels[10] = 4
  np.save(folder / "labels.npy", labels)


DAMAGES = {
  "no labels": (lambda folder: (folder / "labels.npy").unlink(), "lacks labels.npy"),
  "missing file": (lambda folder: (folder / "contrast.npy").unlink(), "contrast.npy"),
  "wrong number": (
    lambda folder: np.save(folder / "contrast.npy", images_of([0] * 19)),
    "contrast.npy",
  ),
  "wrong dtype": (
    lambda folder: np.save(folder / "contrast.npy", np.zeros((20, 10, 10, 3), np.float32)),
    "contrast.npy",
  ),
  "wrong shape": (
    lambda folder: np.save(folder / "contrast.npy", np.zeros((20, 10, 10), np.uint8)),
    "contrast.npy",
  ),
  "half a file": (
    lambda folder: (folder / "contrast.npy").write_bytes(
      (folder / "contrast.npy").read_bytes()[:900]
    ),
    "contrast.npy",
  ),
  "labels disagree": (damage_labels, "labels.npy: the labels of severity 3 disagree"),
  "labels of another set": (
    lambda folder: np.save(folder / "labels.npy", np.full(20, 7)),
    "labels.npy",
  ),
  "labels not in fives": (
    lambda folder: np.save(folder / "labels.npy", np.zeros(18, int)),
    "labels.npy",
  ),
  "labels are fractions": (
    lambda folder: np.save(folder / "labels.npy", np.zeros(20)),
    "labels.npy",
  ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_published_folder_is_one_line_naming_the_file(planted, tmp_path, damage):
  write_published(tmp_path, WRONG)
  break_it, words = DAMAGES[damage]
  break_it(tmp_path)
  with pytest.raises(UserError) as error:
    list(TWO.parts(planted({"cifar10": TEST}, data_dir=tmp_path)))
  assert words in str(error.value) and str(tmp_path) in str(error.value)
  assert "\n" not in str(error.value)


def regenerated(task, name, severity):
  """The whole set that the task would be scored on: images and labels."""
  chunks = list(corruption_sources.regenerated(task, (name,))(name, severity))
  return np.concatenate([chunk.images for chunk in chunks]), np.concatenate(
    [chunk.labels for chunk in chunks]
  )


def test_regenerated_corruptions_do_not_depend_on_the_limit(planted):
  random = np.random.default_rng(0)
  test = ArrayData(
    random.integers(0, 256, (7, 10, 10, 3), dtype=np.uint8),
    np.arange(7, dtype=np.int32) % 5,
    5,
    "random",
  )
  images, labels = regenerated(planted({"digits": test}), "gaussian_noise", 3)
  np.testing.assert_array_equal(labels, test.labels)
  assert (images != test.images).mean() > 0.8
  cut, _ = regenerated(planted({"digits": test}, limit=4), "gaussian_noise", 3)
  np.testing.assert_array_equal(cut, images[:4])


def test_imagenet_c_is_scored_in_chunks_and_gets_the_mce(planted, tmp_path, monkeypatch):
  """A tree in which every second image is wrong: all errors are 50 %, and mCE is the mean of 50 /
  AlexNet's.
  """
  monkeypatch.setattr("apr_jax.data.imagenet_c._CHUNK", 3)
  for name in CORRUPTIONS:
    for severity in range(1, 6):
      for wnid in ("a", "b", "c", "d", "e"):
        folder = tmp_path / "ImageNet-C" / name / str(severity) / wnid
        folder.mkdir(parents=True)
        for i in range(2):
          Image.new("RGB", (224, 224)).save(folder / f"{i}.jpeg")
  seen = []

  def logits(images):
    labels = (len(seen) + np.arange(len(images))) % 10 // 2
    wrong = (len(seen) + np.arange(len(images))) % 2
    seen.extend(images)
    return np.eye(5)[(labels + wrong) % 5]

  test = ArrayData(
    np.zeros((5, 224, 224, 3), np.uint8), np.arange(5, dtype=np.int32), 5, "imagenet2012"
  )
  task = planted({"imagenet2012": test}, data_dir=tmp_path, logits=logits)
  results = run_suite(Corruptions(), task)
  assert (
    results["source"] == "published" and results["examples"] == 10 and results["mean_error"] == 50
  )
  assert results["mce"] == pytest.approx(
    np.mean([50 / error for error in metrics.ALEXNET_ERRORS.values()])
  )
  seen.clear()
  task = planted({"imagenet2012": test}, data_dir=tmp_path, logits=logits, limit=4)
  limited = run_suite(Corruptions(), task)
  assert limited["examples"] == 4 and len(seen) == 4 * 75


def test_extra_corruptions_stand_apart(planted):
  test = ArrayData(np.full((2, 10, 10, 3), 1, np.uint8), np.zeros(2, np.int32), 5, "digits")
  task = planted({"digits": test}, logits=lambda images: np.eye(5)[np.zeros(len(images), int)])
  results = run_suite(SUITES["extra_corruptions"], task)
  assert list(results["by_corruption"]) == list(EXTRA_CORRUPTIONS)
  assert results["mean_error"] == 0 and "mce" not in results
  with pytest.raises(UserError, match="TFDS has no corrupted cifar10 with gaussian_blur"):
    list(SUITES["extra_corruptions"].parts(planted({"cifar10": test}, source="tfds")))


def test_out_of_distribution_by_hand(planted):
  # All of one class: the order of a sum's terms would break ties.
  inside = dataset([1, 1, 1, 1], [0, 1, 2, 3], [50, 40, 30, 30])
  outside = dataset([1, 1], [0, 0], [30, 10])
  far = dataset([1, 1, 1], [0, 0, 0], [0, 0, 0])
  task = planted({"cifar10": inside, "near": outside, "far": far}, ood_sets=("near", "far"))
  results = run_suite(Ood(), task)
  # Of eight pairs six are in order and two tie; a planted logit orders as its softmax does.
  assert results["near"]["auroc"] == pytest.approx(100 * (6 + 2 / 2) / 8)
  assert results["near"]["tnr95"] == pytest.approx(50)
  assert results["near"]["max_logit"]["auroc"] == pytest.approx(100 * 7 / 8)
  assert results["far"]["auroc"] == results["far"]["aupr_in"] == 100
  assert (results["near"]["examples"], results["far"]["examples"]) == (2, 3)
  assert results["mean_auroc"] == pytest.approx((87.5 + 100) / 2)
  assert results["score"] == "max_softmax"
  assert results["scores"][1] == {
    "name": "max_logit",
    "mean_auroc": pytest.approx((87.5 + 100) / 2),
  }
  assert results.keys() == {"near", "far", "mean_auroc", "score", "scores"}
  names = {"auroc", "tnr95", "dtacc", "aupr_in", "aupr_out", "oscr"}
  assert results["near"].keys() == names | {"max_logit", "energy", "roc", "examples", "source"}
  assert results["near"]["max_logit"].keys() == results["near"]["energy"].keys() == names
  # Of the four images only the second is classified correctly; it is above both near ones.
  assert results["near"]["oscr"] == results["near"]["energy"]["oscr"] == pytest.approx(25)
  # From the surest down: one and two of the four inside, then all with one of the two outside, then
  # the last.
  assert results["near"]["roc"] == {"fpr": [0, 0, 0, 0.5, 1], "tpr": [0, 0.25, 0.5, 1, 1]}


def test_the_headline_score_is_the_softmax_and_not_the_logit(planted):
  # The network is surer of the inside images by softmax, and gives the outside ones larger logits
  # and more energy.
  def logits(images):
    return np.where(
      images[:, :1, 0, 0] == 0, [[5.0, 0.0, 0.0, 0.0, 0.0]], [[8.0, 8.0, 8.0, 8.0, 8.0]]
    )

  task = planted(
    {"cifar10": dataset([0, 0], [0, 0]), "other": dataset([1, 1], [0, 0])},
    ood_sets=("other",),
    logits=lambda images: logits(images).astype(np.float32),
  )
  results = run_suite(Ood(), task)["other"]
  assert (
    results["auroc"] == 100 and results["max_logit"]["auroc"] == results["energy"]["auroc"] == 0
  )


def test_scores_of_logits():
  logits = np.array([[0, 0, 0, 0], [np.log(3), 0, 0, 0], [100, 0, 0, 0]], np.float32)
  np.testing.assert_allclose(metrics.max_softmax(logits), [1 / 4, 1 / 2, 1], rtol=1e-6)
  np.testing.assert_array_equal(metrics.max_logit(logits), logits.max(1))
  np.testing.assert_allclose(metrics.energy(logits), [np.log(4), np.log(6), 100], rtol=1e-6)
  assert np.isfinite(metrics.energy(np.array([[1e4, -1e4], [-1e4, -1e4]], np.float32))).all()
  # In float32 both would be 1, a tie.
  sure = metrics.max_softmax(np.array([[20.0, 0.0], [25.0, 0.0]], np.float32))
  assert sure[0] < sure[1] < 1
  assert np.isfinite(metrics.max_softmax(np.array([[1e4, -1e4]], np.float32))).all()


def test_the_mean_error_is_the_metrics(planted, tmp_path):
  write_published(tmp_path, WRONG)
  results = run_suite(TWO, planted({"cifar10": TEST}, data_dir=tmp_path))
  assert results["mean_error"] == metrics.mean_error(results["by_corruption"])


@pytest.mark.parametrize(
  "evaluator, benchmark",
  [
    (Corruptions(), True),
    (Corruptions(title="another title"), True),
    (TWO, False),
    (Corruptions(severities=(1, 3, 5)), False),
    (SUITES["extra_corruptions"], False),
  ],
)
def test_only_the_15_corruptions_at_5_severities_are_the_benchmark(evaluator, benchmark):
  assert evaluator.benchmark is benchmark
  scores = {"mean_error", "mce", "adapted_mean_error", "adapted_mce"}
  assert set(evaluator.headlines) == (scores if benchmark else set())


def test_fewer_severities(planted, tmp_path):
  write_published(tmp_path, WRONG)
  task = planted({"cifar10": TEST}, data_dir=tmp_path)
  results = run_suite(Corruptions(NAMES, severities=(2, 5)), task)
  assert results["by_corruption"] == {"fog": [25, 100], "contrast": [25, 50]}
  assert results["mean_error"] == 50


def test_an_unknown_corruption_is_one_line(planted):
  with pytest.raises(UserError, match="unknown corruption 'foggy'; did you mean 'fog'"):
    list(Corruptions(("foggy",)).parts(planted({"cifar10": TEST})))


def test_two_sources_of_one_corruption_are_two_sets(planted, tmp_path):
  """TFDS lacks the extra corruptions: beside one of them, fog is made here."""
  (tmp_path / "cifar10_corrupted").mkdir()
  wrong = dataset([1, 2, 3, 0], [0, 1, 2, 3])
  sets = {f"cifar10_corrupted/fog_{severity}": wrong for severity in range(1, 6)}
  right = {"cifar10": TEST} | sets
  task = planted(right, data_dir=tmp_path)
  from_tfds = dict(Corruptions(("fog",)).parts(task))["fog/1"]
  made_here = dict(Corruptions(("fog", "saturate")).parts(task))["fog/1"]
  assert from_tfds()["source"] == "tfds" and from_tfds()["error"] == 100
  alone = dict(Corruptions(("fog", "saturate")).parts(planted(right, data_dir=tmp_path)))["fog/1"]
  assert made_here() == alone() and made_here()["source"] == "regenerated"


def test_the_headline_score_can_be_another(planted):
  task = planted(
    {"cifar10": dataset([1, 1], [1, 1], [50, 40]), "near": dataset([1], [0], [30])},
    ood_sets=("near",),
  )
  results = run_suite(Ood(("energy", "max_logit")), task)
  assert results["score"] == "energy" and "max_logit" in results["near"]
  assert "energy" not in results["near"] and "max_softmax" not in results["near"]
  with pytest.raises(UserError, match="unknown out-of-distribution score 'max_softmx'"):
    list(Ood(("max_softmx",)).parts(task))
