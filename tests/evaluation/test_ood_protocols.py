"""Named out-of-distribution benchmarks: which sets they hold, where these are looked for, and what
is missing.
"""

import json

import numpy as np
import pytest
from PIL import Image

from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation import ood_protocols, swap
from apr_jax.evaluation.ood import Ood
from apr_jax.evaluation.swap import Swap

APR = ["svhn", "lsun_resize", "imagenet_resize", "lsun_fix", "imagenet_fix", "cifar100"]


def planted_set(confidences, classes=5):
  """All images are of class 1 and predicted to be."""
  images = np.full((len(confidences), 10, 10, 3), 7, np.uint8)
  images[:, 0, 0, 0], images[:, 0, 0, 1] = 1, confidences
  return ArrayData(images, np.ones(len(confidences), np.int32), classes, "planted")


INSIDE = planted_set([50, 40, 30, 30])


def run_suite(task):
  return Ood().summarise({name: compute() for name, compute in Ood().parts(task)})


def prepare(folder, version="1.0.0"):
  """As a data set that TFDS has prepared."""
  (folder / version).mkdir(parents=True, exist_ok=True)
  (folder / version / "dataset_info.json").write_text("{}")


@pytest.fixture
def on_disk(planted, tmp_path):
  """Makes a task that reads "images:PATH" from the disk and other sets from those that are
  given, which TFDS has prepared.
  """

  def make(sets, ood_sets, in_distribution="cifar10", loaded=None):
    for name in sets:
      prepare(tmp_path / name)
    given = {in_distribution: INSIDE} | sets
    return planted(given, data_dir=tmp_path, ood_sets=ood_sets, loaded=loaded)

  return make


def save_folder(folder, images):
  folder.mkdir(parents=True)
  for i, image in enumerate(images):
    Image.fromarray(image).save(folder / f"correct_resize_{i}.png")


def save_all(tmp_path):
  """The four released archives, three in different shapes; two more sets are TFDS's."""
  save_folder(tmp_path / "LSUN_resize" / "LSUN_resize", planted_set([30, 10]).images)
  save_folder(tmp_path / "LSUN_fix", planted_set([0]).images)
  np.savez(tmp_path / "Imagenet_resize.npz", test_images=planted_set([60]).images)
  np.save(tmp_path / "imagenet_fix.npy", planted_set([35, 35]).images)


def test_the_protocol_of_the_paper(on_disk, tmp_path):
  save_all(tmp_path)
  results = run_suite(
    on_disk({"svhn_cropped": planted_set([0, 0, 0]), "cifar100": planted_set([45])}, ("apr",))
  )
  # Of the pairs with an image inside (50, 40, 30, 30) in order, ties half:
  aurocs = {
    "svhn": 100,
    "lsun_resize": 100 * 7 / 8,
    "imagenet_resize": 0,
    "lsun_fix": 100,
    "imagenet_fix": 50,
    "cifar100": 25,
  }
  assert {name: results[name]["auroc"] for name in APR} == pytest.approx(aurocs)
  assert results["mean_auroc"] == pytest.approx(np.mean(list(aurocs.values())))
  (protocol,) = results["protocols"]
  assert protocol == {
    "name": "apr",
    "sets": APR,
    "missing": {},
    "present": 6,
    "mean_auroc": results["mean_auroc"],
    "mean_over_present": results["mean_auroc"],
  }
  assert results["svhn"]["source"] == "svhn_cropped" and results["svhn"]["examples"] == 3
  assert results["lsun_resize"]["source"] == f"images:{tmp_path / 'LSUN_resize'}"
  assert results["imagenet_fix"]["source"] == f"images:{tmp_path / 'imagenet_fix.npy'}"
  assert [name for name, value in results.items() if isinstance(value, dict)] == APR
  assert (
    Ood().lines(results)[-1]
    == f"  mean of apr          {results['mean_auroc']:6.2f} %   (6 of 6 sets)"
  )


def test_missing_sets_are_said_and_their_mean_has_no_number(on_disk, tmp_path):
  save_folder(tmp_path / "LSUN_resize", planted_set([30, 10]).images)
  results = run_suite(on_disk({"cifar100": planted_set([45])}, ("apr",)))
  assert json.loads(json.dumps(results)) == results
  assert results["mean_auroc"] is None
  (protocol,) = results["protocols"]
  assert protocol["mean_auroc"] is None and protocol["present"] == 2 and protocol["sets"] == APR
  assert protocol["mean_over_present"] == pytest.approx((87.5 + 25) / 2)
  assert list(protocol["missing"]) == ["svhn", "imagenet_resize", "lsun_fix", "imagenet_fix"]
  assert protocol["missing"]["svhn"] == (
    f"looked in {tmp_path} for a folder, .npz or .npy file of images called svhn and "
    f"for TFDS's svhn_cropped; prepare it with TFDS, put its test images there, or give another "
    f"--data_dir"
  )
  assert (
    "Imagenet_resize or ImageNet_resize or imagenet_resize;"
    in protocol["missing"]["imagenet_resize"]
  )
  assert "https://github.com/alinlab/CSI" in protocol["missing"]["lsun_fix"]
  text = Ood().lines(results)
  assert text[0] == "mean OOD AUROC         incomplete   (max_softmax)"
  assert "  mean of apr          incomplete   (2 of 6 sets, mean over those 56.25 %)" in text
  assert sum(line.startswith("  missing: ") for line in text) == 4 and all(
    "\n" not in line for line in text
  )


def test_nothing_there(on_disk):
  results = run_suite(on_disk({}, ("openood",)))
  assert (
    results.keys() == {"mean_auroc", "score", "scores", "protocols"}
    and results["mean_auroc"] is None
  )
  assert [(p["name"], p["present"], p["mean_over_present"]) for p in results["protocols"]] == [
    ("openood_near", 0, None),
    ("openood_far", 0, None),
  ]
  assert "  mean of openood_far  incomplete   (0 of 4 sets)" in Ood().lines(results)


def test_near_and_far_have_means_of_their_own(on_disk, tmp_path):
  (tmp_path / "tin").mkdir()
  save_folder(tmp_path / "tin" / "val" / "n01443537", planted_set([30, 10]).images)
  save_folder(tmp_path / "tin" / "train" / "n01443537", planted_set([60, 60]).images)
  sets = {
    "cifar100": planted_set([45]),
    "mnist": planted_set([0]),
    "svhn_cropped": planted_set([60]),
    "dtd": planted_set([35, 35]),
    "places365_small": planted_set([0, 0]),
  }
  results = run_suite(on_disk(sets, ("openood", "apr")))
  near, far, apr = results["protocols"]
  assert near["sets"] == ["cifar100", "tiny_imagenet"] and near["mean_auroc"] == pytest.approx(
    (25 + 87.5) / 2
  )
  assert far["sets"] == ["mnist", "svhn", "textures", "places365"]
  assert far["mean_auroc"] == pytest.approx((100 + 0 + 50 + 100) / 4)
  assert (
    apr["name"] == "apr"
    and apr["present"] == 2
    and apr["mean_auroc"] is results["mean_auroc"] is None
  )
  assert results["textures"]["source"] == "dtd"


def test_a_set_of_two_protocols_is_scored_once(on_disk):
  parts = [
    name
    for name, _ in Ood().parts(
      on_disk({"svhn_cropped": planted_set([0])}, ("apr", "openood", "svhn"))
    )
  ]
  assert parts.count("svhn: svhn_cropped") == 1 and len(parts) == len(set(parts)) == 6 + 6 - 2 + 3


def test_a_set_that_was_missing_is_another_part_once_it_is_there(on_disk, tmp_path):
  before = {name for name, _ in Ood().parts(on_disk({}, ("apr",)))}
  save_folder(tmp_path / "LSUN_fix", planted_set([0]).images)
  after = {name for name, _ in Ood().parts(on_disk({}, ("apr",)))}
  assert before - after == {"lsun_fix: missing"}
  assert after - before == {f"lsun_fix: images:{tmp_path / 'LSUN_fix'}"}


@pytest.mark.parametrize("suite, prefix", [(Ood(), ""), (Swap(), "ood/")])
@pytest.mark.parametrize("named", ["svhn", "apr"])
def test_a_set_that_has_moved_is_another_part(on_disk, tmp_path, monkeypatch, suite, prefix, named):
  # the images are of one class
  monkeypatch.setattr(swap, "pairs_within", lambda labels, seed: np.zeros((1, 2), int))

  def names():
    return [name for name, _ in suite.parts(on_disk({"svhn_cropped": planted_set([0])}, (named,)))]

  assert f"{prefix}svhn: svhn_cropped" in names()
  np.save(tmp_path / "svhn.npy", planted_set([0]).images)
  after = names()
  assert (
    f"{prefix}svhn: images:{tmp_path / 'svhn.npy'}" in after
    and f"{prefix}svhn: svhn_cropped" not in after
  )


def test_a_set_with_its_name_in_tfds_may_be_images_without_labels(on_disk, tmp_path):
  def parts(name):
    return [part for part, _ in Ood().parts(on_disk({"cifar100": planted_set([0])}, (name,)))]

  assert parts("cifar100") == ["cifar100: cifar100"]
  np.savez(tmp_path / "cifar100.npz", images=planted_set([0]).images)
  assert parts("cifar100") == [f"cifar100: images:{tmp_path / 'cifar100.npz'}"]


@pytest.mark.parametrize("suite", [Ood(), Swap()])
def test_a_set_that_is_named_is_loaded_at_once_and_once_for_all_suites(
  on_disk, tmp_path, monkeypatch, suite
):
  monkeypatch.setattr(swap, "pairs_within", lambda labels, seed: np.zeros((1, 2), int))
  (tmp_path / "LSUN_fix.npz").write_bytes(b"PK damaged")
  with pytest.raises(UserError, match="LSUN_fix.npz"):
    list(suite.parts(on_disk({}, ("lsun_fix",))))
  with pytest.raises(UserError, match="LSUN_fix.npz"):
    list(suite.parts(on_disk({}, ("apr", "lsun_fix"))))  # as it is named by itself too
  with pytest.raises(
    UserError, match="the out-of-distribution set lsun_resize is missing: looked in"
  ):
    list(suite.parts(on_disk({}, ("lsun_resize",))))
  with pytest.raises(UserError, match="nothing.npz"):
    list(suite.parts(on_disk({}, (f"images:{tmp_path / 'nothing.npz'}",))))
  loaded = []
  task = on_disk({"svhn_cropped": planted_set([60, 0])}, ("svhn",), loaded=loaded)
  parts = [*suite.parts(task), *Ood().parts(task)]
  assert loaded.count("svhn_cropped") == 1
  for _, compute in parts:
    compute()
  assert loaded.count("svhn_cropped") == 1


def test_cifar_10_stands_in_where_cifar_100_is_in_distribution(on_disk):
  assert ood_protocols.expand("apr", "cifar100")["apr"] == (*APR[:-1], "cifar10")
  assert ood_protocols.expand("openood", "cifar100")["openood_near"] == ("cifar10", "tiny_imagenet")
  results = run_suite(on_disk({"cifar10": planted_set([45])}, ("apr",), in_distribution="cifar100"))
  assert (
    results["cifar10"]["auroc"] == pytest.approx(25)
    and "cifar100" not in results["protocols"][0]["sets"]
  )


@pytest.mark.parametrize(
  "protocol, data_name", [("apr", "svhn_cropped"), ("openood", "mnist"), ("openood", "dtd")]
)
def test_a_protocol_is_not_for_networks_trained_on_one_of_its_sets(on_disk, protocol, data_name):
  with pytest.raises(UserError) as error:
    list(Ood().parts(on_disk({}, (protocol,), in_distribution=data_name)))
  assert f"{protocol!r} hold " in str(error.value) and "on which the network was trained" in str(
    error.value
  )


def test_a_set_that_is_named_must_be_there(on_disk, tmp_path):
  with pytest.raises(UserError) as error:
    list(Ood().parts(on_disk({}, ("lsun_fix",))))
  assert "the out-of-distribution set lsun_fix is missing: looked in" in str(error.value)
  assert "\n" not in str(error.value)
  save_folder(tmp_path / "LSUN_fix", planted_set([0]).images)
  results = run_suite(on_disk({"svhn_cropped": planted_set([60])}, ("lsun_fix", "svhn")))
  assert (results["lsun_fix"]["auroc"], results["svhn"]["auroc"], results["mean_auroc"]) == (
    100,
    0,
    50,
  )
  assert "protocols" not in results


def test_a_set_that_tfds_may_download_is_not_missing(planted, tmp_path):
  task = planted({"cifar10": INSIDE}, data_dir=tmp_path)
  assert ood_protocols.locate(task, "svhn") is None
  task = planted({"cifar10": INSIDE}, data_dir=tmp_path, download=True)
  assert ood_protocols.locate(task, "svhn") == "svhn_cropped"
  assert ood_protocols.locate(task, "lsun_fix") is None


def test_the_default_folder_is_that_of_tfds(planted, tmp_path, monkeypatch):
  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
  prepare(tmp_path / "svhn_cropped")
  assert ood_protocols.locate(planted({"cifar10": INSIDE}), "svhn") == "svhn_cropped"


def test_a_folder_that_tfds_has_not_finished_is_missing(planted, tmp_path):
  task = planted({"cifar10": INSIDE}, data_dir=tmp_path)
  (tmp_path / "cifar100").mkdir()
  assert ood_protocols.locate(task, "cifar100") is None
  prepare(tmp_path / "cifar100", "incomplete.X7QABC_3.0.2")
  assert ood_protocols.locate(task, "cifar100") is None
  prepare(tmp_path / "cifar100", "3.0.2")
  assert ood_protocols.locate(task, "cifar100") == "cifar100"


def test_a_damaged_set_of_a_protocol_is_missing_and_says_why(on_disk, tmp_path):
  (tmp_path / "LSUN_fix.npz").write_bytes(b"PK damaged")
  save_folder(tmp_path / "LSUN_resize", planted_set([30, 10]).images)
  results = run_suite(on_disk({}, ("apr",)))
  (protocol,) = results["protocols"]
  assert protocol["present"] == 1 and results["mean_auroc"] is None and "lsun_fix" not in results
  assert str(tmp_path / "LSUN_fix.npz") in protocol["missing"]["lsun_fix"]
  assert f"  missing: lsun_fix: {protocol['missing']['lsun_fix']}" in Ood().lines(results)


@pytest.mark.parametrize(
  "own, place",
  [
    ("npz:{}/cifar100.npz", "cifar100.npz"),
    ("folder:{}/cifar100", "cifar100"),
    ("folder:{}/tiny-imagenet-200", "tiny-imagenet-200/val"),
  ],
)
def test_the_path_that_the_network_was_trained_on_is_refused(on_disk, tmp_path, own, place):
  if place.endswith(".npz"):
    np.savez(tmp_path / place, images=planted_set([0]).images)
  else:
    save_folder(tmp_path / place, planted_set([0]).images)
  with pytest.raises(UserError) as error:
    list(Ood().parts(on_disk({}, ("openood",), in_distribution=own.format(tmp_path))))
  assert f"{tmp_path / place}, on which the network was trained" in str(error.value)


def test_every_set_of_a_protocol_is_known():
  for groups in ood_protocols.PROTOCOLS.values():
    for names in groups.values():
      assert set(names) <= ood_protocols.SETS.keys()
  assert not ood_protocols.PROTOCOLS.keys() & ood_protocols.SETS.keys()
