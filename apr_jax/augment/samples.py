"""A picture of what the network is trained on: images, and below each the views that the augmentation makes of it."""

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.augment.pipeline import Augment


def sample_grid(key: jax.Array, augment: Augment, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Images in a row, and a row of each view.

  Args:
    key: PRNG key, as of a step.
    augment: of `pipeline.make_augment`.
    images: uint8 `[N, H, W, 3]`.
    labels: int32 `[N]`.

  Returns:
    uint8 `[(1 + V)·H, N·W, 3]`; what an augmentation pushes out of [0, 1] is clipped here, unlike in training.
  """
  views, _ = jax.jit(augment)(key, images, labels, jnp.arange(len(images)), jnp.int32(0))
  seen = np.rint(255 * np.clip(np.asarray(views), 0, 1)).astype(np.uint8)
  rows = [np.concatenate(list(row), axis=1) for row in (images, *seen)]
  return np.concatenate(rows)
