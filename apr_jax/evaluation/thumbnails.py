"""Small copies of images, to be stored in results and shown in reports."""

import base64
import io

import numpy as np
from PIL import Image

LARGEST = 96
"""Pixels of the longer side that a copy has at most."""


def shrink(image: np.ndarray) -> np.ndarray:
  """The image itself if it is small, else a copy at `LARGEST` pixels; uint8 `[H, W, 3]` → uint8
  `[h, w, 3]`.
  """
  height, width = image.shape[:2]
  scale = LARGEST / max(height, width)
  if scale >= 1:
    return image
  size = max(1, round(width * scale)), max(1, round(height * scale))
  return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))


def to_png(image: np.ndarray) -> bytes:
  """uint8 `[H, W, 3]` as a PNG file, without loss."""
  data = io.BytesIO()
  Image.fromarray(image).save(data, "png", optimize=True)
  return data.getvalue()


def to_text(image: np.ndarray) -> str:
  """The PNG of the shrunk image in base64, for JSON."""
  return base64.b64encode(to_png(shrink(image))).decode()


def from_text(text: str) -> np.ndarray:
  """The reverse of `to_text`: uint8 `[h, w, 3]`, shrunk."""
  with Image.open(io.BytesIO(base64.b64decode(text))) as image:
    return np.asarray(image.convert("RGB"))
