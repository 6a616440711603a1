"""The tutorials do what they show."""

import json
import pathlib

import jax
import numpy as np
import pytest

import apr_jax
from tests.docs.conftest import ROOT, blocks_of, commands_of

TUTORIALS = ROOT / "docs" / "tutorials"
# The same commands with fewer images, steps and corruptions, so that each takes seconds.
SMALLER = {
  "train.py": (
    "--config.model.name=tiny",
    "--config.epochs=1",
    "--config.data.limit=64",
    "--config.eval_every_epochs=0",
    "--config.schedule.warmup_epochs=0.0",
  ),
  "evaluate.py": (
    "--limit=16",
    "--option=corruptions.names=('brightness',)",
    "--option=corruptions.severities=(1,)",
    "--noreport",
  ),
}


# And without APR, whose compilation is the most of such a run.
PLAIN = SMALLER | {
  "train.py": (*SMALLER["train.py"], *(f"--config.augment.apr_{x}.prob=0.0" for x in "ps"))
}


def run(run_blocks, name, smaller=SMALLER):
  return run_blocks(blocks_of((TUTORIALS / f"{name}.md").read_text()), smaller)


@pytest.mark.slow
def test_first_run(run_blocks):
  found = run(run_blocks, "first_run")
  assert found["logits"].shape == (32, 10) and found["foggy"].shape == (32, 32, 32, 3)
  scores = json.loads(pathlib.Path("runs/first/eval/results.json").read_text())
  assert scores["corruptions"]["by_corruption"].keys() == {"brightness"}
  assert "digits_standard" in pathlib.Path("runs/compare.html").read_text()


@pytest.mark.slow
def test_your_data(run_blocks):
  run(run_blocks, "your_data", PLAIN)
  scores = json.loads(pathlib.Path("runs/pictures/eval/results.json").read_text())
  assert scores["meta"]["settings"]["data"] == "folder:pictures"
  assert scores["corruptions"]["source"] == "regenerated"


@pytest.mark.slow
def test_your_classifier(run_blocks):
  found = run(run_blocks, "your_classifier")
  assert found["results"]["clean"]["error"] < 10


@pytest.mark.slow
def test_your_augmentation(run_blocks):
  found = run(run_blocks, "your_augmentation")
  ratio = np.asarray(found["views"][0]).max((1, 2, 3))
  assert len(np.unique(ratio)) == 8 and ratio.min() >= 0.5 * 0.9


@pytest.mark.slow
def test_reading_the_report(run_blocks):
  assert run(run_blocks, "reading_the_report")["results"]["clean"]["examples"] == 360


def test_every_tutorial_has_a_test():
  pages = {page.stem for page in TUTORIALS.glob("*.md")}
  assert pages == {name.removeprefix("test_") for name in globals() if name[5:] in pages}


@pytest.mark.parametrize("which", [0, 1])
def test_the_code_of_the_readme(run_blocks, which):
  """The three lines at its beginning, and the six of "Use it in your code"."""
  text = (ROOT / "README.md").read_text()
  block = [block for block in blocks_of(text) if "apr_s" in block[1]][which]
  images = np.random.RandomState(0).randint(0, 256, (4, 8, 8, 3)).astype(np.uint8)
  found = run_blocks(
    [block],
    names={
      "apr_jax": apr_jax,
      "key_s": jax.random.key(0),
      "key_p": jax.random.key(1),
      "images": images,
      "images_uint8": images,
      "labels": None,
      "f": lambda images: images,
      "cross_entropy": lambda images, _: float(images.mean()),
    },
  )
  assert found["mixed"].shape == images.shape and np.isfinite(found["loss"])


def test_blocks_are_found_and_what_needs_a_library_only_with_it():
  text = (
    "a\n```python\nx = 1\n```\n<!-- needs no_such_library -->\n```python\ny\n```\n```sh\nz\n```\n"
  )
  assert blocks_of(text) == [("python", "x = 1\n", 2), ("sh", "z\n", 9)]


def test_commands_are_taken_apart():
  code = "pip install x  # why\npython train.py --a='b c' \\\n    --d\n"
  assert commands_of(code) == [["pip", "install", "x"], ["python", "train.py", "--a=b c", "--d"]]


def test_a_block_that_fails_fails(run_blocks):
  with pytest.raises(ZeroDivisionError):
    run_blocks([("python", "1 / 0", 0)])
  with pytest.raises(AssertionError, match="curl is a command that no test runs"):
    run_blocks([("sh", "curl x", 0)])
