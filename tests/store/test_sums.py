"""Damaged checkpoints in an object store, whose own sums tell."""

import pytest

from apr_jax import files
from apr_jax.errors import UserError
from apr_jax.run import checkpoint, sums


def written(workdir, step):
  """What counts as a checkpoint there."""
  folder = files.path(workdir) / checkpoint.FOLDER / str(step)
  for part in checkpoint.PARTS:
    files.write_bytes(folder / part / "d" / "data", b"data" * 100)
    files.write_bytes(folder / part / "_METADATA", b"{}")
  sums.write(folder, {"model.name": "x"})
  files.write_bytes(folder / checkpoint.COMMITTED, b"")
  return folder


DAMAGES = {
  "cut": lambda folder: files.write_bytes(folder / "model" / "d" / "data", b"data"),
  "emptied": lambda folder: files.write_bytes(folder / "training" / "_METADATA", b""),
  "with other content": lambda folder: files.write_bytes(
    folder / "model" / "d" / "data", b"date" + b"data" * 99
  ),
  "removed": lambda folder: (folder / "training" / "d" / "data").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_gives_way_and_is_set_aside(bucket, damage, capfd):
  first, second = (written(bucket, step) for step in (2, 4))
  assert checkpoint.sound_step(bucket) == 4 and sums.config_of(second) == {"model.name": "x"}
  DAMAGES[damage](second)
  assert checkpoint.sound_step(bucket) == 2
  (line,) = capfd.readouterr().err.splitlines()
  assert f"{second} is damaged (" in line
  checkpoint.set_aside_after(bucket, 2)
  assert checkpoint.latest_step(bucket) == 2 and sums.damage(first, checkpoint.PARTS) == ""
  assert (files.path(bucket) / checkpoint.DAMAGED / "4-0" / sums.SUMS).exists()


def test_all_damaged_is_one_line(bucket):
  DAMAGES["cut"](written(bucket, 2))
  with pytest.raises(UserError, match="no other is left, and nothing was deleted"):
    checkpoint.sound_step(bucket)
