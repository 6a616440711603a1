"""Checkpoints: what is saved comes back bit by bit, or one line says why not."""

import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from apr_jax import models, parallel
from apr_jax.errors import UserError
from apr_jax.models.layers import BatchNorm
from apr_jax.run import checkpoint, sums
from apr_jax.run.state import create_state


class Small(nn.Module):
  """A linear layer on normalised pixels: parameters and running statistics."""

  num_classes: int

  @nn.compact
  def __call__(self, images: jax.Array, train: bool) -> jax.Array:
    pixels = BatchNorm(name="bn")(images, train)
    return nn.Dense(self.num_classes, name="fc")(pixels.reshape(len(images), -1))


@pytest.fixture
def create():
  """Makes the state of a small run from a seed, replicated."""
  model = models.NormalisedNetwork(Small(5), (0.5,) * 3, (0.25,) * 3)
  optimizer = optax.sgd(optax.constant_schedule(0.1), 0.9)
  return lambda seed=0: parallel.replicate(create_state(seed, model, (8, 8), optimizer))


def varied(state, step):
  """Nothing at its initial value."""
  random = np.random.default_rng(step)

  def noisy(tree):
    return jax.tree.map(
      lambda x: (x + random.normal(size=x.shape)).astype(x.dtype), jax.device_get(tree)
    )

  return parallel.replicate(
    state.replace(
      step=jnp.int32(step),
      params=noisy(state.params),
      batch_stats=noisy(state.batch_stats),
      opt_state=jax.tree.map(lambda x: x + step, noisy(state.opt_state)),
    )
  )


def plain(state):
  return jax.device_get(state)


def assert_same(first, second):
  assert jax.tree.structure(first) == jax.tree.structure(second)
  for (path, a), b in zip(
    jax.tree_util.tree_leaves_with_path(first), jax.tree.leaves(second), strict=True
  ):
    assert a.dtype == b.dtype, path
    np.testing.assert_array_equal(a, b, err_msg=jax.tree_util.keystr(path))


def save(workdir, *states, keep=1):
  with checkpoint.Checkpoints(workdir, keep) as checkpoints:
    for state in states:
      checkpoints.save(int(state.step), state)


def names(workdir):
  return sorted(entry.name for entry in (workdir / checkpoint.FOLDER).iterdir())


def test_round_trip_is_bitwise_and_brings_the_key(tmp_path, create):
  state = varied(create(1), 7)
  save(tmp_path, state)
  with checkpoint.Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.latest_step() == 7
    restored = checkpoints.restore(create)  # of another seed: everything comes from the file
  assert_same(plain(restored), plain(state))
  assert jax.random.uniform(restored.key) == jax.random.uniform(state.key)
  assert {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(restored.params)} == {
    len(jax.devices())
  }


def test_restore_variables_reads_the_model_alone(tmp_path, create):
  state = varied(create(), 3)
  save(tmp_path, state)
  shutil.rmtree(tmp_path / checkpoint.FOLDER / "3" / "training")
  with checkpoint.Checkpoints(tmp_path) as checkpoints:
    variables = checkpoints.restore_variables(lambda: create().variables)
  assert_same(jax.device_get(variables), jax.device_get(state.variables))


def test_an_average_is_a_part_of_its_own(tmp_path, create):
  state = varied(create(), 3)
  averaged = state.replace(average=varied(create(), 5).variables)
  save(tmp_path, averaged)
  with checkpoint.Checkpoints(tmp_path) as checkpoints:
    restored = checkpoints.restore(lambda: create().replace(average=create().variables))
    average = checkpoints.restore_variables(lambda: create().variables, part=checkpoint.AVERAGE)
    weights = checkpoints.restore_variables(lambda: create().variables)
  assert_same(plain(restored), plain(averaged))
  assert_same(jax.device_get(average), jax.device_get(averaged.average))
  assert_same(jax.device_get(weights), jax.device_get(state.variables))


def test_the_newest_are_kept(tmp_path, create):
  states = [varied(create(), step) for step in (2, 4, 6)]
  save(tmp_path, *states, keep=2)
  assert names(tmp_path) == ["4", "6"]
  # Opening for reading, with its default, deletes nothing.
  with checkpoint.Checkpoints(tmp_path) as checkpoints:
    assert_same(plain(checkpoints.restore(create)), plain(states[-1]))
  assert names(tmp_path) == ["4", "6"]


def test_the_newest_multiple_is_kept_too(tmp_path, create):
  with checkpoint.Checkpoints(tmp_path, keep=1, keep_multiple_of=4) as checkpoints:
    for step in (4, 6, 8, 9, 10):
      checkpoints.save(step, varied(create(), step))
  assert names(tmp_path) == ["10", "8"]


def test_later_checkpoints_are_dropped(tmp_path, create):
  states = [varied(create(), step) for step in (2, 4, 6)]
  with checkpoint.Checkpoints(tmp_path, keep=3) as checkpoints:
    for state in states:
      checkpoints.save(int(state.step), state)
    checkpoints.drop_after(3)
    assert checkpoints.latest_step() == 2
    assert_same(plain(checkpoints.restore(create)), plain(states[0]))
  assert names(tmp_path) == ["2"]


def test_a_state_may_be_donated_while_it_is_written(tmp_path, create):
  state = varied(create(), 1)
  expected = plain(state)
  expected = jax.tree.map(np.copy, expected)

  def overwrite(state, shard):
    def nine(x):
      return x if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x * 0 + 9

    return jax.tree.map(nine, state), shard * 0

  step = parallel.ParallelStep(overwrite, num_inputs=0)
  with checkpoint.Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, state)
    for _ in range(5):
      state, _ = step(state)
  with checkpoint.Checkpoints(tmp_path) as checkpoints:
    assert_same(plain(checkpoints.restore(create)), expected)


def test_a_workdir_without_checkpoints(tmp_path):
  assert not checkpoint.exists(tmp_path)
  with checkpoint.Checkpoints(tmp_path / "new" / "run") as checkpoints:
    assert checkpoints.latest_step() is None
  assert not checkpoint.exists(tmp_path / "new" / "run")


def test_a_checkpoint_cut_off_in_the_middle_does_not_count(tmp_path, create):
  save(tmp_path, varied(create(), 2))
  folder = tmp_path / checkpoint.FOLDER
  shutil.copytree(folder / "2", folder / "4.orbax-checkpoint-tmp-123")
  assert checkpoint.exists(tmp_path)
  with checkpoint.Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.latest_step() == 2
  shutil.rmtree(folder / "2")
  assert not checkpoint.exists(tmp_path)


def test_a_relative_workdir_works(tmp_path, create, monkeypatch):
  monkeypatch.chdir(tmp_path)
  save("here", varied(create(), 2))
  assert checkpoint.exists(tmp_path / "here")


def truncate(files):
  files = list(files)
  assert files
  for file in files:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


DAMAGES = {
  "data cut": lambda folder: truncate(folder.glob("*/d/*")),
  "all data cut": lambda folder: truncate(
    file for file in folder.rglob("*") if file.parent.name == "d"
  ),
  "index cut": lambda folder: truncate(folder.rglob("manifest.ocdbt")),
  "index lost": lambda folder: [file.unlink() for file in folder.rglob("manifest.ocdbt")],
  "description cut": lambda folder: truncate(folder.rglob("_METADATA")),
  "model lost": lambda folder: shutil.rmtree(folder / "model"),
  "all lost": lambda folder: [shutil.rmtree(folder), folder.mkdir()],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_one_line_that_names_the_folder(tmp_path, create, damage):
  save(tmp_path, varied(create(), 5))
  folder = pathlib.Path(tmp_path) / checkpoint.FOLDER / "5"
  DAMAGES[damage](folder)
  with checkpoint.Checkpoints(tmp_path) as checkpoints:
    for restore in (
      lambda: checkpoints.restore(create),
      lambda: checkpoints.restore_variables(lambda: create().variables),
    ):
      with pytest.raises(UserError) as error:
        restore()
      assert str(folder) in str(error.value) and "cannot be read" in str(error.value)
      assert "\n" not in str(error.value)


def change(file, content):
  assert content != file.read_bytes()
  file.write_bytes(content)


def flipped(content):
  middle = len(content) // 2
  return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


IN_A_FILE = {
  "cut": lambda file: change(file, file.read_bytes()[:-1]),
  "emptied": lambda file: change(file, b""),
  "with a bit flipped": lambda file: change(file, flipped(file.read_bytes())),
  "removed": lambda file: file.unlink(),
}


def files_of(folder):
  return sorted(file for file in folder.rglob("*") if file.is_file() and file.parent != folder)


@pytest.mark.parametrize("damage", IN_A_FILE)
def test_any_damaged_file_gives_way_to_the_checkpoint_before(tmp_path, create, damage, capfd):
  states = [varied(create(), step) for step in (2, 4)]
  save(tmp_path / "whole", *states, keep=2)
  newest = tmp_path / "whole" / checkpoint.FOLDER / "4"
  files = [file.relative_to(newest) for file in files_of(newest)]
  assert len(files) > 10
  for number, file in enumerate(files):
    workdir = tmp_path / str(number)
    shutil.copytree(tmp_path / "whole", workdir)
    IN_A_FILE[damage](workdir / checkpoint.FOLDER / "4" / file)
    assert checkpoint.sound_step(workdir) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{workdir / checkpoint.FOLDER / '4'} is damaged ({file.as_posix()} " in line
    assert line.endswith("; uses that of step 2")
    # An evaluation reads the model alone.
    assert checkpoint.sound_step(workdir, ("model",), quiet=True) == (
      2 if file.parts[0] == "model" else 4
    )
  with checkpoint.Checkpoints(tmp_path / "0") as checkpoints:
    assert_same(plain(checkpoints.restore(create, 2)), plain(states[0]))


def test_a_sound_checkpoint_is_used_and_nothing_is_said(tmp_path, create, capfd):
  assert checkpoint.sound_step(tmp_path) is None
  save(tmp_path, varied(create(), 2), varied(create(), 4), keep=2)
  assert checkpoint.sound_step(tmp_path) == 4 and capfd.readouterr().err == ""


def test_all_damaged_is_one_line_and_deletes_nothing(tmp_path, create):
  save(tmp_path, varied(create(), 2), varied(create(), 4), keep=2)
  for step in ("2", "4"):
    truncate((tmp_path / checkpoint.FOLDER / step / "model").glob("d/*"))
  before = sorted(tmp_path.rglob("*"))
  with pytest.raises(UserError, match="no other is left, and nothing was deleted") as error:
    checkpoint.sound_step(tmp_path)
  assert "\n" not in str(error.value) and sorted(tmp_path.rglob("*")) == before
  assert all(f"{checkpoint.FOLDER}/{step} is damaged" in str(error.value) for step in (2, 4))


def test_a_checkpoint_of_an_earlier_version_has_no_sums_and_is_used(tmp_path, create):
  save(tmp_path, varied(create(), 2), varied(create(), 4), keep=2)
  for step in ("2", "4"):
    (tmp_path / checkpoint.FOLDER / step / sums.SUMS).unlink()
  assert checkpoint.sound_step(tmp_path) == 4


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b'{"model/_METADATA": [1]}'])
def test_damaged_sums_are_damage(tmp_path, create, content):
  save(tmp_path, varied(create(), 2), varied(create(), 4), keep=2)
  file = tmp_path / checkpoint.FOLDER / "4" / sums.SUMS
  if content is None:  # half of the folder is deleted: those before have theirs
    file.unlink()
  else:
    file.write_bytes(content)
  assert checkpoint.sound_step(tmp_path, quiet=True) == 2


def test_damaged_checkpoints_are_set_aside_under_names_that_are_free(tmp_path, create):
  for _ in range(2):
    save(tmp_path, *(varied(create(), step) for step in (2, 4, 6)), keep=3)
    checkpoint.set_aside_after(tmp_path, 2)
    assert names(tmp_path) == ["2"]
    shutil.rmtree(tmp_path / checkpoint.FOLDER)
  aside = sorted(entry.name for entry in (tmp_path / checkpoint.DAMAGED).iterdir())
  assert aside == ["4-0", "4-1", "6-0", "6-1"]


def test_a_checkpoint_of_another_network_is_refused(tmp_path, create):
  save(tmp_path, varied(create(), 5))
  other = models.NormalisedNetwork(Small(6), (0.5,) * 3, (0.25,) * 3)
  with (
    checkpoint.Checkpoints(tmp_path) as checkpoints,
    pytest.raises(UserError, match="cannot be read"),
  ):
    checkpoints.restore_variables(lambda: other.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3))))
