"""Accuracy under attack: AutoAttack, or a quick PGD, on the test images.

The classifier must be a differentiable JAX function (`jax_logits`). A part is a block of images, so
an interrupted evaluation loses one block at most. Random numbers belong to an image's place, so
neither blocks nor batches nor devices change a result.

Reference: Croce and Hein, ICML 2020 (https://arxiv.org/abs/2003.01690); Madry et al., ICLR 2018
(https://arxiv.org/abs/1706.06083). Accuracies are in percent, as in the tables of this field.
"""

import dataclasses
import functools
import hashlib
import io
import json
import pathlib
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import numpy as np

from apr_jax.attacks import CLEAN, EPSILON, AutoAttack, Result, join
from apr_jax.classifiers.interface import need
from apr_jax.errors import UserError, one_line
from apr_jax.evaluation.evaluator import Evaluator, Headline, Parts
from apr_jax.evaluation.part_store import key_of
from apr_jax.evaluation.task import Task
from apr_jax.evaluation.thumbnails import to_text
from apr_jax.files import make_folder, write_bytes
from apr_jax.metrics import max_softmax

IMAGES = "adversarial.npz"
"""The attacked images, beside the results: "images" float32 in [0, 1], "labels", "positions" in the
test split, and "robust".
"""

BLOCKS = "adversarial"
"""The folder of the blocks that `IMAGES` is joined from."""

_DISAGREE = 0.01  # share of the images whose class may differ between `jax_logits` and `logits`


@dataclasses.dataclass(frozen=True)
class Robustness(Evaluator):
  """How many test images no attack turns.

  Attributes:
    version: of the ensemble, a key of `attacks.VERSIONS`: standard, plus or rand.
    attacks: names of `attacks.ATTACKS` in the order in which they run, in place of a version.
    epsilon: the largest change of a value, in units of [0, 1].
    images: attack so many of the test images, evenly spaced; 0 = all.
    block: images of a part.
    batch_size: images per call of the network at most.
    seed: of the attacks.
    examples: attacked images of which the results tell and keep a picture, at most.
    save_adversarial: also write the attacked images to `IMAGES`.
    title: of the accuracy, for a terminal and for tables.
    score: the name of the accuracy in tables.
  """

  version: str = "standard"
  attacks: tuple[str, ...] = ()
  epsilon: float = EPSILON
  images: int = 0
  block: int = 192
  batch_size: int = 96  # of it and its halves nothing is left over, see models/image_by_image.py
  seed: int = 0
  examples: int = 4
  save_adversarial: bool = False
  title: str = "AutoAttack accuracy"
  score: str = "robust_accuracy"

  needs: ClassVar[tuple[str, ...]] = ("jax_logits",)

  @property
  def headlines(self) -> Mapping[str, Headline]:
    """The robust accuracy."""
    return {self.score: Headline(f"{self.title} %", lambda summary: summary["robust_accuracy"])}

  def parts(self, task: Task) -> Parts:
    """One part per block of images, "images 0 to 199"."""
    if self.images < 0 or self.block < 1:
      raise UserError(
        f"robustness needs images of 0 (all) or more and a block above 0, got {self.images} and "
        f"{self.block}"
      )
    devices = jax.local_devices()
    attack = AutoAttack(
      need(task.classifier, "jax_logits", "an attack"),
      epsilon=self.epsilon,
      attacks=self.attacks or self.version,
      batch_size=self.batch_size,
      devices=devices if len(devices) > 1 else None,
    )
    total = len(task.test.labels)
    count = min(self.images, total) or total
    positions = np.arange(count) * total // count
    for start in range(0, count, self.block):
      chosen = positions[start : start + self.block]
      name = f"images {start} to {start + len(chosen) - 1} of {count}"
      yield name, functools.partial(self._attack, task, attack, chosen)

  def summarise(self, results: dict) -> dict:
    """Accuracies in percent, over all images that were attacked, the misclassified ones included.

    "robust_accuracy"; "clean_accuracy"; "by_attack" {"clean" and then each attack: the accuracy
    after it}; "broken_by" {attack: number of images}; "epsilon"; "version", or "custom"; "images",
    their number; "precision" of the attacked function; "warnings", why the robust accuracy may be
    too high; "seconds" of attacking; "examples", images that an attack turned: "position" in the
    test split, "label", "by" which attack, "predictions" and "confidences" in percent before and
    after, and as text of `thumbnails` the "image", the "attacked" one, and the "perturbation",
    magnified so that epsilon is black or white. "files", if the attacked images are kept: the names
    of the blocks' files.
    """
    blocks = list(results.values())
    found = join(
      [
        Result(
          attacks=tuple(block["attacks"]),
          gradient_free=tuple(block["gradient_free"]),
          epsilon=self.epsilon,
          broken_by=tuple(block["broken_by"]),
          adversarial=None,
          observations=tuple(block["observations"]),
        )
        for block in blocks
      ]
    )
    files = [block["file"] for block in blocks if block.get("file")]
    summary = {"files": files} if files else {}
    return summary | {
      "robust_accuracy": found.robust_accuracy,
      "clean_accuracy": found.clean_accuracy,
      "by_attack": found.by_attack,
      "broken_by": {name: found.broken_by.count(name) for name in found.attacks},
      "epsilon": self.epsilon,
      "version": "custom" if self.attacks else self.version,
      "images": len(found.broken_by),
      "precision": "float32, products of full precision",
      "warnings": list(found.warnings),
      "seconds": sum(block["seconds"] for block in blocks),
      "examples": [one for block in blocks for one in block["examples"]][: self.examples],
    }

  def lines(self, summary: dict) -> list[str]:
    """The accuracies, and the warnings."""
    steps = ", ".join(f"{name} {value:.2f}" for name, value in summary["by_attack"].items())
    about = f"epsilon {255 * self.epsilon:.3g} of 255, {summary['images']} images; {steps}"
    text = [f"{self.title:<22} {summary['robust_accuracy']:6.2f} %   ({about})"]
    return text + [f"  warning: {warning}" for warning in summary["warnings"]]

  def write(self, folder: pathlib.Path, summary: dict | None) -> None:
    """Joins the blocks' images to one file, `IMAGES`, if they are kept."""
    if summary is None or "files" not in summary:
      return
    try:
      blocks = [
        np.load(io.BytesIO((folder / BLOCKS / name).read_bytes())) for name in summary["files"]
      ]
    except OSError as error:
      raise UserError(
        f"attacked images of {folder / BLOCKS} are gone ({one_line(error)}); delete "
        f"{folder}/parts-*.jsonl to attack again"
      ) from error
    joined = {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0].files}
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **joined)
    write_bytes(folder / IMAGES, content.getvalue())

  def _attack(self, task: Task, attack: AutoAttack, positions: np.ndarray) -> dict:
    """The result of one block, as JSON holds it."""
    started = time.monotonic()
    images, labels = task.test.images[positions], task.test.labels[positions]
    found = attack(
      images,
      labels,
      key=jax.random.key(self.seed),
      positions=positions,
      progress=False if task.quiet else None,
    )
    before = task.logits(images)
    right = np.array([breaker != CLEAN for breaker in found.broken_by])
    differing = np.mean((before.argmax(1) == labels) != right)
    observations = list(found.observations)
    if differing > _DISAGREE:
      observations.append(
        f"jax_logits and logits disagree on {100 * differing:.1f} % of some images: what is "
        f"attacked is not what is evaluated"
      )
    files = {"file": self._keep(task, found, labels, positions)} if self.save_adversarial else {}
    return files | {
      "attacks": list(found.attacks),
      "gradient_free": list(found.gradient_free),
      "broken_by": list(found.broken_by),
      "observations": observations,
      "examples": self._examples(task, found, images, labels, positions),
      "seconds": time.monotonic() - started,
    }

  def _examples(
    self,
    task: Task,
    found: Result,
    images: np.ndarray,
    labels: np.ndarray,
    positions: np.ndarray,
  ) -> list[dict[str, Any]]:
    """The first images that an attack turned."""
    turned = [at for at, by in enumerate(found.broken_by) if by not in (None, CLEAN)]
    told = []
    jax_logits = need(task.classifier, "jax_logits", "an attack")
    images_of = self._images_of(found)
    for at in turned[: self.examples]:
      attacked = images_of[at]
      pair = np.stack([images[at] / np.float32(255), attacked])
      logits = np.asarray(jax_logits(pair), np.float32)
      change = (attacked - pair[0]) / self.epsilon
      told.append(
        {
          "position": int(positions[at]),
          "label": int(labels[at]),
          "by": found.broken_by[at],
          "predictions": logits.argmax(1).tolist(),
          "confidences": (100 * max_softmax(logits)).tolist(),
          "image": to_text(images[at]),
          "attacked": to_text(_to_uint8(attacked)),
          "perturbation": to_text(_to_uint8(0.5 + change / 2)),
        }
      )
    return told

  def _images_of(self, found: Result) -> np.ndarray:
    """Of a block that has just been attacked."""
    assert found.adversarial is not None
    return found.adversarial

  def _keep(
    self, task: Task, found: Result, labels: np.ndarray, positions: np.ndarray
  ) -> str | None:
    """Writes the block's images, and returns the name of their file."""
    if task.folder is None:
      return None
    # Blocks of other data, or of another classifier, may lie in the same folder.
    whose = [task.classifier.fingerprint, dataclasses.asdict(task.settings), key_of(self)]
    digest = hashlib.sha256(json.dumps(whose, sort_keys=True).encode()).hexdigest()[:12]
    name = f"{digest}-{positions[0]}-{positions[-1]}.npz"
    content = io.BytesIO()
    np.savez(
      content,
      images=self._images_of(found),
      labels=labels,
      positions=positions,
      robust=found.robust,
    )
    make_folder(task.folder / BLOCKS)
    write_bytes(task.folder / BLOCKS / name, content.getvalue())
    return name


def _to_uint8(values: np.ndarray) -> np.ndarray:
  """Float `[..., 3]` in [0, 1] → uint8, for pictures."""
  return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
