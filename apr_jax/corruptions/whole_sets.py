"""Corrupted copies of whole test sets, batch by batch, with fixed draws.

Each pair of corruption and severity has a key of its own, and each image its place in the set, so a
set is the same whenever, wherever and in whatever batches it is made.
"""

from collections.abc import Iterator

import jax
import numpy as np

from apr_jax.corruptions import by_name
from apr_jax.errors import UserError, unknown

BATCH_SIZE = 500
MADE = "regenerated.json"
"""The file that tells a folder that `apr_jax.make_corruptions` wrote from a published one."""


def regenerate(
  images: np.ndarray, name: str, severity: int, *, seed: int = 0, batch_size: int = BATCH_SIZE
) -> Iterator[np.ndarray]:
  """The images under one corruption at one severity, in order, in batches; memory is bounded by the
  batch.

  Args:
    images: uint8 `[N, H, W, 3]`.
    name: a corruption, of the 15 or the 4 extra.
    severity: 1 to 5.
    seed: of the draws.
    batch_size: images made at a time.

  Yields:
    uint8 `[b, H, W, 3]`, b ≤ batch_size.

  Raises:
    UserError: as `by_name.corrupt`.
  """
  names = by_name.CORRUPTIONS + by_name.EXTRA_CORRUPTIONS
  if name not in names:
    raise UserError(unknown(name, "corruption", names))
  key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), names.index(name)), severity)
  size = min(batch_size, len(images))
  for start in range(0, len(images), size):
    batch = images[start : start + size]
    # The last batch is padded to the shape that is compiled.
    padded = np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), np.uint8)])
    positions = start + np.arange(size, dtype=np.int32)
    made = by_name.corrupt(key, padded, name, severity, positions=positions)
    yield np.asarray(made)[: len(batch)]
