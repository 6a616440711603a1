"""What the network reads: whose label it predicts when an image has the phase of one and the
amplitude of another.

Each test image exchanges amplitudes with another test image, and with an out-of-distribution image.
Recombined images are clipped and rounded to uint8 before the network sees them. The transform is
the released code's, over height, width and channels.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487),
Figures 2 and 3, which show single pairs. The rates over a whole test set are ours.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import spectrum
from apr_jax.augment.apr import to_uint8
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation import ood_protocols
from apr_jax.evaluation.evaluator import Evaluator, Parts
from apr_jax.evaluation.task import Task
from apr_jax.evaluation.thumbnails import to_text
from apr_jax.metrics import max_softmax

CHUNK_BYTES = 2**25
"""Bytes of the uint8 images that are recombined at a time; changes no result."""


@dataclasses.dataclass(frozen=True)
class Swap(Evaluator):
  """Whose label is predicted, and how surely.

  Attributes:
    examples: pairs per set of which the results tell each prediction: the first ones.
    seed: of the pairs: all classifiers see the same.
  """

  examples: int = 4
  seed: int = 0

  reads: ClassVar[tuple[str, ...]] = ("ood_sets",)

  def parts(self, task: Task) -> Parts:
    """Those within the test split, "in_distribution", then "ood/..." for each out-of-distribution
    set, as `ood_protocols.parts`.
    """
    test = task.test
    pairs = pairs_within(test.labels, self.seed)
    if not len(pairs):
      raise UserError(
        f"{len(test.labels)} test images of {test.name!r} give no pair of two classes to "
        f"recombine; raise --limit, or leave swap out of --suites"
      )
    yield "in_distribution", lambda: self._score_within(task, pairs)

    def score(source: str, outside: ArrayData) -> dict:
      del source
      return self._score_outside(task, outside)

    for name, compute in ood_protocols.parts(task, score):
      yield f"ood/{name}", compute

  def summarise(self, results: dict) -> dict:
    """All rates and confidences in percent.

    "in_distribution": how often the prediction is the "phase"'s label, the "amplitude"'s label, or
    "neither"; "confidence", the mean maximum softmax probability; "pairs", of two different labels
    each; "examples". "out_of_distribution", for each set: how often the test image's label is
    predicted, "label", and the "confidence", when the test image gives the "phase" and when it
    gives the "amplitude"; "pairs"; "examples". "missing", if a protocol's set is: {set: where it
    was looked for, or why it cannot be loaded}.

    An example has the "images" [i, j], by their positions in the test split and, out of
    distribution, in the other set; "labels"; and "predictions" and "confidences" for the four
    images of `panel`. Out of distribution it has the second image too, "second", as text of
    `thumbnails`: a report need not load that set again.
    """
    missing = ood_protocols.of_kind(results, "missing")
    summary = {
      "in_distribution": results["in_distribution"],
      "out_of_distribution": ood_protocols.of_kind(results, "scores"),
    }
    return summary | ({"missing": missing} if missing else {})

  def lines(self, summary: dict) -> list[str]:
    """What the predictions follow."""
    rates = summary["in_distribution"]
    return [
      f"follows phase          {rates['phase']:6.2f} %   "
      f"(the amplitude: {rates['amplitude']:.2f} %; {rates['pairs']} recombined pairs)",
      *(f"  missing: {name}: {why}" for name, why in summary.get("missing", {}).items()),
    ]

  def _score_within(self, task: Task, pairs: np.ndarray) -> dict:
    images, labels = task.test.images, task.test.labels
    phase, amplitude = pairs.T
    predictions, confidence = _predict_swapped(task, images, phase, images, amplitude)
    rates = {"phase": predictions == labels[phase], "amplitude": predictions == labels[amplitude]}
    rates["neither"] = ~(rates["phase"] | rates["amplitude"])
    told = pairs[: self.examples]
    return {name: _percent(chosen) for name, chosen in rates.items()} | {
      "confidence": _percent(confidence),
      "pairs": len(pairs),
      "examples": _examples(task, told, images, labels[told].tolist()),
    }

  def _score_outside(self, task: Task, outside: ArrayData) -> dict:
    images, labels = task.test.images, task.test.labels
    pairs = pairs_across(len(labels), len(outside.labels), self.seed)
    inside, other = pairs.T
    result = {}
    for role, sources in (
      ("phase", (images, inside, outside.images, other)),
      ("amplitude", (outside.images, other, images, inside)),
    ):
      predictions, confidence = _predict_swapped(task, *sources)
      result[role] = {"label": _percent(predictions == labels), "confidence": _percent(confidence)}
    told = pairs[: self.examples]
    both_labels = [[label, None] for label in labels[: self.examples].tolist()]
    examples = _examples(task, told, outside.images, both_labels)
    return result | {
      "pairs": len(pairs),
      "examples": [
        example | {"second": to_text(outside.images[position])}
        for example, position in zip(examples, other.tolist())
      ],
    }


@jax.jit
def swapped(phase_of: jax.Array, amplitude_of: jax.Array) -> jax.Array:
  """Images with the phase of one and the amplitude of another, as the network sees them.

  Args:
    phase_of, amplitude_of: uint8 `[N, H, W, 3]`.

  Returns:
    uint8 `[N, H, W, 3]`, clipped and rounded.
  """
  return to_uint8(
    spectrum.recombine(amplitude_of.astype(jnp.float32), phase_of.astype(jnp.float32)), "clip"
  )


def panel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """The images of an example: both, and both with the other's amplitude.

  Args:
    first, second: uint8 `[H, W, 3]`, of the example's "images".

  Returns:
    uint8 `[4, H, W, 3]`: first; second; phase of the first, amplitude of the second; and the
    reverse.
  """
  both = np.stack([first, second])
  return np.concatenate([both, swapped(both, both[::-1])])


def pairs_within(labels: np.ndarray, seed: int = 0) -> np.ndarray:
  """Random pairs of images of different classes; no image is first in two pairs, nor second in two.

  Args:
    labels: int `[N]`.
    seed: of the pairs.

  Returns:
    positions int `[P, 2]`, ordered by the first, which is to give the phase; P ≤ N.
  """
  order = _permutation(len(labels), seed)
  partner = np.empty_like(order)
  partner[order] = np.roll(order, 1)  # one cycle through all images: none is its own partner
  return np.stack([np.arange(len(labels)), partner], axis=1)[labels != labels[partner]]


def pairs_across(count: int, outside_count: int, seed: int = 0) -> np.ndarray:
  """int `[count, 2]`: each of `count` images with one of `outside_count` others, in random order
  and in turns.
  """
  other = np.resize(_permutation(outside_count, seed), count)
  return np.stack([np.arange(count), other], axis=1)


def _permutation(count: int, seed: int) -> np.ndarray:
  # RandomState, because NumPy promises that its stream never changes.
  return np.random.RandomState(seed).permutation(count)


def _predict_swapped(
  task: Task,
  phase_of: np.ndarray,
  phase_at: np.ndarray,
  amplitude_of: np.ndarray,
  amplitude_at: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
  """Predicted classes and confidences, `[P]` each, of `phase_of[phase_at]` with the other's
  amplitude.
  """
  size = max(1, CHUNK_BYTES // phase_of[0].nbytes)
  logits = np.concatenate(
    [
      task.logits(
        np.asarray(
          swapped(
            phase_of[phase_at[start : start + size]],
            amplitude_of[amplitude_at[start : start + size]],
          )
        )
      )
      for start in range(0, len(phase_at), size)
    ]
  )
  return logits.argmax(1), max_softmax(logits)


def _examples(
  task: Task, pairs: np.ndarray, second_of: np.ndarray, labels: list[list]
) -> list[dict]:
  """What the network says to the panels of some pairs; see `Swap.summarise`."""
  if not len(pairs):
    return []
  images = [panel(task.test.images[first], second_of[second]) for first, second in pairs]
  logits = task.logits(np.concatenate(images))
  predictions, confidences = (
    logits.argmax(1).reshape(-1, 4),
    100 * max_softmax(logits).reshape(-1, 4),
  )
  return [
    {"images": pair, "labels": label, "predictions": prediction, "confidences": confidence}
    for pair, label, prediction, confidence in zip(
      pairs.tolist(), labels, predictions.tolist(), confidences.tolist()
    )
  ]


def _percent(values: np.ndarray) -> float:
  return 100 * float(np.mean(values))
