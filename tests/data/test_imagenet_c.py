"""The reader of ImageNet-C, on a small tree that the test writes."""

import shutil

import numpy as np
import pytest
from PIL import Image

from apr_jax.data.imagenet_c import ImageNetC
from apr_jax.errors import UserError

WNIDS = ("n01", "n02", "n03")
NAMES = ("fog", "snow")


def write_tree(folder, images_per_class=2, size=224):
  """Each image has one grey value, which says what it is: 40·class + 10·severity/… so that labels
  can be checked.
  """
  for name in NAMES:
    for severity in range(1, 6):
      for label, wnid in enumerate(WNIDS):
        path = folder / name / str(severity) / wnid
        path.mkdir(parents=True)
        for i in range(images_per_class):
          value = 100 * NAMES.index(name) + 10 * severity + 3 * label + i
          pixels = np.full((size, size, 3), value, np.uint8)
          pixels[(size - 32) // 2 : (size + 32) // 2, (size - 32) // 2 : (size + 32) // 2] = (
            255 - value
          )
          Image.fromarray(pixels).save(path / f"image{i}.JPEG", quality=100)


@pytest.fixture
def tree(tmp_path):
  write_tree(tmp_path)
  return tmp_path


def test_reads_labels_and_pixels_in_order(tree):
  (chunk,) = ImageNetC(tree, 3, NAMES, (224, 224)).load("snow", 4)
  np.testing.assert_array_equal(chunk.labels, [0, 0, 1, 1, 2, 2])
  assert chunk.images.shape == (6, 224, 224, 3) and chunk.num_classes == 3
  np.testing.assert_allclose(
    chunk.images[:, 0, 0, 0].astype(int), [140, 141, 143, 144, 146, 147], atol=1
  )


def test_a_smaller_network_gets_the_central_crop_not_a_resized_image(tree):
  (chunk,) = ImageNetC(tree, 3, NAMES, (32, 32)).load("fog", 1)
  assert chunk.images.shape == (6, 32, 32, 3)
  inner = chunk.images[:, 8:-8, 8:-8].astype(int)
  np.testing.assert_allclose(inner[:, 0, 0, 0], 255 - np.array([10, 11, 13, 14, 16, 17]), atol=2)
  assert np.ptp(inner, axis=(1, 2, 3)).max() <= 2


def test_chunks_cover_the_set_once(tree, monkeypatch):
  monkeypatch.setattr("apr_jax.data.imagenet_c._CHUNK", 4)
  chunks = list(ImageNetC(tree, 3, NAMES, (224, 224)).load("fog", 2))
  assert [len(chunk.labels) for chunk in chunks] == [4, 2]
  np.testing.assert_array_equal(
    np.concatenate([chunk.labels for chunk in chunks]), [0, 0, 1, 1, 2, 2]
  )


def test_groups_of_corruptions_are_found(tree, tmp_path):
  (tmp_path / "weather").mkdir()
  for name in NAMES:
    shutil.move(tree / name, tmp_path / "weather" / name)
  assert (
    sum(len(chunk.labels) for chunk in ImageNetC(tmp_path, 3, NAMES, (224, 224)).load("fog", 5))
    == 6
  )


def test_a_missing_corruption_or_severity_is_named(tree):
  with pytest.raises(UserError, match=r"lacks the corruption contrast: .*contrast") as error:
    ImageNetC(tree, 3, (*NAMES, "contrast"), (224, 224))
  assert "\n" not in str(error.value)
  shutil.rmtree(tree / "snow" / "3")
  with pytest.raises(UserError, match=r"snow lacks severity 3: .*snow/3"):
    ImageNetC(tree, 3, NAMES, (224, 224))


def test_counts_that_disagree_are_refused(tree):
  images = ImageNetC(tree, 3, NAMES, (224, 224))
  list(images.load("fog", 1))
  (tree / "snow" / "2" / "n02" / "image1.JPEG").unlink()
  with pytest.raises(
    UserError, match=r"snow/2/n02 has 1 images, the same class of the first set 2"
  ):
    list(images.load("snow", 2))
  with pytest.raises(UserError, match=r"snow/1 has 3 class folders, the network 1000 classes"):
    list(ImageNetC(tree, 1000, NAMES, (224, 224)).load("snow", 1))


def test_images_of_another_size_or_damaged_ones_are_named(tree):
  path = tree / "fog" / "1" / "n01" / "image0.JPEG"
  Image.new("RGB", (256, 224)).save(path)
  with pytest.raises(UserError, match=r"n01/image0.JPEG: is 224×256 pixels"):
    list(ImageNetC(tree, 3, NAMES, (224, 224)).load("fog", 1))
  path.write_bytes(path.read_bytes()[:100])
  with pytest.raises(UserError, match=r"n01/image0.JPEG: cannot be read"):
    list(ImageNetC(tree, 3, NAMES, (224, 224)).load("fog", 1))


def test_a_larger_network_is_refused(tree):
  with pytest.raises(UserError, match="images of 224 pixels"):
    ImageNetC(tree, 3, NAMES, (299, 299))
