"""Shifted test sets on small fixtures in the published layouts. The first pixel's red names the
predicted class, and every score is worked out from what was written.
"""

import sys

import numpy as np
import pytest
from PIL import Image

from apr_jax import FromFunction
from apr_jax.data.imagenet_classes import class_labels
from apr_jax.data.shifted_sets import (
  CIFAR10_C_BAR,
  CIFAR_P,
  IMAGENET_3DCC,
  IMAGENET_C_BAR,
  IMAGENET_P,
  SETS,
)
from apr_jax.errors import UserError
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.shifts import Shifts
from apr_jax.evaluation.task import Task
from apr_jax.report.results import all_metrics
from apr_jax.report.shifts import shifts

LABELS = np.array([3, 0, 9, 5, 5, 1])
PREDICTED = np.array([3, 1, 9, 5, 4, 1])  # two of six are wrong
RANDOM = np.random.RandomState(0)


def pictures(values, side=32, shape=()):
  images = np.full((*shape, len(values), side, side, 3), 7, np.uint8)
  images[..., 0, 0, 0] = values
  return images


def by_pixel(classes):
  """Its class is the first pixel's red."""
  return FromFunction(
    lambda images: np.eye(classes, dtype=np.float32)[np.minimum(images[:, 0, 0, 0], classes - 1)],
    classes,
    32,
    name="planted",
    fingerprint="planted",
  )


def task_of(folder, classifier=None, data="cifar10", limit=0, resize=0):
  settings = Settings(data, data_dir=folder, limit=limit, resize=resize)
  return Task(classifier or by_pixel(10), settings)


def run(suite, task):
  return suite.summarise({name: compute() for name, compute in suite.parts(task)})


def write_cifar(folder):
  np.save(folder / "cifar10.1_v6_data.npy", pictures(PREDICTED))
  np.save(folder / "cifar10.1_v6_labels.npy", LABELS.astype(np.int32))
  (folder / "CIFAR-10.2").mkdir()
  np.savez(
    folder / "CIFAR-10.2" / "cifar102_test.npz",
    images=pictures(LABELS[:4]),
    labels=LABELS[:4],
    label_names=np.array(["airplane", "..."], object),  # which is pickled, and not read
  )


def test_cifar_10_1_and_10_2(tmp_path):
  write_cifar(tmp_path)
  summary = run(Shifts(), task_of(tmp_path))
  assert summary["sets"] == {
    "cifar10_1": {
      "title": "CIFAR-10.1 (v6)",
      "error": pytest.approx(100 * 2 / 6),
      "accuracy": pytest.approx(100 * 4 / 6),
      "examples": 6,
      "classes": 10,
    },
    "cifar10_2": {
      "title": "CIFAR-10.2",
      "error": 0,
      "accuracy": 100,
      "examples": 4,
      "classes": 10,
    },
  }
  assert summary["missing"].keys() == {"cifar10_c_bar", "cifar10_p"}
  assert "CIFAR-10-C-Bar" in summary["missing"]["cifar10_c_bar"]
  lines = Shifts().lines(summary)
  assert "CIFAR-10.1 (v6)" in lines[1] and " 33.33 %   (error, images: 6, 10 classes)" in lines[1]
  assert lines[-1].startswith("  missing: cifar10_p: looked in ")
  assert run(Shifts(), task_of(tmp_path, limit=2))["sets"]["cifar10_1"]["error"] == 50


def test_cifar_10_c_bar(tmp_path):
  folder = tmp_path / "CIFAR-10-C-Bar"
  folder.mkdir()
  np.save(folder / "labels.npy", np.tile(LABELS, 5))
  wanted = {}
  for name in CIFAR10_C_BAR:
    predicted = RANDOM.randint(0, 10, (5, 6))
    np.save(folder / f"{name}.npy", pictures(predicted.ravel()))
    wanted[name] = [100 * np.mean(row != LABELS) for row in predicted]
  scores = run(Shifts(("cifar10_c_bar",)), task_of(tmp_path))["sets"]["cifar10_c_bar"]
  assert scores["by_corruption"] == {name: pytest.approx(row) for name, row in wanted.items()}
  assert scores["error"] == pytest.approx(np.mean([*wanted.values()])) and scores["examples"] == 6


def test_cifar_10_p(tmp_path):
  folder = tmp_path / "CIFAR-10-P"
  folder.mkdir()
  wanted = {}
  for name in CIFAR_P:
    predicted = RANDOM.randint(0, 3, (4, 5))
    np.save(folder / f"{name}.npy", pictures(predicted.ravel()).reshape(4, 5, 32, 32, 3))
    before = predicted[:, :1] if "noise" in name else predicted[:, :-1]
    wanted[name] = 100 * np.mean(before != predicted[:, 1:])
  scores = run(Shifts(("cifar10_p",)), task_of(tmp_path))["sets"]["cifar10_p"]
  assert scores["by_perturbation"] == pytest.approx(wanted)
  assert scores["flips"] == pytest.approx(np.mean([*wanted.values()])) and scores["examples"] == 4
  assert (
    run(Shifts(("cifar10_p",)), task_of(tmp_path, limit=1))["sets"]["cifar10_p"]["examples"] == 1
  )
  (folder / "tilt.npy").unlink()
  with pytest.raises(UserError, match=r"CIFAR-10-P lacks tilt.npy"):
    list(Shifts(("cifar10_p",)).parts(task_of(tmp_path)))


def write_tree(folder, classes, shade=lambda label: 7, side=40, count=1):
  """One grey level per class."""
  for name, label in classes.items():
    (folder / name).mkdir(parents=True)
    for i in range(count):
      pixels = np.full((side, side, 3), shade(label), np.uint8)
      Image.fromarray(pixels).save(folder / name / f"image_{i}.png")


def ranked(logits_of_label):
  """A network of 1000 classes whose first pixel, twice a place in a list, names a row of logits."""

  def logits(images):
    return np.stack([logits_of_label[int(value)] for value in images[:, 0, 0, 0]])

  return FromFunction(logits, 1000, 32, name="ranked", fingerprint="ranked")


@pytest.mark.parametrize(
  "name, folder", [("imagenet_r", "imagenet-r"), ("imagenet_a", "imagenet-a")]
)
def test_predictions_are_among_the_200_classes(tmp_path, name, folder):
  classes = class_labels(name)
  places = {label: place for place, label in enumerate(classes.values())}
  write_tree(tmp_path / folder, classes, places.__getitem__)
  # The largest logit is that of a class the set lacks; of its own, every third image's is wrong.
  outside = next(label for label in range(1000) if label not in places)
  rows = np.zeros((200, 1000), np.float32)
  rows[:, outside] = 9
  labels = np.array(list(places))
  wrong = np.arange(200) % 3 == 0
  rows[np.arange(200), np.where(wrong, np.roll(labels, 1), labels)] = 5
  task = task_of(tmp_path, ranked(rows), "imagenet2012", resize=36)
  scores = run(Shifts((name,)), task)["sets"][name]
  assert scores["error"] == pytest.approx(100 * wrong.mean())
  assert (scores["examples"], scores["classes"]) == (200, 200)
  # Among all 1000 classes none would be right.
  assert (rows.argmax(1) == outside).all()


def test_a_set_of_200_classes_is_whole_and_of_imagenet(tmp_path):
  classes = class_labels("imagenet_r")
  write_tree(tmp_path / "imagenet-r", classes)
  suite = Shifts(("imagenet_r",))
  with pytest.raises(UserError, match="200 of ImageNet's 1000, and the network has 10"):
    list(suite.parts(task_of(tmp_path, data="imagenet2012")))
  first = next(iter(classes))
  (tmp_path / "imagenet-r" / first / "image_0.png").unlink()
  (tmp_path / "imagenet-r" / first).rmdir()
  with pytest.raises(
    UserError, match=f"its 199 class folders are not the 200 .*'{first}' is missing"
  ):
    list(suite.parts(task_of(tmp_path, by_pixel(1000), "imagenet2012")))


def test_the_class_folders_of_imagenet_v2_are_numbers(tmp_path):
  classes = {str(label): label for label in range(12)}
  write_tree(tmp_path / "imagenetv2-matched-frequency-format-val", classes, lambda label: label)
  scores = run(
    Shifts(("imagenet_v2",)), task_of(tmp_path, by_pixel(12), "imagenet2012", resize=36)
  )["sets"]["imagenet_v2"]
  assert scores["error"] == 0 and scores["examples"] == 12  # sorted as text, "10" would be 2


def test_imagenet_sketch_is_sorted_by_name_and_resized(tmp_path):
  write_tree(tmp_path / "sketch", {"n02": 1, "n01": 0, "n03": 2}, lambda label: label, count=2)
  edge = np.full((64, 64, 3), 2, np.uint8)
  edge[4:-4, 4:-4] = 0  # 64 to 40 pixels, of which the central 32 are cut: the frame is gone
  Image.fromarray(edge).save(tmp_path / "sketch" / "n01" / "image_0.png")
  scores = run(
    Shifts(("imagenet_sketch",)), task_of(tmp_path, by_pixel(3), "imagenet2012", resize=40)
  )["sets"]["imagenet_sketch"]
  assert scores["examples"] == 6
  assert scores["error"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
  "name, folder, corruptions",
  [
    ("imagenet_c_bar", "imagenet-c-bar", IMAGENET_C_BAR),
    ("imagenet_3dcc", "ImageNet-3DCC", IMAGENET_3DCC),
  ],
)
def test_trees_of_corruptions(tmp_path, name, folder, corruptions):
  wanted = {}
  for corruption in corruptions:
    wanted[corruption] = []
    for severity in range(1, 6):
      predicted = RANDOM.randint(0, 3, 3)
      write_tree(
        tmp_path / folder / corruption / str(severity),
        {"n01": 0, "n02": 1, "n03": 2},
        predicted.__getitem__,
        side=224,
      )
      wanted[corruption].append(100 * np.mean(predicted != np.arange(3)))
  task = task_of(tmp_path, by_pixel(3), "imagenet2012", resize=40)
  scores = run(Shifts((name,)), task)["sets"][name]
  assert scores["by_corruption"] == {each: pytest.approx(row) for each, row in wanted.items()}
  assert scores["error"] == pytest.approx(np.mean([*wanted.values()]))


def test_imagenet_p_is_video(tmp_path):
  cv2 = pytest.importorskip("cv2")
  wanted = {}
  for name in IMAGENET_P:
    predicted = RANDOM.randint(0, 3, (2, 4))
    for video, classes in enumerate(predicted):
      folder = tmp_path / "ImageNet-P" / name / f"n0{video}"
      folder.mkdir(parents=True)
      writer = cv2.VideoWriter(str(folder / "a.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 64))
      for label in classes:
        frame = np.zeros((64, 64, 3), np.uint8)
        frame[..., 2] = 80 * label  # red, of which the compression leaves a third or more
        writer.write(frame)
      writer.release()
    before = predicted[:, :1] if "noise" in name else predicted[:, :-1]
    wanted[name] = 100 * np.mean(before != predicted[:, 1:])

  def by_red(images):
    return np.eye(3, dtype=np.float32)[np.rint(images[:, 8, 8, 0] / 80).astype(int).clip(0, 2)]

  network = FromFunction(by_red, 3, 32, name="red", fingerprint="red")
  scores = run(Shifts(("imagenet_p",)), task_of(tmp_path, network, "imagenet2012"))
  scores = scores["sets"]["imagenet_p"]
  assert scores["by_perturbation"] == pytest.approx(wanted) and scores["examples"] == 2


def test_without_opencv_videos_are_refused(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "cv2", None)
  for name in IMAGENET_P:
    (tmp_path / "ImageNet-P" / name / "n01").mkdir(parents=True)
  task = task_of(tmp_path, by_pixel(3), "imagenet2012")
  with pytest.raises(UserError, match="not installed: pip install opencv-python-headless"):
    list(Shifts(("imagenet_p",)).parts(task))
  # What is not named by itself is missing, as what is not there.
  summary = run(Shifts(), task)
  assert "which OpenCV reads" in summary["missing"]["imagenet_p"] and not summary["sets"]
  assert Shifts().lines(summary)[0] == "shifted test sets      none is there"


def test_what_cannot_be_scored_is_said(tmp_path):
  with pytest.raises(UserError, match="no shifted test sets of digits are known, only of cifar10"):
    list(Shifts().parts(task_of(tmp_path, data="digits")))
  with pytest.raises(UserError, match="imagenet_r has not the classes of cifar10"):
    list(Shifts(("imagenet_r",)).parts(task_of(tmp_path)))
  with pytest.raises(UserError, match="unknown shifted test set 'cifar10_3'"):
    list(Shifts(("cifar10_3",)).parts(task_of(tmp_path)))
  with pytest.raises(UserError, match="cifar10_1 is missing: looked in .*cifar10.1_v6_data.npy"):
    list(Shifts(("cifar10_1",)).parts(task_of(tmp_path)))
  np.save(tmp_path / "cifar10.1_v6_data.npy", pictures(PREDICTED))
  with pytest.raises(UserError, match="cifar10.1_v6_labels.npy: no such file"):
    list(Shifts(("cifar10_1",)).parts(task_of(tmp_path)))
  np.savez(tmp_path / "cifar102_test.npz", images=pictures(PREDICTED))
  with pytest.raises(UserError, match="cifar102_test.npz: has no labels, only images"):
    list(Shifts(("cifar10_2",)).parts(task_of(tmp_path)))


def test_tables_and_the_report_show_each_set(tmp_path):
  write_cifar(tmp_path)
  summary = run(Shifts(), task_of(tmp_path))
  results = {"shifts": summary, "meta": {}}
  shown = all_metrics()
  assert SETS.keys() <= shown.keys()
  assert shown["cifar10_1"].title == "CIFAR-10.1 (v6) error %"
  assert shown["cifar10_p"].title == "CIFAR-10-P flips %"
  assert shown["cifar10_1"].read(results) == pytest.approx(100 * 2 / 6)
  assert shown["imagenet_r"].read(results) is None
  page = shifts({"planted": results})
  assert "CIFAR-10.2" in page and "cifar10_p is missing" in page
  assert shifts({"planted": {"meta": {}}}) == ""
