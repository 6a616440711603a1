"""The sections that show images: what the network is trained on, what the corruptions do, and what it looks at.

To add one: write a function of the network, the task and the results, and add a line to `PANELS`.
"""

from collections.abc import Callable

import jax
import numpy as np

from apr_jax import corruptions, experiment
from apr_jax.augment.samples import sample_grid
from apr_jax.corruptions.whole_sets import regenerate
from apr_jax.data import ArrayData
from apr_jax.evaluation import ood_protocols
from apr_jax.evaluation import swap as swap_suite
from apr_jax.evaluation.classifier import LoadedClassifier
from apr_jax.evaluation.suite import Task
from apr_jax.report import html

_SAMPLES = 8  # images in a row
_SEVERITIES = (1, 3, 5)
_LOOKED_AT = ("gaussian_noise", "fog", "pixelate")  # a noise, a weather and a digital corruption
_LOOKED_AT_SEVERITY = 3
_TILE = 72  # screen pixels an image is shown at, about


def augmentation(classifier: LoadedClassifier, task: Task, results: dict) -> str:
  """Test images, and below each the views that training would make of it."""
  del results
  chosen = one_per_class(task.test.labels)
  images = task.test.images[chosen]
  augment = experiment.build(classifier.config).augment
  grid = sample_grid(jax.random.key(classifier.config.seed), augment, images, task.test.labels[chosen])
  rows = np.split(grid, len(grid) // images.shape[1])
  names = ["image", *(f"view {number}" if len(rows) > 2 else "as trained" for number in range(1, len(rows)))]
  return html.section("Training augmentation", html.strips(
      list(zip(names, rows)), "Test images as they are, and as the training step would show them to the network.",
      _scale(images)))


def corrupted(classifier: LoadedClassifier, task: Task, results: dict) -> str:
  """An image under every corruption that was scored."""
  del classifier
  if "corruptions" not in results:
    return ""
  rows = [(name.replace("_", " "), np.concatenate(
      [task.test.images[0], *(_under(task.test, name, severity)[0] for severity in _SEVERITIES)], axis=1))
          for name in results["corruptions"]["by_corruption"]]
  return html.section("Corruptions by eye", html.strips(
      rows, f"A test image, and the same under each corruption at severities {', '.join(map(str, _SEVERITIES))}, made "
      f"by apr_jax.corruptions.", _scale(task.test.images)))


def swapped(classifier: LoadedClassifier, task: Task, results: dict) -> str:
  """Pairs of images that exchange amplitudes, with the network's answers."""
  del classifier
  if "swap" not in results:
    return ""
  section = results["swap"]
  blocks = [_swap_table(task.test, task.test, section["in_distribution"]["examples"], "two test images")]
  sources = ood_protocols.present(task)
  for name, result in section["out_of_distribution"].items():
    blocks.append(_swap_table(task.test, task.load_test(sources[name]), result["examples"],
                                f"a test image and one of {name}"))
  return html.section("Amplitude and phase by eye", *blocks)


def grad_cam(classifier: LoadedClassifier, task: Task, results: dict) -> str:
  """Where the network looks, on clean and on corrupted images."""
  if "corruptions" not in results:
    return ""
  # The corrupted images are the first of the test split, and the same ones are shown clean.
  corrupted_sets = {name: _under(task.test, name, _LOOKED_AT_SEVERITY) for name in _LOOKED_AT}
  chosen = one_per_class(task.test.labels[:min(map(len, corrupted_sets.values()))])
  rows = _looked_at(classifier, task.test.images[chosen], "clean")
  for name, images in corrupted_sets.items():
    rows += _looked_at(classifier, images[chosen], name.replace("_", " "))
  return html.section("Where the network looks", html.strips(
      rows, f"Grad-CAM of the predicted class on the last feature map: the brighter, the more it speaks for the class. "
      f"Clean images, and the same at severity {_LOOKED_AT_SEVERITY}.", _scale(task.test.images)))


PANELS: tuple[Callable[[LoadedClassifier, Task, dict], str], ...] = (augmentation, corrupted, swapped, grad_cam)


def one_per_class(labels: np.ndarray) -> np.ndarray:
  """The index of the first image of each class, in the order of the classes; at most `_SAMPLES`, int `[n]`."""
  _, first = np.unique(labels, return_index=True)
  return first[:_SAMPLES]


def overlay(images: np.ndarray, maps: np.ndarray) -> np.ndarray:
  """Images in grey under a map in orange, uint8 `[N, H, W, 3]` and float `[N, H, W]` in [0, 1] → uint8.

  The brightness grows with the map, so that it can be read without colour.
  """
  grey = images.mean(-1, keepdims=True) * 0.5
  orange = np.array([255, 190, 70])
  share = 0.75 * maps[..., None]
  return np.rint((1 - share) * grey + share * orange).astype(np.uint8)


def _looked_at(classifier: LoadedClassifier, images: np.ndarray, title: str) -> list[tuple[str, np.ndarray]]:
  maps = overlay(images, classifier.grad_cam(images))
  return [(title, np.concatenate(list(images), axis=1)), ("", np.concatenate(list(maps), axis=1))]


def _under(data: ArrayData, name: str, severity: int) -> np.ndarray:
  """The first images under a corruption, by the program that the evaluation compiled."""
  return next(regenerate(data.images, name, severity))


def _swap_table(test: ArrayData, other: ArrayData, examples: list[dict], title: str) -> str:
  rows = []
  for example in examples:
    first, second = example["images"]
    texts = [f"{prediction} ({confidence:.0f} %)"
             for prediction, confidence in zip(example["predictions"], example["confidences"])]
    rows.append(list(zip(swap_suite.panel(test.images[first], other.images[second]), texts)))
  return html.picture_table(
      ["first", "second", "phase of first, amplitude of second", "phase of second, amplitude of first"], rows,
      f"Pairs of {title}; below each picture the predicted class and the confidence", _scale(test.images))


def _scale(images: np.ndarray) -> int:
  return max(1, _TILE // images.shape[2])
