"""Whole runs on streams: what they log, and that a stopped one ends with the parameters of one that
was not.
"""

import json
import shutil
import signal

import numpy as np
import pytest
from PIL import Image

from apr_jax.errors import Stopped, UserError
from apr_jax.run import checkpoint
from apr_jax.training import loop
from apr_jax.training.stream_steps import StreamSteps
from tests import lazy
from tests.training.test_loop import TRAIN_KEYS, assert_same_parameters, lines

lazy.needed("tensorflow")
lazy.needed("tensorflow_datasets")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Two classes of noisy pictures, dark and bright: 36 for training, 8 for testing, of many sizes
  and formats.
  """
  root, random = tmp_path_factory.mktemp("folder"), np.random.RandomState(0)
  for split, count in (("train", 18), ("test", 4)):
    for name, level in (("bright", 170), ("dark", 80)):
      (root / split / name).mkdir(parents=True)
      for number in range(count):
        height, width = random.randint(20, 40, 2)
        pixels = (level + random.randint(-60, 60, (height, width, 3))).astype(np.uint8)
        Image.fromarray(pixels).save(root / split / name / f"{number}.{('jpg', 'png')[number % 2]}")
  return root


@pytest.fixture(scope="module")
def config(digits, folder):
  """A run of two epochs on the stream, four steps each."""
  return lambda **overrides: digits(
    **{
      "data__name": f"folder:{folder}",
      "data__limit": 0,
      "data__stream": True,
      "data__image_size": 16,
      "data__resize": 20,
      "batch_size": 8,
      "augment__crop_padding": 0,
      "augment__flip": True,
      "augment__apr_p__prob": 0.5,
    }
    | overrides
  )


@pytest.fixture(scope="module")
def uninterrupted(config, tmp_path_factory):
  """A whole run, which no test changes."""
  workdir = tmp_path_factory.mktemp("trained") / "whole"
  loop.train(config(), workdir, quiet=True)
  return workdir


def test_a_run_on_class_folders_logs_what_it_waits_for(uninterrupted):
  entries = lines(uninterrupted)
  assert [(entry["kind"], entry["step"]) for entry in entries] == [
    ("train", 2),
    ("train", 4),
    ("eval", 4),
    ("train", 6),
    ("train", 8),
    ("eval", 8),
  ]
  for entry in entries:
    if entry["kind"] == "train":
      assert entry.keys() == TRAIN_KEYS | {"input_wait"} and 0 <= entry["input_wait"] <= 100


def test_the_network_learns_from_a_stream(config, tmp_path):
  loop.train(config(epochs=5, eval_every_epochs=0, augment__apr_p__prob=0.0), tmp_path, quiet=True)
  assert lines(tmp_path)[-1]["clean_error"] <= 12.5  # one of eight


@pytest.mark.parametrize("every", [100, 3])
def test_a_stopped_run_continues_with_the_same_batches(
  config, uninterrupted, tmp_path, signal_in, every
):
  overrides = {"log_every_steps": 1, "checkpoint__every_steps": every}
  signal_in(StreamSteps, "run", signal.SIGTERM)
  with pytest.raises(Stopped, match="after step 3"):
    loop.train(config(**overrides), tmp_path / "run", quiet=True)
  loop.train(config(**overrides), tmp_path / "run", quiet=True)
  assert_same_parameters(tmp_path / "run", uninterrupted)


def test_extra_folders_count_as_steps_and_change_the_run(config, folder, uninterrupted, tmp_path):
  loop.train(config(data__extra_folders=(str(folder),), epochs=1), tmp_path / "run", quiet=True)
  assert [entry["epoch"] for entry in lines(tmp_path / "run") if entry["kind"] == "eval"] == [1.0]
  assert lines(tmp_path / "run")[-1]["step"] == 9  # 72 images


def test_a_damaged_image_is_one_line_and_the_good_checkpoint_stays(config, folder, tmp_path):
  copy = tmp_path / "copy"
  shutil.copytree(folder, copy)
  (copy / "train" / "dark" / "7.png").write_bytes(b"")
  with pytest.raises(UserError, match="train/dark/7.png: cannot be read as an image") as error:
    loop.train(config(data__name=f"folder:{copy}"), tmp_path / "run", quiet=True)
  assert "\n" not in str(error.value)
  done = checkpoint.latest_step(tmp_path / "run") or 0
  Image.fromarray(np.full((30, 30, 3), 80, np.uint8)).save(copy / "train" / "dark" / "7.png")
  loop.train(config(data__name=f"folder:{copy}"), tmp_path / "run", quiet=True)
  assert 0 < done < 4 and lines(tmp_path / "run")[-1]["step"] == 8


REFUSALS = {
  "in memory": ({"data__name": "digits"}, "'digits' is held in memory: set data.stream=False"),
  "no size": ({"data__image_size": 0, "data__resize": 0}, "set data.image_size"),
  "batch and data": (
    {"batch_size": 64},
    "batch_size 64 does not fit a training set of 36 examples",
  ),
  "resize": (
    {"data__resize": 12},
    "data.resize must be 0 (as data.image_size) or at least data.image_size",
  ),
  "area": (
    {"data__min_crop_area": 0.0},
    "data.min_crop_area must be above 0 and at most 1, got 0.0",
  ),
  "buffer": ({"data__shuffle_buffer": 0}, "data.shuffle_buffer must be above 0, got 0"),
  "extra without stream": (
    {"data__stream": False, "data__extra_folders": ("more",)},
    "data.extra_folders needs data.stream=True",
  ),
  "extra": ({"data__extra_folders": ("/no/such",)}, "/no/such: no such folder"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_settings_are_one_line_and_nothing_is_written(config, tmp_path, case):
  overrides, words = REFUSALS[case]
  with pytest.raises(UserError) as error:
    loop.train(config(**overrides), tmp_path / "run", quiet=True)
  assert words in str(error.value) and "\n" not in str(error.value)
  assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_imagenet_from_tfds_with_the_imagenet_recipe(real_data, compiled_programs, tmp_path):
  from configs import imagenet_apr_p

  config = imagenet_apr_p.get_config()
  config.update_from_flattened_dict(
    {
      "data.data_dir": str(real_data),
      "data.image_size": 16,
      "data.resize": 20,
      "model.name": "wide_resnet_10_1",
      "batch_size": 16,
      "epochs": 1,
      "log_every_steps": 1,
      "eval_every_epochs": 0,
    }
  )
  loop.train(config, tmp_path, quiet=True)
  entries = lines(tmp_path)
  assert [entry["step"] for entry in entries if entry["kind"] == "train"] == [1, 2, 3]
  losses = [entry["loss"] for entry in entries if entry["kind"] == "train"]
  # A sum of two cross-entropies over 1000 classes.
  assert losses[0] == pytest.approx(2 * np.log(1000), rel=0.15) and np.isfinite(losses).all()
  assert json.loads((tmp_path / "config.json").read_text())["model"]["num_classes"] == 1000


def test_the_accuracy_under_pgd_is_logged_for_streams_too(config, tmp_path):
  def attacked(**overrides):
    return config(adversary__steps=1, eval_every_epochs=0, **overrides)

  loop.train(attacked(adversary__log_pgd=True), tmp_path / "logged", quiet=True)
  found = [line for line in lines(tmp_path / "logged") if line["kind"] == "pgd"]
  assert [line["step"] for line in found] == [4, 8]
  # Of two views of eight images each.
  assert all((line["pgd_accuracy"] / 100 * 16) % 1 == 0 for line in found)
  loop.train(attacked(), tmp_path / "plain", quiet=True)
  assert_same_parameters(tmp_path / "logged", tmp_path / "plain")
