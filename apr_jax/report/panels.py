"""The sections that show images: what the network is trained on, what the corruptions do, and what
it looks at.

To add one: write a function of the evaluation and add a line to `PANELS`. What needs an ability
that the classifier lacks is not shown.
"""

from collections.abc import Callable, Mapping

import numpy as np

from apr_jax.augment import samples
from apr_jax.classifiers.interface import ability
from apr_jax.corruptions.whole_sets import BATCH_SIZE, regenerate
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation import swap as swap_suite, thumbnails
from apr_jax.evaluation.runner import Evaluation
from apr_jax.metrics import max_softmax
from apr_jax.report import filters, html

_SEVERITIES = (1, 3, 5)
_LOOKED_AT = ("gaussian_noise", "fog", "pixelate")  # a noise, a weather and a digital corruption
_LOOKED_AT_SEVERITY = 3
_SLOW_FROM = 64  # pixels; above, each corruption takes long to compile, and a few are shown

Panel = Callable[[Evaluation], list[str]]


def augmentation(evaluation: Evaluation) -> list[str]:
  """Test images, and below each the views that training would make of it; nothing for a classifier
  that was not trained here.
  """
  config = ability(evaluation.classifier, "config")
  if config is None:
    return []
  test = evaluation.task.test
  rows = samples.training_views(config, test.images, test.labels)
  names = [
    "image",
    *(f"view {number}" if len(rows) > 2 else "as trained" for number in range(1, len(rows))),
  ]
  return [
    html.picture_table(
      (),
      [(name, [(image, "") for image in row]) for name, row in zip(names, rows)],
      _augmentation_caption(config),
    )
  ]


def corrupted(evaluation: Evaluation) -> list[str]:
  """An image under the corruptions that were scored."""
  results = evaluation.results
  if "corruptions" not in results:
    return []
  images = _a_few(evaluation.task.test)
  whole = _in_a_batch(images, evaluation.task.test)
  scored = [*results["corruptions"]["by_corruption"]]
  shown = (
    scored
    if max(images.shape[1:3]) <= _SLOW_FROM
    else [name for name in scored if name in _LOOKED_AT]
  )
  rows = [("clean", [(images[0], "")])]
  rows += [
    (_title(name), [(_under(whole, name, severity)[0], "") for severity in _SEVERITIES])
    for name in shown
  ]
  which = "each corruption" if shown == scored else f"{len(shown)} of the {len(scored)} corruptions"
  return [
    html.picture_table(
      ["", *(f"severity {severity}" for severity in _SEVERITIES)],
      rows,
      f"A test image, and the same under {which}, made by apr_jax.corruptions.",
    )
  ]


def swapped(evaluation: Evaluation) -> list[str]:
  """Pairs of images that exchange amplitudes, with the network's answers."""
  section = evaluation.results.get("swap")
  if section is None:
    return []
  test = evaluation.task.test.images

  def second_of(example: dict) -> np.ndarray:
    if "second" in example:  # of another set
      return thumbnails.from_text(example["second"])
    return test[example["images"][1]]

  sets = {"two test images": section["in_distribution"]} | {
    f"a test image and one of {name}": result
    for name, result in section["out_of_distribution"].items()
  }
  return [_swap_table(test, result["examples"], second_of, title) for title, result in sets.items()]


def grad_cam(evaluation: Evaluation) -> list[str]:
  """Where the network looks, on clean and on corrupted images; nothing for a classifier without
  Grad-CAM.
  """
  maps_of, task = ability(evaluation.classifier, "grad_cam"), evaluation.task
  if maps_of is None or "corruptions" not in evaluation.results:
    return []
  images = _a_few(task.test)
  whole = _in_a_batch(images, task.test)
  batches = {"clean": images} | {
    _title(name): _under(whole, name, _LOOKED_AT_SEVERITY)[: len(images)] for name in _LOOKED_AT
  }
  together = np.concatenate([*batches.values()])
  logits = task.logits(together)
  answers = [
    _answer(*pair) for pair in zip(logits.argmax(1).tolist(), (100 * max_softmax(logits)).tolist())
  ]
  maps = overlay(together, maps_of(together))
  rows = []
  for index, (title, batch) in enumerate(batches.items()):
    places = range(index * len(images), (index + 1) * len(images))
    rows.append((title, [(image, "") for image in batch]))
    rows.append(("Grad-CAM", [(maps[place], answers[place]) for place in places]))
  return [
    html.picture_table(
      (),
      rows,
      f"Grad-CAM of the predicted class on the last feature map: the brighter, the more it speaks "
      f"for the class, which stands below with its confidence. Clean images, and the same at "
      f"severity {_LOOKED_AT_SEVERITY}, made by apr_jax.corruptions.",
    )
  ]


PANELS: Mapping[str, Panel] = {
  "Training augmentation": augmentation,
  "Corruptions by eye": corrupted,
  "Amplitude and phase by eye": swapped,
  "Where the network looks": grad_cam,
  "Filters of the first layer": filters.by_eye,
}
"""{title: what stands below it; nothing is a panel that is not shown}."""


def draw(title: str, evaluation: Evaluation) -> str:
  """The section of a panel. Where it lacks something, such as clean images, it says so: the rest
  stays a report.
  """
  try:
    return html.section(title, *PANELS[title](evaluation))
  except UserError as error:
    return html.section(title, html.paragraph(f"Not shown: {error}."))


def overlay(images: np.ndarray, maps: np.ndarray) -> np.ndarray:
  """Images in grey under a map in orange, uint8 `[N, H, W, 3]` and float `[N, H, W]` in [0, 1] →
  uint8.

  The brightness grows with the map, so that it can be read without colour.
  """
  grey = images.mean(-1, keepdims=True) * 0.5
  orange = np.array([255, 190, 70])
  share = 0.75 * maps[..., None]
  return np.rint((1 - share) * grey + share * orange).astype(np.uint8)


def _augmentation_caption(config) -> str:
  """What the picture shows, and what it does not."""
  sentences = ["Test images, and what the augmentation of the training step makes of them."]
  coins = samples.batch_coins(config.augment)
  if coins:
    sentences.append(
      f"One coin switches {' and '.join(coins)} on or off for a whole batch; shown is on."
    )
  if config.data.stream:
    sentences.append(
      "The random resized crops, in which this run reads its training images, are not shown."
    )
  if config.adversary.steps:
    sentences.append("The adversarial attacks of this training are not shown.")
  return " ".join(sentences)


def _a_few(test: ArrayData) -> np.ndarray:
  """The images that are corrupted, uint8 `[n, H, W, 3]`."""
  return test.images[samples.one_per_class(test.labels)]


def _in_a_batch(images: np.ndarray, test: ArrayData) -> np.ndarray:
  """Those images and, if they are small, black ones behind them: a batch as large as an
  evaluation's, whose programs are compiled. With large ones that would take longer than to compile
  others.
  """
  small = max(images.shape[1:3]) <= _SLOW_FROM
  size = max(len(images), min(BATCH_SIZE, len(test.images)) if small else 0)
  batch = np.zeros((size, *images.shape[1:]), np.uint8)
  batch[: len(images)] = images
  return batch


def _under(batch: np.ndarray, name: str, severity: int) -> np.ndarray:
  return next(regenerate(batch, name, severity))


def _swap_table(
  test: np.ndarray, examples: list[dict], second_of: Callable[[dict], np.ndarray], title: str
) -> str:
  rows = []
  # Exchanged small, large images show what it does to them as well.
  small = (
    ""
    if max(test.shape[1:3]) <= thumbnails.LARGEST
    else (
      f", of the images at full size; the pictures are exchanged at {thumbnails.LARGEST} pixels"
    )
  )
  for number, example in enumerate(examples, 1):
    pictures = swap_suite.panel(
      *(thumbnails.shrink(image) for image in (test[example["images"][0]], second_of(example)))
    )
    texts = [_answer(*pair) for pair in zip(example["predictions"], example["confidences"])]
    rows.append((f"pair {number}", list(zip(pictures, texts))))
  return html.picture_table(
    [
      "",
      "first",
      "second",
      "phase of first, amplitude of second",
      "phase of second, amplitude of first",
    ],
    rows,
    f"Pairs of {title}; below each picture the predicted class and the confidence{small}",
  )


def _answer(prediction: int, confidence: float) -> str:
  return f"{prediction} ({confidence:.0f} %)"


def _title(name: str) -> str:
  return name.replace("_", " ")
