"""Image folders: labels from class names, pixels as saved, and files that cannot be used."""

import numpy as np
import pytest
from PIL import Image

from apr_jax import data
from apr_jax.errors import UserError

RNG = np.random.RandomState(0)


def picture(height=6, width=6):
  return RNG.randint(0, 256, (height, width, 3), dtype=np.uint8)


def save(path, pixels):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(pixels).save(path)
  return pixels


def refusal(root, split="train", **kwargs):
  with pytest.raises(UserError) as error:
    data.load(f"folder:{root}", split, **kwargs)
  assert "\n" not in str(error.value)
  return str(error.value)


def test_pixels_and_labels(tmp_path):
  saved = {
    name: save(tmp_path / "train" / name, picture())
    for name in ("zebra/1.png", "ant/b.bmp", "ant/a.PNG", "bee/x.webp.png")
  }
  (tmp_path / "train" / "ant" / "notes.txt").write_text("not an image")
  (tmp_path / "train" / ".cache").mkdir()
  train = data.load("folder", "train", data_dir=str(tmp_path))
  assert train.num_classes == 3 and train.labels.tolist() == [0, 0, 1, 2]
  for image, name in zip(train.images, ("ant/a.PNG", "ant/b.bmp", "bee/x.webp.png", "zebra/1.png")):
    np.testing.assert_array_equal(image, saved[name])


@pytest.mark.parametrize("test_folder", ["test", "val"])
def test_test_labels_are_positions_among_the_training_classes(test_folder, tmp_path):
  for name in ("a", "b", "c"):
    save(tmp_path / "train" / name / "0.png", picture())
  expected = save(tmp_path / test_folder / "c" / "0.png", picture())
  test = data.load(f"folder:{tmp_path}", "test")
  assert test.labels.tolist() == [2] and test.num_classes == 3
  np.testing.assert_array_equal(test.images[0], expected)


def test_modes_become_rgb(tmp_path):
  rgb = picture()
  save(tmp_path / "train/a/0.png", rgb[..., 0])
  save(tmp_path / "train/a/1.png", np.concatenate([rgb, rgb[..., :1]], axis=-1))
  save(tmp_path / "train/a/2.jpg", np.full((6, 6, 3), 77, np.uint8))
  images = data.load(f"folder:{tmp_path}", "train").images
  np.testing.assert_array_equal(images[0], np.stack([rgb[..., 0]] * 3, axis=-1))
  np.testing.assert_array_equal(images[1], rgb)
  assert np.all(images[2] == 77)


def test_sizes(tmp_path):
  save(tmp_path / "train/a/0.png", picture(6, 6))
  save(tmp_path / "train/a/1.png", picture(6, 9))
  message = refusal(tmp_path)
  for word in ("1.png", "6x9", "6x6", "data.image_size"):
    assert word in message
  assert data.load(f"folder:{tmp_path}", "train", image_size=4).images.shape == (2, 4, 4, 3)


def test_missing_folders(tmp_path):
  assert str(tmp_path / "none") in refusal(tmp_path / "none")
  assert "'train'" in refusal(tmp_path)
  (tmp_path / "train").mkdir()
  assert "no class folders" in refusal(tmp_path)
  (tmp_path / "train/a").mkdir()
  assert "no images" in refusal(tmp_path) and str(tmp_path / "train/a") in refusal(tmp_path)
  save(tmp_path / "train/a/0.png", picture())
  assert "'test' or 'val'" in refusal(tmp_path, "test")


def test_class_that_was_not_trained_on(tmp_path):
  save(tmp_path / "train/a/0.png", picture())
  save(tmp_path / "test/b/0.png", picture())
  message = refusal(tmp_path, "test")
  assert "'b'" in message and str(tmp_path / "train") in message


@pytest.mark.parametrize("content", [b"", b"not an image", "cut", "broken chunk"])
def test_unreadable_image(content, tmp_path):
  save(tmp_path / "train/a/0.png", picture(40, 40))
  path = tmp_path / "train/a/1.png"
  good = (tmp_path / "train/a/0.png").read_bytes()
  damaged = {"cut": good[:200], "broken chunk": good[:45] + bytes(30) + good[75:]}
  path.write_bytes(content if isinstance(content, bytes) else damaged[content])
  assert str(path) in refusal(tmp_path)


def test_sixteen_bits_are_refused_not_clipped(tmp_path):
  save(tmp_path / "train/a/0.png", np.full((6, 6), 1000, np.uint16))
  message = refusal(tmp_path)
  assert "0.png" in message and "8 bits" in message
