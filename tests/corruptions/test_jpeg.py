"""JPEG against Pillow, file and all."""

import io

import jax
import numpy as np
import pytest
from PIL import Image

from apr_jax.corruptions import corrupt, jpeg, parameters

KEY = jax.random.key(0)


def by_pillow(image, quality):
  file = io.BytesIO()
  Image.fromarray(image).save(file, "JPEG", quality=quality)
  return Image.open(file)


@pytest.mark.parametrize("quality", (1, 7, 25, 49, 50, 80, 100))
def test_quantisation_tables_are_libjpegs(quality):
  tables = by_pillow(np.zeros((16, 16, 3), np.uint8), quality).quantization
  luma = jpeg.quantisation_table(jpeg._LUMA, quality)
  chroma = jpeg.quantisation_table(jpeg._CHROMA, quality)
  assert luma.reshape(-1).tolist() == tables[0] and chroma.reshape(-1).tolist() == tables[1]


@pytest.mark.parametrize("severity", (1, 3, 5))
def test_pixels_are_pillows(severity, photographs):
  (quality,) = parameters.at("jpeg_compression", severity, 32)
  found = np.asarray(corrupt(KEY, photographs, "jpeg_compression", severity)).astype(int)
  expected = np.stack([np.asarray(by_pillow(image, quality)) for image in photographs])
  difference = np.abs(found - expected).mean((1, 2, 3))
  # What is left comes from coefficients that fall on the border of two steps.
  assert difference.mean() < 0.4 and difference.max() < 2
  assert (found == expected).mean() > 0.85


@pytest.mark.parametrize("height, width", [(53, 75), (48, 40), (33, 17)])
def test_any_size(height, width, photograph):
  image = photograph[60 : 60 + height, 60 : 60 + width]
  (quality,) = parameters.at("jpeg_compression", 4, min(height, width))
  found = np.asarray(corrupt(KEY, image[None], "jpeg_compression", 4))[0].astype(int)
  expected = np.asarray(by_pillow(image, quality))
  assert np.abs(found - expected).mean() < 0.4
  assert np.abs(found - expected)[:, -2:].mean() < 1 and np.abs(found - expected)[-2:].mean() < 1
