"""What benchmarks.imagenet_input measures, on a few small images."""

import io

import numpy as np
import pytest
from PIL import Image

from tests import lazy

lazy.needed("tensorflow")
baseline_input, imagenet_input = map(
  lazy.needed, ("benchmarks.baseline_input", "benchmarks.imagenet_input")
)


def test_the_records_are_the_jpegs_and_the_stream_reads_them(tmp_path):
  pictures = imagenet_input.photographs(8)
  assert {picture.shape for picture in pictures} == {(375, 500, 3), (500, 375, 3)}
  encoded = [imagenet_input.encode(picture, 90) for picture in pictures]
  files = imagenet_input.write_records(tmp_path, encoded)
  stream = imagenet_input.open_stream(tmp_path, 16)
  assert (stream.num_examples, stream.num_classes, stream.image_size) == (8, 10, (16, 16))
  images, _ = next(stream.batches((0, 1), 0, 0, 8))
  assert images.shape == (8, 16, 16, 3) and len(np.unique(images)) > 50
  ((plain, labels),) = baseline_input.dataset(files, 16, 8, 8, whole=False)
  assert plain.shape == (8, 16, 16, 3) and sorted(labels.numpy()) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_an_image_stored_smaller_keeps_its_shape():
  encoded = imagenet_input.encode(imagenet_input.photographs(2)[1], 90)
  assert Image.open(io.BytesIO(encoded)).size == (500, 375)
  assert imagenet_input.smaller(encoded, 256).shape == (256, 341, 3)


def test_differences_by_hand():
  first = np.full((1, 2, 2, 3), 100, np.uint8)
  other = first.copy()
  other[0, 0, 0] = [90, 100, 103]
  found = imagenet_input.differences({"ours": first, "other": other})
  assert found["ours"] == {"values that differ, %": 0, "mean": 0, "largest": 0}
  assert found["other"] == {
    "values that differ, %": pytest.approx(100 * 2 / 12),
    "mean": pytest.approx(13 / 12),
    "largest": 10,
  }


def test_what_a_host_takes_in_by_hand():
  # 197e12 operations a second are 131,072 a cycle: 1.503 GHz; 349,582,289 cycles for 128 images.
  rows = {(row["training"][:6], row["chips"]): row for row in imagenet_input.needs(2.0)}
  seconds = 349_582_289 / (197e12 / 131_072)
  of_host = rows["APR-SP", 8]
  assert of_host["images/s"] == round(8 * 128 / seconds) == 4403
  assert of_host["cores busy"] == pytest.approx(8.8, abs=0.05)  # two milliseconds for each
  assert of_host["cores of the host"] == 224
