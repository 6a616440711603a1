"""Whole runs on the digits with a tiny network: what they write, and how they stop and go on."""

import functools
import io
import json
import pathlib
import re
import shutil
import signal
import struct

import jax
import numpy as np
import pytest
from PIL import Image

import apr_jax
from apr_jax import data, experiment, optimizers, schedules
from apr_jax.errors import Stopped, UserError
from apr_jax.run import checkpoint, configuration, sums
from apr_jax.run.state import create_state
from apr_jax.training import loop
from apr_jax.training.logs import Logs
from apr_jax.training.resident_steps import ResidentSteps
from benchmarks import determinism

TRAIN_KEYS = {"kind", "step", "epoch", "loss", "accuracy", "learning_rate", "images_per_second"}


def lines(workdir):
  return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def without_speed(entries):
  return [
    {key: value for key, value in entry.items() if key != "images_per_second"} for entry in entries
  ]


def parameters(workdir):
  """The newest checkpoint's whole content as NumPy arrays by name."""
  config = configuration.read_config(workdir)
  parts = experiment.build(config)
  schedule = schedules.make_schedule(config.schedule, config.optimizer.learning_rate, 4, 8)
  update_rule = optimizers.make_optimizer(config.optimizer, schedule)
  with checkpoint.Checkpoints(workdir) as checkpoints:
    state = checkpoints.restore(lambda: create_state(0, parts.model, parts.image_size, update_rule))
  state = jax.device_get(state)
  return {
    jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(state)
  }


def assert_same_parameters(first, second):
  first, second = parameters(first), parameters(second)
  assert first.keys() == second.keys() and len(first) > 8
  for name, value in first.items():
    np.testing.assert_array_equal(value, second[name], err_msg=name)


def events(workdir):
  """TensorBoard's values {(tag, step): value} as a reader shows them: a restart hides what it
  repeats.
  """
  from tensorboardX.proto import event_pb2  # after the run, which imports it without PyTorch

  scalars = {}
  for file in sorted(workdir.glob("events.out.tfevents.*")):  # named after the time of their start
    content = file.read_bytes()
    while content:
      (length,) = struct.unpack("<Q", content[:8])
      event = event_pb2.Event.FromString(content[12 : 12 + length])
      content = content[16 + length :]
      if event.HasField("session_log"):
        scalars = {key: value for key, value in scalars.items() if key[1] < event.step}
      for value in event.summary.value:
        picture = value.image.encoded_image_string if value.HasField("image") else None
        scalars[value.tag, event.step] = picture or value.simple_value
  return scalars


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
  """A run of two epochs, four steps each, which no test changes."""
  workdir = tmp_path_factory.mktemp("trained") / "whole"
  loop.train(digits(), workdir, quiet=True)
  return workdir


@pytest.fixture
def uninterrupted(trained, tmp_path):
  """A copy of it."""
  return shutil.copytree(trained, tmp_path / "whole")


def test_metrics_jsonl(digits, tmp_path):
  loop.train(digits(log_every_steps=3, schedule__warmup_epochs=2.0), tmp_path, quiet=True)
  entries = lines(tmp_path)
  assert [(entry["kind"], entry["step"], entry["epoch"]) for entry in entries] == [
    ("train", 3, 0.75),
    ("eval", 4, 1.0),
    ("train", 6, 1.5),
    ("train", 8, 2.0),
    ("eval", 8, 2.0),
  ]
  train = [entry for entry in entries if entry["kind"] == "train"]
  assert all(entry.keys() == TRAIN_KEYS for entry in train)
  assert all(
    entry.keys() == {"kind", "step", "epoch", "clean_error"}
    for entry in entries
    if entry not in train
  )
  # The rate of the last step of each window, which is step number - 1 of eight.
  assert [entry["learning_rate"] for entry in train] == pytest.approx(
    [0.05 * step / 8 for step in (2, 5, 7)]
  )
  assert all(entry["images_per_second"] > 0 for entry in train)
  assert train[0]["loss"] == pytest.approx(np.log(10), rel=0.3)
  # The logged error is that of the checkpoint on the test images.
  test = data.load("digits", "test")
  wrong = apr_jax.load_classifier(tmp_path).logits(test.images).argmax(1) != test.labels
  assert entries[-1]["clean_error"] == pytest.approx(100 * wrong.mean(), abs=1e-9)


def test_a_logged_window_is_the_mean_of_its_steps(digits, uninterrupted, tmp_path):
  loop.train(digits(log_every_steps=1), tmp_path / "each", quiet=True)
  assert_same_parameters(tmp_path / "each", uninterrupted)  # logging changes nothing
  each = [entry for entry in lines(tmp_path / "each") if entry["kind"] == "train"]
  windows = [entry for entry in lines(uninterrupted) if entry["kind"] == "train"]
  assert len(each) == 8 and len(windows) == 4
  for name in ("loss", "accuracy"):
    assert len({entry[name] for entry in each}) > 2
    means = [(first[name] + second[name]) / 2 for first, second in zip(each[::2], each[1::2])]
    assert [entry[name] for entry in windows] == pytest.approx(means, rel=1e-5)


def test_tensorboard_shows_the_scalars_of_metrics_jsonl(uninterrupted):
  expected = {
    (f"{entry['kind']}/{name}", entry["step"]): value
    for entry in lines(uninterrupted)
    for name, value in entry.items()
    if name not in ("kind", "step", "epoch")
  }
  shown = events(uninterrupted)
  del shown["augmentation", 0]
  assert shown.keys() == expected.keys() and len(shown) == 4 * 4 + 2
  for key, value in expected.items():
    assert shown[key] == pytest.approx(value, rel=1e-6), key


def test_tensorboard_shows_test_images_and_their_augmentation(uninterrupted):
  with Image.open(io.BytesIO(events(uninterrupted)["augmentation", 0])) as picture:
    pixels = np.asarray(picture)
  test = data.load("digits", "test", image_size=32)
  images = [test.images[test.labels == label][0] for label in range(8)]
  assert pixels.shape == (2 * 32, 8 * 32, 3)
  np.testing.assert_array_equal(pixels[:32], np.concatenate(images, axis=1))
  assert (pixels[32:] != pixels[:32]).any()


def test_the_workdir_holds_what_the_run_needs(uninterrupted):
  names = {re.sub(r"tfevents\..*", "tfevents", entry.name) for entry in uninterrupted.iterdir()}
  assert names == {"config.json", "checkpoints", "metrics.jsonl", "events.out.tfevents"}
  assert sorted(entry.name for entry in (uninterrupted / "checkpoints").iterdir()) == ["4", "8"]
  config = configuration.read_config(uninterrupted)
  assert (config.model.num_classes, config.model.image_size) == (10, (32, 32))  # resolved


def test_what_comes_after_the_checkpoint_is_dropped_and_repeated(digits, uninterrupted, tmp_path):
  expected = lines(uninterrupted)
  continued = tmp_path / "continued"
  shutil.copytree(uninterrupted, continued)
  shutil.rmtree(continued / "checkpoints" / "8")
  (old,) = continued.glob("events.out.tfevents.*")
  # or one of the same second would replace it
  old.rename(continued / "events.out.tfevents.0000000001.host")
  with (continued / "metrics.jsonl").open("a") as file:
    file.write('{"kind": "train", "step": 9')  # the last words of a killed run
  loop.train(digits(), continued, quiet=True)
  assert without_speed(lines(continued)) == without_speed(expected)
  assert_same_parameters(continued, uninterrupted)
  shown = events(continued)
  for entry in lines(continued):
    for name in entry.keys() - {"kind", "step", "epoch"}:
      assert shown.pop((f"{entry['kind']}/{name}", entry["step"])) == pytest.approx(
        entry[name], rel=1e-6
      )
  assert shown.keys() == {("augmentation", 0)}  # drawn once, by the run that started


def test_nothing_left_to_do(digits, uninterrupted, capsys):
  before = (uninterrupted / "metrics.jsonl").read_bytes(), parameters(uninterrupted)
  loop.train(digits(), uninterrupted)
  said = capsys.readouterr().out
  assert said.startswith("nothing left to do:") and "8 of 8 steps" in said and said.count("\n") == 1
  assert (uninterrupted / "metrics.jsonl").read_bytes() == before[0]
  assert len(list(uninterrupted.glob("events*"))) == 1


def test_fewer_epochs_than_the_run_has_are_refused(digits, uninterrupted):
  before = {path: path.read_bytes() for path in uninterrupted.rglob("*") if path.is_file()}
  with pytest.raises(
    UserError, match="trained for 8 steps already, more than the 4 of epochs=1; .* epochs=2"
  ):
    loop.train(digits(epochs=1), uninterrupted, quiet=True)
  assert {path: path.read_bytes() for path in uninterrupted.rglob("*") if path.is_file()} == before


def test_more_epochs_continue_the_run(digits, uninterrupted, tmp_path, capsys):
  loop.train(digits(epochs=3), uninterrupted)
  assert "continues at step 8" in capsys.readouterr().out
  loop.train(digits(epochs=3), tmp_path / "three", quiet=True)
  assert_same_parameters(uninterrupted, tmp_path / "three")
  steps = [entry["step"] for entry in lines(uninterrupted)]
  assert steps == [entry["step"] for entry in lines(tmp_path / "three")] and steps[-1] == 12
  assert configuration.read_config(uninterrupted).epochs == 3


def test_another_configuration_is_refused_before_anything_changes(digits, uninterrupted):
  before = {path: path.read_bytes() for path in uninterrupted.rglob("*") if path.is_file()}
  with pytest.raises(UserError, match=r"seed \(0 there, 1 now\)"):
    loop.train(digits(seed=1, epochs=3), uninterrupted, quiet=True)
  assert {path: path.read_bytes() for path in uninterrupted.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("owner, method", [(ResidentSteps, "run"), (Logs, "train")])
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_the_same_command_continues(
  digits, uninterrupted, tmp_path, signal_in, set_clock, owner, method, number, code
):
  handler = signal.getsignal(number)

  def config():
    return digits(log_every_steps=1, checkpoint__every_steps=100)

  signal_in(owner, method, number)
  with pytest.raises(Stopped) as stop:
    loop.train(config(), tmp_path / "run", quiet=True)
  assert stop.value.exit_code == code
  assert str(stop.value) == (
    f"stopped by {signal.Signals(number).name} after step 3; its state is saved: "
    "the same command continues it"
  )
  assert signal.getsignal(number) == handler
  assert [entry.name for entry in (tmp_path / "run" / "checkpoints").iterdir()] == ["3"]
  set_clock(-1 if number == signal.SIGTERM else 1, tmp_path / "run")
  loop.train(config(), tmp_path / "run", quiet=True)
  assert_same_parameters(tmp_path / "run", uninterrupted)
  assert [entry["step"] for entry in lines(tmp_path / "run") if entry["kind"] == "train"] == list(
    range(1, 9)
  )


def test_an_adversarial_run_continues_bitwise(digits, tmp_path, signal_in):
  def config():
    return digits(adversary__steps=1, log_every_steps=1)

  loop.train(config(), tmp_path / "whole", quiet=True)
  signal_in(ResidentSteps, "run", signal.SIGTERM)
  with pytest.raises(Stopped):
    loop.train(config(), tmp_path / "run", quiet=True)
  loop.train(config(), tmp_path / "run", quiet=True)
  assert_same_parameters(tmp_path / "run", tmp_path / "whole")
  losses = [
    [line["loss"] for line in lines(tmp_path / name) if "loss" in line] for name in ("run", "whole")
  ]
  assert losses[0] == losses[1] and len(losses[0]) == 8


def test_a_diverging_run_is_one_line_and_leaves_no_ruined_checkpoint(digits, tmp_path):
  with pytest.raises(
    UserError, match="training diverged: the loss is .* lower optimizer.learning_rate"
  ) as error:
    loop.train(digits(optimizer__learning_rate=1e30), tmp_path, quiet=True)
  assert "\n" not in str(error.value)
  assert not checkpoint.exists(tmp_path)


@pytest.mark.parametrize("part", ["model", "training"])
def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(
  digits, uninterrupted, tmp_path, capfd, part
):
  run = tmp_path / "run"
  shutil.copytree(uninterrupted, run)
  newest = run / "checkpoints" / str(checkpoint.latest_step(run))
  file = max((newest / part / "d").iterdir(), key=lambda file: file.stat().st_size)
  content = bytearray(file.read_bytes())
  content[len(content) // 2] ^= 1
  file.write_bytes(content)
  loop.train(digits(), run, quiet=True)
  (line,) = capfd.readouterr().err.splitlines()
  assert f"the checkpoint {newest} is damaged ({part}/d/" in line and "uses that of step 4" in line
  assert_same_parameters(run, uninterrupted)
  assert [folder.name for folder in (run / checkpoint.DAMAGED).iterdir()] == ["8-0"]
  assert without_speed(lines(run)) == without_speed(lines(uninterrupted))


def test_the_seed_decides_the_run(digits, uninterrupted, tmp_path):
  loop.train(digits(), tmp_path / "again", quiet=True)
  assert_same_parameters(tmp_path / "again", uninterrupted)
  differ, arrays, largest, lines_differ = determinism.differences(uninterrupted, tmp_path / "again")
  assert (differ, largest, lines_differ) == (0, 0, 0) and arrays == len(parameters(uninterrupted))
  loop.train(digits(seed=1), tmp_path / "other", quiet=True)
  differ, _, largest, lines_differ = determinism.differences(uninterrupted, tmp_path / "other")
  assert differ > 4 and largest > 0.05 and lines_differ == len(lines(uninterrupted))
  first, other = parameters(uninterrupted), parameters(tmp_path / "other")
  kernel = ".params['network']['fc']['kernel']"
  assert np.abs(first[kernel] - other[kernel]).max() > 0.05


def test_the_network_learns(digits, tmp_path):
  loop.train(
    digits(epochs=6, data__limit=0, augment__crop_padding=0, eval_every_epochs=0),
    tmp_path,
    quiet=True,
  )
  entries = [entry for entry in lines(tmp_path) if entry["kind"] == "eval"]
  assert len(entries) == 1  # eval_every_epochs 0: at the end only
  assert entries[0]["clean_error"] < 25


def test_a_contrastive_run_continues_and_is_a_classifier(digits, tmp_path):
  contrastive = functools.partial(
    digits, augment__simclr__views=2, optimizer__name="lars", log_every_steps=4
  )
  loop.train(contrastive(), tmp_path / "whole", quiet=True)
  loop.train(contrastive(epochs=1), tmp_path / "halves", quiet=True)
  loop.train(contrastive(), tmp_path / "halves", quiet=True)
  assert_same_parameters(tmp_path / "halves", tmp_path / "whole")
  assert [entry["step"] for entry in lines(tmp_path / "halves") if entry["kind"] == "eval"] == [
    4,
    8,
  ]
  test = data.load("digits", "test")
  logits = apr_jax.load_classifier(tmp_path / "whole").logits(test.images)
  assert logits.shape == (len(test.labels), 10)
  error = 100 * (logits.argmax(1) != test.labels).mean()
  assert lines(tmp_path / "whole")[-1]["clean_error"] == pytest.approx(error, abs=1e-9)


REFUSALS = {
  "model": ({"model__name": "tinny"}, "unknown model.name 'tinny'; did you mean 'tiny'?"),
  "schedule": (
    {"schedule__name": "cosin"},
    "unknown schedule.name 'cosin'; did you mean 'cosine'?",
  ),
  "optimizer": ({"optimizer__name": "sdg"}, "unknown optimizer.name 'sdg'; did you mean 'sgd'?"),
  "dtype": ({"model__dtype": "float16"}, "unknown model.dtype 'float16'; did you mean"),
  "warm-up": ({"schedule__warmup_epochs": -1.0}, "schedule.warmup_epochs must be 0 or more"),
  "batch and devices": (
    {"batch_size": 30},
    "batch_size 30 is not divisible by the number of devices, 4",
  ),
  "batch and data": (
    {"batch_size": 256},
    "batch_size 256 does not fit a training set of 128 examples",
  ),
  "limit": ({"data__limit": 100_000}, "100000"),
  "no path": ({"data__name": "npz"}, "data.data_dir"),
  "no file": ({"data__name": "npz:/no/such.npz"}, "/no/such.npz: no such file"),
  "no folder": ({"data__name": "folder", "data__data_dir": "/no/such"}, "/no/such: no such folder"),
  "value": ({"augment__apr_p__prob": 1.5}, "augment.apr_p.prob must be in 0..1, got 1.5"),
  "classes": (
    {"model__num_classes": 3},
    "model.num_classes is 3, but the data set 'digits' has 10",
  ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_settings_are_one_line_and_nothing_is_written(digits, tmp_path, case):
  overrides, words = REFUSALS[case]
  with pytest.raises(UserError) as error:
    loop.train(digits(**overrides), tmp_path / "run", quiet=True)
  assert words in str(error.value)
  assert "\n" not in str(error.value)
  assert not (tmp_path / "run").exists()


def test_an_unknown_data_set_lists_the_known_ones(digits, tmp_path):
  pytest.importorskip("tensorflow_datasets")
  with pytest.raises(UserError) as error:
    loop.train(digits(data__name="digit"), tmp_path / "run", quiet=True)
  assert (
    "'digit'" in str(error.value) and "digits" in str(error.value) and "\n" not in str(error.value)
  )
  assert not (tmp_path / "run").exists()


def test_splits_that_do_not_fit_each_other_are_refused(digits, tmp_path):
  path = tmp_path / "data.npz"

  def images(side):
    return np.zeros((8, side, side, 3), np.uint8)

  labels = np.arange(8)
  np.savez(
    path, train_images=images(8), train_labels=labels, test_images=images(12), test_labels=labels
  )
  with pytest.raises(UserError, match="its splits differ in classes or image size"):
    loop.train(
      digits(data__name=f"npz:{path}", data__limit=0, batch_size=8), tmp_path / "run", quiet=True
    )
  assert not (tmp_path / "run").exists()


def test_a_damaged_checkpoint_is_one_line(digits, uninterrupted):
  """Of an earlier version, which wrote no sums."""
  for step in ("4", "8"):
    (uninterrupted / "checkpoints" / step / sums.SUMS).unlink()
  for file in (uninterrupted / "checkpoints" / "8").rglob("manifest.ocdbt"):
    file.write_bytes(b"")
  with pytest.raises(UserError, match="checkpoints/8 cannot be read.*delete that folder"):
    loop.train(digits(epochs=3), uninterrupted, quiet=True)
  # Its advice works: the checkpoint before it is used.
  shutil.rmtree(uninterrupted / "checkpoints" / "8")
  loop.train(digits(epochs=2), uninterrupted, quiet=True)
  assert pathlib.Path(uninterrupted / "checkpoints" / "8").is_dir()


def test_the_start_says_what_is_trained(digits, tmp_path, capsys):
  config = digits(epochs=1)
  config.schedule.name = "step"
  loop.train(config, tmp_path)
  said = capsys.readouterr().out.splitlines()
  assert said[0].startswith("trains a network: tiny, ") and said[0].endswith(
    " parameters, without a method of augmentation"
  )
  assert said[1] == "on 128 images of digits, 32 a step: 8 on each of 4 cpu device(s)"
  assert said[2] == f"for 1 epoch(s) of 4 steps, 4 in all; starts into {tmp_path}"
  assert said[3].startswith("warning: the learning rate never falls")
  assert re.match(
    r"step 2/4, epoch 0.5: loss \d\.\d{3}, accuracy \d+\.\d %, \d+ images/s, \d+ s left", said[4]
  )
  assert re.match(r"step 4/4, epoch 1.0: clean error \d+\.\d\d %", said[-1])
