"""Settings of the whole suite: four virtual CPU devices, and pictures that every room's tests use."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4 " + os.environ.get("XLA_FLAGS", "")

import numpy as np
import pytest
from sklearn import datasets


@pytest.fixture(scope="session")
def photographs() -> np.ndarray:
  """Sixteen 32-pixel patches of scikit-learn's two photographs; uint8 [16, 32, 32, 3]."""
  images = datasets.load_sample_images().images
  return np.stack([image[y:y + 32, x:x + 32] for image in images
                   for y, x in ((30, 40), (100, 300), (140, 500), (200, 200), (240, 80), (300, 320), (330, 560),
                                (380, 10))])


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
  """A 224-pixel part of a photograph; uint8 [224, 224, 3]."""
  return datasets.load_sample_images().images[0][100:324, 200:424]
