"""The augmentations that benchmarks measure, by the names of their configurations."""

from typing import Any

import jax
import numpy as np

from apr_jax import config_files
from apr_jax.augment.pipeline import Augmentation, make_augmentation


def of_cifar10(name: str, count: int) -> tuple[Augmentation, tuple[Any, ...]]:
  """The augmentation of configs/cifar10_NAME.py, and what it is called with: a key and `count`
  random images of 32 pixels, on one device.
  """
  settings = config_files.load_config(f"configs/cifar10_{name}.py").augment
  images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)
  positions = np.arange(count, dtype=np.int32)
  arguments = jax.random.key(0), images, positions % 10, positions, np.int32(0)
  return make_augmentation(settings, num_classes=10), arguments
