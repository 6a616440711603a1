"""Handwritten digits that come with scikit-learn: a ten-class image data set that needs no
download.

The 1797 scans of 8 x 8 pixels (Alpaydin and Kaynak, UCI Optical Recognition of Handwritten Digits,
test part) are enlarged to 32 x 32 so that networks made for CIFAR accept them unchanged.
"""

import numpy as np
from PIL import Image

from apr_jax.data.array_data import ArrayData

_SIDE = 32
_TEST_EXAMPLES = 360


def load_digits(split: str) -> ArrayData:
  """The digits data set.

  The split is stratified and fixed: 1437 training and 360 test examples, disjoint.

  Args:
    split: "train" or "test".

  Returns:
    images uint8 `[1437 or 360, 32, 32, 3]`, grey repeated over the channels, white strokes (255) on
    black (0); labels 0..9.
  """
  from sklearn.datasets import load_digits as load_sklearn_digits
  from sklearn.model_selection import train_test_split

  scans, labels = load_sklearn_digits(return_X_y=True)
  train, test = train_test_split(
    np.arange(len(labels)), test_size=_TEST_EXAMPLES, random_state=0, stratify=labels
  )
  chosen = train if split == "train" else test
  # The scans hold whole numbers 0..16.
  grey = np.rint(scans[chosen].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
  enlarged = [
    np.asarray(Image.fromarray(scan).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))
    for scan in grey
  ]
  images = np.repeat(np.stack(enlarged)[..., None], 3, axis=-1)
  return ArrayData(images, labels[chosen].astype(np.int32), num_classes=10, name="digits")
