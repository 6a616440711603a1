"""The watch over catastrophic overfitting: what it measures, when it warns, and which state it
keeps.
"""

import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import apr_jax
from apr_jax import data, experiment, keys, losses
from apr_jax.attacks.pgd import pgd
from apr_jax.data import resident
from apr_jax.errors import Stopped
from apr_jax.run import checkpoint, configuration
from apr_jax.training import loop, overfitting
from apr_jax.training.resident_steps import ResidentSteps
from tests.training.test_loop import assert_same_parameters, lines, without_speed

FELL = (
  "warning: catastrophic overfitting in epoch 3: the accuracy under PGD fell from 60.0 to 30.0 %; "
)


def pgd_lines(workdir):
  return [line for line in lines(workdir) if line["kind"] == "pgd"]


def checkpoints_of(workdir):
  return sorted(int(entry.name) for entry in (workdir / "checkpoints").iterdir())


@pytest.fixture
def planted(monkeypatch):
  """Puts accuracies, one per epoch of four steps, in the place of those that are measured."""

  def plant(*accuracies):
    def attacked_batch(state, images, labels, key, shard, **_):
      del images, labels, key, shard
      correct = jnp.asarray(accuracies, jnp.float32)[state.step // 4 - 1]
      return {"correct": correct, "examples": jnp.float32(100)}

    monkeypatch.setattr(overfitting, "attacked_batch", attacked_batch)

  return plant


@pytest.mark.parametrize(
  "before, now, expected",
  [
    (None, 0.0, False),  # nothing to compare with
    (50.0, None, False),
    (50.0, 30.0, False),  # 20 points are not more than 20
    (50.0, 29.9, True),
    (10.0, 90.0, False),
    (0.0, 0.0, False),
  ],
)
def test_a_fall_of_more_than_twenty_points(before, now, expected):
  assert overfitting.falls(before, now) is expected


def test_the_accuracy_is_that_of_pgd_by_hand(digits, tmp_path):
  # Statistics over all devices, so that the whole batch may be attacked at once.
  config = digits(
    epochs=3,
    adversary__steps=1,
    adversary__epsilon=6.0,
    adversary__outside="pull",
    adversary__log_pgd=True,
    augment__apr_p__double=True,
    model__sync_batch_norm=True,
    optimizer__learning_rate=0.2,
  )
  loop.train(config, tmp_path, quiet=True)
  (*_, found) = pgd_lines(tmp_path)
  assert (found["step"], found["epoch"]) == (12, 3.0)

  resolved = configuration.read_config(tmp_path)
  resolved.model.sync_batch_norm = False
  parts = experiment.build(resolved)
  variables = apr_jax.load_classifier(tmp_path).variables
  run_key = keys.stream(jax.random.key(config.seed), "run")
  train = data.load("digits", "train").take(128)
  first = np.asarray(resident.epoch_permutation(run_key, 2, 128))[:32]
  images, labels = train.images[first], train.labels[first]
  key = keys.of_step(run_key, 8)  # of the first step of the third epoch
  views, targets = jax.jit(parts.augmentation)(
    keys.stream(key, "augment"), images, labels, jnp.arange(32), jnp.int32(0)
  )

  def logits_of(views):
    outputs, _ = parts.model.apply(
      variables, views.reshape(-1, 32, 32, 3), train=True, mutable=["batch_stats"]
    )
    return outputs.logits.reshape(2, 32, 10)

  @jax.jit
  def right(views):
    """Which of the views are classified right before and after the attack."""
    attacked = pgd(
      keys.stream(key, "pgd_accuracy"),
      views,
      lambda views: losses.apr_loss(logits_of(views), targets),
      steps=5,
      epsilon=6 / 255,
      step_size=1.5 / 255,
      outside="pull",
    )
    return [logits_of(each).argmax(-1) == labels for each in (views, attacked)]

  before, after = (100 * float(each.mean()) for each in right(views))
  assert found["pgd_accuracy"] == pytest.approx(after, abs=100 / 64 + 1e-6)
  assert 5 < after < before


def test_looking_changes_nothing_and_a_run_that_continues_measures_the_same(
  digits, tmp_path, signal_in
):
  def config(**overrides):
    return digits(adversary__steps=1, log_every_steps=1, epochs=3, **overrides)

  loop.train(config(), tmp_path / "plain", quiet=True)
  loop.train(config(adversary__log_pgd=True), tmp_path / "whole", quiet=True)
  assert_same_parameters(tmp_path / "plain", tmp_path / "whole")
  assert not pgd_lines(tmp_path / "plain") and len(pgd_lines(tmp_path / "whole")) == 3
  others = [line for line in lines(tmp_path / "whole") if line["kind"] != "pgd"]
  assert without_speed(others) == without_speed(lines(tmp_path / "plain"))

  signal_in(ResidentSteps, "run", signal.SIGTERM)
  with pytest.raises(Stopped):
    loop.train(config(adversary__log_pgd=True), tmp_path / "run", quiet=True)
  loop.train(config(adversary__log_pgd=True), tmp_path / "run", quiet=True)
  assert without_speed(lines(tmp_path / "run")) == without_speed(lines(tmp_path / "whole"))
  assert_same_parameters(tmp_path / "run", tmp_path / "whole")


def test_without_an_adversary_nothing_is_measured(digits, tmp_path):
  loop.train(digits(epochs=1, adversary__log_pgd=True), tmp_path, quiet=True)
  assert not pgd_lines(tmp_path)


def test_a_fall_is_said_and_the_run_goes_on(digits, tmp_path, planted, capsys):
  planted(50, 60, 30, 90)
  loop.train(digits(epochs=4, adversary__steps=1, adversary__log_pgd=True), tmp_path)
  said = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
  assert said == [FELL + "adversary.stop_on_overfitting=True would stop here"]
  assert [line["pgd_accuracy"] for line in pgd_lines(tmp_path)] == [50, 60, 30, 90]
  assert checkpoint.latest_step(tmp_path) == 16


@pytest.mark.parametrize("every_steps", [0, 3])
def test_a_fall_stops_the_run_with_the_state_of_the_epoch_before(
  digits, tmp_path, planted, capsys, every_steps
):
  planted(50, 60, 30, 90)

  def config(**overrides):
    return digits(
      adversary__steps=1, checkpoint__keep=1, checkpoint__every_steps=every_steps, **overrides
    )

  run = tmp_path / "run"
  loop.train(config(epochs=4, adversary__stop_on_overfitting=True), run)
  said = capsys.readouterr().out.splitlines()
  assert said[-1] == FELL + "the run stops, with the state of epoch 2"
  assert checkpoints_of(run) == [8]
  assert [line["pgd_accuracy"] for line in pgd_lines(run)] == [50, 60, 30]
  loop.train(config(epochs=2), tmp_path / "two", quiet=True)
  assert_same_parameters(run, tmp_path / "two")

  before = lines(run)
  loop.train(config(epochs=4, adversary__stop_on_overfitting=True), run)
  assert capsys.readouterr().out == (
    f"nothing left to do: {run} is trained for 8 of 16 steps; its next epoch overfits\n"
  )
  assert lines(run) == before and checkpoints_of(run) == [8]


def test_a_run_that_is_stopped_in_the_overfitting_epoch_ends_all_the_same(
  digits, tmp_path, planted, signal_in
):
  planted(60, 30)
  run = tmp_path / "run"

  def config(epochs=4):
    return digits(
      epochs=epochs, adversary__steps=1, adversary__stop_on_overfitting=True, checkpoint__keep=1
    )

  loop.train(config(epochs=1), run, quiet=True)
  signal_in(ResidentSteps, "run", signal.SIGTERM)
  with pytest.raises(Stopped):
    loop.train(config(), run, quiet=True)
  assert checkpoints_of(run) == [4, 7]  # that of the epoch before is kept beside the newest
  shutil.copytree(run / "checkpoints" / "7", tmp_path / "7")
  loop.train(config(), run, quiet=True)
  assert checkpoints_of(run) == [4]
  assert [line["pgd_accuracy"] for line in pgd_lines(run)] == [60, 30]

  # As a kill leaves it between the line of the fall and the end of the later checkpoints.
  shutil.copytree(tmp_path / "7", run / "checkpoints" / "7")
  loop.train(config(), run, quiet=True)
  assert checkpoints_of(run) == [4]
  assert [line["pgd_accuracy"] for line in pgd_lines(run)] == [60, 30]
