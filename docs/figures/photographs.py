"""Scikit-learn's two photographs, a temple and a flower, at the size of the documents' pictures."""

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

WIDTH, HEIGHT = 300, 200


def temple_and_flower() -> np.ndarray:
  """uint8 `[2, 200, 300, 3]`."""
  photographs = load_sample_images().images
  scale = WIDTH / photographs[0].shape[1]
  tall = round(photographs[0].shape[0] * scale)
  shrunk = [
    np.asarray(Image.fromarray(image).resize((WIDTH, tall), Image.Resampling.LANCZOS))
    for image in photographs
  ]
  top = (tall - HEIGHT) // 2
  return np.stack([image[top : top + HEIGHT] for image in shrunk])
