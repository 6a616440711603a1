"""The sections that show images: what the network is trained on, what the corruptions do, and what
it looks at.

To add one: write a function of the network, the task and the results, and add a line to `PANELS`.
"""

from collections.abc import Callable, Mapping

import numpy as np

from apr_jax.augment import samples
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.corruptions.whole_sets import regenerate
from apr_jax.data import ArrayData
from apr_jax.errors import UserError, one_line
from apr_jax.evaluation import swap as swap_suite, thumbnails
from apr_jax.evaluation.ood import max_softmax
from apr_jax.evaluation.suite import Task
from apr_jax.report import html

_SEVERITIES = (1, 3, 5)
_LOOKED_AT = ("gaussian_noise", "fog", "pixelate")  # a noise, a weather and a digital corruption
_LOOKED_AT_SEVERITY = 3
_SLOW_FROM = 64  # pixels; above, each corruption takes long to compile, and a few are shown

Panel = Callable[[LoadedClassifier, Task, dict], list[str]]


def augmentation(classifier: LoadedClassifier, task: Task, results: dict) -> list[str]:
  """Test images, and below each the views that training would make of it; nothing for a network
  trained elsewhere.
  """
  del results
  config = classifier.config
  if config.get("imported_from"):
    return []
  try:
    rows = samples.training_views(config, task.test.images, task.test.labels)
    caption = _augmentation_caption(config)
  except (AttributeError, KeyError) as error:
    key = one_line(error).strip("\"'")
    raise UserError(
      f"the run's configuration is one of an earlier version, without the key {key}"
    ) from error
  names = [
    "image",
    *(f"view {number}" if len(rows) > 2 else "as trained" for number in range(1, len(rows))),
  ]
  return [
    html.picture_table(
      (), [(name, [(image, "") for image in row]) for name, row in zip(names, rows)], caption
    )
  ]


def corrupted(classifier: LoadedClassifier, task: Task, results: dict) -> list[str]:
  """An image under the corruptions that were scored."""
  del classifier
  if "corruptions" not in results:
    return []
  images = _a_few(task.test)
  scored = [*results["corruptions"]["by_corruption"]]
  shown = (
    scored
    if max(images.shape[1:3]) <= _SLOW_FROM
    else [name for name in scored if name in _LOOKED_AT]
  )
  rows = [("clean", [(images[0], "")])]
  rows += [
    (_title(name), [(_under(images, name, severity)[0], "") for severity in _SEVERITIES])
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


def swapped(classifier: LoadedClassifier, task: Task, results: dict) -> list[str]:
  """Pairs of images that exchange amplitudes, with the network's answers."""
  del classifier
  if "swap" not in results:
    return []
  test, section = task.test.images, results["swap"]
  second = lambda example: test[example["images"][1]]
  blocks = [_swap_table(test, section["in_distribution"]["examples"], second, "two test images")]
  for name, result in section["out_of_distribution"].items():
    # earlier versions kept none
    examples = [example for example in result["examples"] if "second" in example]
    if examples:
      blocks.append(
        _swap_table(
          test,
          examples,
          lambda example: thumbnails.from_text(example["second"]),
          f"a test image and one of {name}",
        )
      )
    else:
      blocks.append(
        html.paragraph(f"No pairs with {name}: results of earlier versions do not hold its images.")
      )
  return blocks


def grad_cam(classifier: LoadedClassifier, task: Task, results: dict) -> list[str]:
  """Where the network looks, on clean and on corrupted images."""
  if "corruptions" not in results:
    return []
  images = _a_few(task.test)
  batches = {"clean": images} | {
    _title(name): _under(images, name, _LOOKED_AT_SEVERITY) for name in _LOOKED_AT
  }
  together = np.concatenate([*batches.values()])
  logits = task.logits(together)
  answers = [
    _answer(*pair) for pair in zip(logits.argmax(1).tolist(), (100 * max_softmax(logits)).tolist())
  ]
  maps = overlay(together, classifier.grad_cam(together))
  rows = []
  for index, (title, batch) in enumerate(batches.items()):
    places = range(index * len(images), (index + 1) * len(images))
    rows.append((title, [(image, "") for image in batch]))
    rows.append(("Grad-CAM", [(maps[place], answers[place]) for place in places]))
  return [
    html.picture_table(
      (),
      rows,
      f"Grad-CAM of the predicted class on the last feature map: the brighter, the more it speaks for the "
      f"class, which stands below with its confidence. Clean images, and the same at severity {_LOOKED_AT_SEVERITY}, "
      f"made by apr_jax.corruptions.",
    )
  ]


PANELS: Mapping[str, Panel] = {
  "Training augmentation": augmentation,
  "Corruptions by eye": corrupted,
  "Amplitude and phase by eye": swapped,
  "Where the network looks": grad_cam,
}
"""{title: what stands below it; nothing is a panel that is not shown}."""


def draw(title: str, classifier: LoadedClassifier, task: Task, results: dict) -> str:
  """The section of a panel. Where it lacks something, such as clean images, it says so: the rest
  stays a report.
  """
  try:
    return html.section(title, *PANELS[title](classifier, task, results))
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
  if config.data.get("stream", False):
    sentences.append(
      "The random resized crops, in which this run reads its training images, are not shown."
    )
  if config.get("adversary", {}).get("steps", 0):
    sentences.append("The adversarial attacks of this training are not shown.")
  return " ".join(sentences)


def _a_few(test: ArrayData) -> np.ndarray:
  """The images that are corrupted, uint8 `[n, H, W, 3]`: always the same, so that one program
  serves all panels.
  """
  return test.images[samples.one_per_class(test.labels)]


def _under(images: np.ndarray, name: str, severity: int) -> np.ndarray:
  return next(regenerate(images, name, severity))


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
