"""A picture of what the network is trained on: images, and of each the views that the augmentation
makes of it.
"""

import dataclasses

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from apr_jax import forms
from apr_jax.augment.methods import switched_on
from apr_jax.augment.pipeline import make_augmentation

SAMPLES = 8
"""Images in the picture, at most."""


def training_views(
  config: ml_collections.ConfigDict, images: np.ndarray, labels: np.ndarray
) -> np.ndarray:
  """One test image of each class, and its views of the training step.

  Of a coin that decides for a whole batch the picture would show one side: it is drawn with these
  coins on.

  Args:
    config: a resolved configuration.
    images: uint8 `[N, H, W, 3]`.
    labels: int `[N]`.

  Returns:
    uint8 `[1 + V, n, H, W, 3]`, n ≤ `SAMPLES`: the images, then their views. What an augmentation
    pushes out of [0, 1] is clipped here, unlike in training.
  """
  chosen = one_per_class(labels)
  images, labels = images[chosen], labels[chosen]
  model = config.model
  augmentation = make_augmentation(config.augment, model.num_classes, model.mean, model.std)
  certain = {
    name: dataclasses.replace(method, **{method.batch_coin: 1.0}) if method.batch_coin else method
    for name, method in augmentation.methods.items()
  }
  augmentation = dataclasses.replace(augmentation, methods=certain)
  key, positions = jax.random.key(config.seed), jnp.arange(len(images))
  views, _ = forms.call_once(augmentation, key, images, labels, positions, jnp.int32(0))
  return np.stack([images, *np.rint(255 * np.clip(np.asarray(views), 0, 1)).astype(np.uint8)])


def batch_coins(augment: ml_collections.ConfigDict) -> tuple[str, ...]:
  """Names of the methods in `config.augment` that one coin switches on or off for a whole batch."""
  return tuple(name for name, method in switched_on(augment).items() if method.batch_coin)


def one_per_class(labels: np.ndarray) -> np.ndarray:
  """The index of the first image of each class, in the order of the classes; at most `SAMPLES`, int
  `[n]`.
  """
  _, first = np.unique(labels, return_index=True)
  return first[:SAMPLES]


def as_grid(rows: np.ndarray) -> np.ndarray:
  """Rows of images uint8 `[R, N, H, W, 3]` as one image uint8 `[R·H, N·W, 3]`."""
  count, columns, height, width, channels = rows.shape
  return rows.transpose(0, 2, 1, 3, 4).reshape(count * height, columns * width, channels)
