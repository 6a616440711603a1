"""Every suite on what is rare: black images, one image, one class, outputs and gradients that are
not finite. A score is a finite number, or one line says why there is none.
"""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import apr_jax
from apr_jax.errors import UserError
from apr_jax.evaluation import runner
from apr_jax.evaluation.settings import Settings
from apr_jax.evaluation.suites import SUITES, configure

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 3, 0, 1])
SETS = {
  "black": (NOISE * 0, LABELS),
  "white": (NOISE * 0 + 255, LABELS),
  "one image": (NOISE[:1], LABELS[:1]),
  "one class": (NOISE, LABELS * 0),
}
# Small enough to compile in a moment.
CHOSEN = configure(
  {name: SUITES[name] for name in ("clean", "calibration", "ood", "swap", "fourier", "pgd")}
  | {"corruptions": SUITES["corruptions"]},
  ["corruptions.names=('brightness',)", "calibration.corruptions=('brightness',)"],
)


def linear(x):
  """Logits of four classes, linear in the brightness."""
  return jnp.stack([x.mean((1, 2, 3)) * (k + 1) - 0.3 * k for k in range(4)], 1) * 10


def classifier(logits=linear):
  compiled = jax.jit(logits)
  return apr_jax.FromFunction(
    lambda images: np.asarray(compiled(images.astype(np.float32) / 255)),
    num_classes=4,
    image_size=(32, 32),
    name="mine",
    jax_logits=logits,
  )


def evaluate(made, folder, images, labels, suite):
  data = folder / "data"
  data.mkdir()
  for split, of_split in (("train", LABELS), ("test", labels)):
    np.save(data / f"{split}_images.npy", NOISE if split == "train" else images)
    np.save(data / f"{split}_labels.npy", of_split)
  settings = Settings("npy", data_dir=str(data), ood_sets=("uniform_noise",), limit=6)
  suites = {suite: CHOSEN[suite]}
  return runner.evaluate(made, settings, suites, folder / "out", quiet=True).results[suite]


def numbers(value):
  if isinstance(value, dict):
    value = list(value.values())
  if isinstance(value, list):
    return [number for inner in value for number in numbers(inner)]
  return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("suite", CHOSEN)
@pytest.mark.parametrize("case", SETS)
def test_scores_of_rare_sets_are_finite(tmp_path, suite, case):
  try:
    summary = evaluate(classifier(), tmp_path, *SETS[case], suite)
  except UserError as error:
    assert suite == "swap" and case in ("one image", "one class")
    assert "no pair of two classes" in str(error) and "\n" not in str(error)
    return
  found = numbers(json.loads(json.dumps(summary)))
  assert found and all(map(math.isfinite, found))


def bad_where_black(x):
  return linear(x) / (x.max() > 0)


@pytest.mark.parametrize(
  "suite", sorted(CHOSEN.keys() - {"corruptions"})
)  # corrupted they are not black
def test_outputs_that_are_not_finite_are_one_line(tmp_path, suite):
  with pytest.raises(UserError, match="not finite") as error:
    evaluate(classifier(bad_where_black), tmp_path, NOISE * 0, LABELS, suite)
  assert "\n" not in str(error.value)
  assert not (tmp_path / "out" / "results.json").exists()


def no_gradient(x):
  """Finite, and nowhere differentiable."""
  return linear(x) + jnp.sqrt(jnp.abs(x - x)).sum((1, 2, 3))[:, None]


def test_a_gradient_that_is_not_finite_makes_no_number(tmp_path):
  with pytest.raises(UserError, match="finite") as error:
    evaluate(classifier(no_gradient), tmp_path, NOISE, LABELS, "pgd")
  assert "\n" not in str(error.value)
