"""What a training has come to: the arrays of its last checkpoint, and its metrics but for the
speed; each by itself, and all as one digest.
"""

import hashlib
import json
import pathlib

import jax
import numpy as np
import orbax.checkpoint as ocp

from apr_jax.run import checkpoint
from apr_jax.run.metrics import METRICS, read_metrics

SPEED = ("images_per_second", "input_wait")


def leaves_of(run: pathlib.Path) -> dict[str, np.ndarray]:
  """The arrays of its last checkpoint, by name."""
  step = checkpoint.sound_step(run)
  found = {}
  for part in checkpoint.PARTS:
    folder = run / checkpoint.FOLDER / str(step) / part
    with ocp.PyTreeCheckpointer() as reader:  # as NumPy arrays, whatever devices they were on
      kinds = jax.tree.map(
        lambda _: ocp.RestoreArgs(restore_type=np.ndarray),
        reader.metadata(folder).item_metadata.tree,
      )
      tree = reader.restore(folder, args=ocp.args.PyTreeRestore(restore_args=kinds))
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
      found[part + jax.tree_util.keystr(path)] = np.asarray(leaf)
  return found


def metrics_of(run: pathlib.Path) -> list[str]:
  """Its lines, without what is of the clock."""
  return [
    json.dumps({key: value for key, value in line.items() if key not in SPEED})
    for line in read_metrics(run / METRICS)
  ]


def digest_of_run(run: pathlib.Path) -> str:
  """The step and a digest of parameters, statistics, optimizer, key and metrics."""
  digest = hashlib.sha256()
  for name, leaf in leaves_of(run).items():
    digest.update(name.encode() + leaf.tobytes())
  for line in metrics_of(run):
    digest.update(line.encode())
  return f"{checkpoint.sound_step(run)} {digest.hexdigest()[:16]}"
