"""What a training has come to, as one digest: its last checkpoint leaf by leaf, and its metrics."""

import hashlib
import json
import pathlib

import jax
import numpy as np
import orbax.checkpoint as ocp

from apr_jax.run import checkpoint
from apr_jax.run.metrics import read_metrics


def digest_of_run(run: pathlib.Path) -> str:
  """The step and a digest of parameters, statistics, optimizer, key and metrics but for the
  speed.
  """
  digest = hashlib.sha256()
  step = checkpoint.sound_step(run)
  for part in checkpoint.PARTS:
    with ocp.StandardCheckpointer() as reader:
      tree = reader.restore(run / checkpoint.FOLDER / str(step) / part)
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
      digest.update(jax.tree_util.keystr(path).encode() + np.asarray(leaf).tobytes())
  for line in read_metrics(run / "metrics.jsonl"):
    digest.update(json.dumps(line | {"images_per_second": None}, sort_keys=True).encode())
  return f"{step} {digest.hexdigest()[:16]}"
