"""Any function of images is evaluated: in NumPy, PyTorch and Flax, from Python and from the shell.

All of them are the same linear network, so that their scores are those of a few lines of NumPy.
"""

import json
import os
import pathlib
import signal
import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import apr_jax
from apr_jax import corruptions, data
from apr_jax.errors import UserError
from apr_jax.evaluation.corruptions import Corruptions
from apr_jax.evaluation.suites import SUITES

ROOT = pathlib.Path(__file__).parents[1]
LIMIT = 60
KINDS = ("numpy", "torch", "flax")

CLASSIFIERS = '''
"""The same linear network in three frameworks."""

import os
import pathlib
import time

import numpy as np

import apr_jax

WEIGHTS = np.load(pathlib.Path(__file__).with_name("weights.npy"))
SIZE = (32, 32)


def slowly():
  time.sleep(float(os.environ.get("SLOWLY", "0")))


def numpy():
  def logits(images):
    slowly()
    return images.reshape(len(images), -1) / np.float32(255) @ WEIGHTS

  return apr_jax.FromFunction(logits, 10, SIZE, name="linear")


def torch():
  import torch

  network = torch.nn.Linear(len(WEIGHTS), 10, bias=False)
  with torch.no_grad():
    network.weight.copy_(torch.from_numpy(WEIGHTS.T.copy()))

  def logits(images):
    slowly()
    with torch.no_grad():
      return network(torch.from_numpy(images.reshape(len(images), -1) / np.float32(255)))

  return apr_jax.FromFunction(logits, 10, SIZE, name="linear")


def flax():
  import jax
  from flax import linen as nn

  network = nn.Dense(10, use_bias=False)

  @jax.jit
  def jax_logits(images):
    return network.apply({"params": {"kernel": WEIGHTS}}, images.reshape(len(images), -1))

  def logits(images):
    slowly()
    return jax_logits(images / np.float32(255))

  if os.environ.get("SLOWLY"):
    return apr_jax.FromFunction(logits, 10, SIZE, name="linear", fingerprint="as without waiting")
  return apr_jax.FromFunction(
    None, 10, SIZE, name="linear", jax_logits=jax_logits, fingerprint="as without waiting"
  )
'''


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
  """Of a linear network that ridge regression fits to the digits; float32 `[3072, 10]`."""
  train = data.load("digits", "train")
  inputs = train.images.reshape(len(train.images), -1) / 255
  targets = 10 * np.eye(10)[train.labels]
  ridge = inputs @ inputs.T + 30 * np.eye(len(inputs))
  return (inputs.T @ np.linalg.solve(ridge, targets)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(weights, tmp_path_factory) -> pathlib.Path:
  """Holds `classifiers.py`, and corrupted digits in the published layout in `digits-c`."""
  folder = tmp_path_factory.mktemp("any")
  np.save(folder / "weights.npy", weights)
  (folder / "classifiers.py").write_text(CLASSIFIERS)
  test = data.load("digits", "test").take(LIMIT)
  (folder / "digits-c").mkdir()
  np.save(folder / "digits-c" / "labels.npy", np.tile(test.labels, 5))
  random = np.random.default_rng(0)
  for name in corruptions.CORRUPTIONS:
    noise = [random.normal(0, 30 * severity, test.images.shape) for severity in range(1, 6)]
    sets = np.concatenate([np.clip(test.images + each, 0, 255) for each in noise])
    np.save(folder / "digits-c" / f"{name}.npy", sets.astype(np.uint8))
  return folder


def classifier(folder: pathlib.Path, kind: str):
  if kind == "torch":
    pytest.importorskip("torch")
  from apr_jax.classifiers import from_file

  return from_file.load(f"{folder / 'classifiers.py'}:{kind}")


def by_hand(weights: np.ndarray, folder: pathlib.Path) -> dict[str, float]:
  """The headlines of the four suites, in a few lines of NumPy and scikit-learn."""
  test = data.load("digits", "test").take(LIMIT)

  def probabilities(images):
    logits = images.reshape(len(images), -1).astype(np.float64) / 255 @ weights.astype(np.float64)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)

  def error(images):
    return 100 * np.mean(probabilities(images).argmax(1) != test.labels)

  errors = []
  for name in corruptions.CORRUPTIONS:
    sets = np.load(folder / "digits-c" / f"{name}.npy").reshape(5, LIMIT, 32, 32, 3)
    errors += [error(images) for images in sets]
  inside = probabilities(test.images)
  outside = probabilities(data.load("uniform_noise", "test").images[:LIMIT])
  confidence, correct = inside.max(1), inside.argmax(1) == test.labels
  bins = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
  gaps = [
    np.mean(bins == b) * abs(confidence[bins == b].mean() - correct[bins == b].mean())
    for b in np.unique(bins)
  ]
  known = np.repeat([1, 0], [len(inside), len(outside)])
  return {
    "clean": error(test.images),
    "corruptions": np.mean(errors),
    "ece": sum(gaps),
    "auroc": 100 * roc_auc_score(known, np.concatenate([confidence, outside.max(1)])),
  }


def headlines(results: dict) -> dict[str, float]:
  return {
    "clean": results["clean"]["error"],
    "corruptions": results["corruptions"]["mean_error"],
    "ece": results["calibration"]["clean"]["ece"],
    "auroc": results["ood"]["mean_auroc"],
  }


@pytest.mark.parametrize("kind", KINDS)
def test_a_function_scores_what_a_hand_computation_says(kind, weights, folder, tmp_path):
  results = apr_jax.evaluate(
    classifier(folder, kind),
    data="digits",
    data_dir=str(folder / "digits-c"),
    limit=LIMIT,
    ood_sets=("uniform_noise",),
    out=tmp_path,
    report=False,  # which the command below draws
    quiet=True,
  )
  assert headlines(results) == pytest.approx(by_hand(weights, folder), rel=1e-4)
  assert 0 < results["clean"]["error"] < results["corruptions"]["mean_error"] < 90
  assert results["corruptions"]["source"] == "published"
  assert results["meta"]["classifier"]["name"] == "linear"
  assert json.loads((tmp_path / "results.json").read_text()) == json.loads(json.dumps(results))


def test_an_evaluators_numbers_are_options(weights, folder, tmp_path):
  """Two of the corruptions alone; scores of the whole suite that are there stay apart."""
  few = Corruptions(("fog", "snow"))
  results = apr_jax.evaluate(
    classifier(folder, "numpy"),
    data="digits",
    data_dir=str(folder / "digits-c"),
    limit=LIMIT,
    suites={"clean": SUITES["clean"], "few": few},
    out=tmp_path,
    report=False,
    quiet=True,
  )
  assert list(results["few"]["by_corruption"]) == ["fog", "snow"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_command_killed_and_restarted_gives_the_same(
  kind, weights, folder, tmp_path, script, capsys, forks
):
  if kind == "torch":
    pytest.importorskip("torch")
  arguments = [
    f"--classifier={folder / 'classifiers.py'}:{kind}",
    "--data=digits",
    f"--data_dir={folder / 'digits-c'}",
    "--suites=clean,corruptions,calibration,ood",
    "--ood_sets=uniform_noise",
    f"--limit={LIMIT}",
    f"--out={tmp_path / 'out'}",
  ]
  process = forks.start(["evaluate.py", *arguments], env=os.environ | {"SLOWLY": "0.1"})

  def finished():
    stores = (tmp_path / "out").glob("parts-*.jsonl")
    return sum(len(path.read_text().splitlines()) - 1 for path in stores)

  while process.poll() is None and finished() < 20:
    time.sleep(0.01)
  process.send_signal(signal.SIGKILL)
  assert process.wait() == -signal.SIGKILL
  before = finished()
  assert 20 <= before < 150 and not (tmp_path / "out" / "report.html").exists()
  script("evaluate.py", *arguments)
  assert finished() == 1 + 75 + 76 + 1
  results = json.loads((tmp_path / "out" / "results.json").read_text())
  assert headlines(results) == pytest.approx(by_hand(weights, folder), rel=1e-4)
  assert "clean error" in capsys.readouterr().out
  page = (tmp_path / "out" / "report.html").read_text()
  assert "linear" in page and f"{results['corruptions']['mean_error']:.2f}" in page


def test_sets_that_nobody_names_need_no_files(folder, tmp_path):
  """As README has it: no sets are named, and the default suites look at some."""
  results = apr_jax.evaluate(
    classifier(folder, "numpy"),
    data="digits",
    suites=("clean", "ood"),
    limit=20,
    out=tmp_path,
    quiet=True,
  )
  assert {"photo_patches", "uniform_noise"} <= results["ood"].keys()


@pytest.mark.parametrize(
  ("answer", "words"),
  [
    (lambda n: np.full((n, 10), np.nan, np.float32), "numbers that are not finite"),
    (lambda n: np.zeros((n, 9), np.float32), "got float32 [20, 9]"),
    (lambda n: np.zeros((n, 10), int), "got int64"),
  ],
)
def test_answers_of_a_users_object_are_checked(tmp_path, answer, words):
  class Mine:
    name, fingerprint, num_classes, image_size = "mine", "f", 10, (32, 32)

    def logits(self, images):
      return answer(len(images))

  with pytest.raises(UserError) as error:
    apr_jax.evaluate(Mine(), data="digits", suites=("clean",), limit=20, out=tmp_path, quiet=True)
  assert words in str(error.value) and "\n" not in str(error.value)


def test_what_a_classifier_lacks_is_one_line(folder, tmp_path):
  class Curious(Corruptions):
    needs = ("jax_logits",)

  with pytest.raises(UserError, match="curious.*jax_logits.*'linear'"):
    apr_jax.evaluate(
      classifier(folder, "numpy"),
      data="digits",
      suites={"curious": Curious(("fog",))},
      out=tmp_path,
      quiet=True,
    )
  assert not (tmp_path / "results.json").exists()


@pytest.mark.parametrize(
  ("argument", "words"),
  [
    ("--classifier={folder}/none.py:numpy", "none.py"),
    ("--classifier={folder}/classifiers.py:nump", "numpy"),
    ("--classifier={folder}/classifiers.py", "FILE.py:FUNCTION"),
  ],
)
def test_a_classifier_that_cannot_be_loaded_is_one_line(folder, argument, words):
  from apr_jax.classifiers import from_file

  text = argument.format(folder=folder).partition("=")[2]
  with pytest.raises(UserError) as error:
    from_file.load(text)
  assert words in str(error.value) and "\n" not in str(error.value)
