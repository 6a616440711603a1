"""Images without labels: folders of any shape, and arrays."""

import numpy as np
import pytest
from PIL import Image

from apr_jax import data
from apr_jax.data import unlabelled
from apr_jax.errors import UserError

RNG = np.random.RandomState(0)
PICTURES = RNG.randint(0, 256, (4, 6, 6, 3), dtype=np.uint8)


def save(root, names):
  for name, picture in zip(names, PICTURES):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(root / name)


def refusal(path, split="test", **kwargs):
  with pytest.raises(UserError) as error:
    data.load(f"images:{path}", split, **kwargs)
  assert "\n" not in str(error.value) and str(path) in str(error.value)
  return str(error.value)


@pytest.mark.parametrize(
  "names",
  [
    ("correct_resize_0.png", "correct_resize_1.png", "correct_resize_10.png"),  # as the FIX sets
    ("LSUN_resize/0.png", "LSUN_resize/1.png", "LSUN_resize/2.png"),
    ("a/0.png", "b/0.png", "b/c/0.png"),
    ("0.png", "a/0.png", "b.bmp"),
  ],
)
def test_images_at_any_depth_in_the_order_of_their_paths(names, tmp_path):
  save(tmp_path, names)
  (tmp_path / "labels.txt").write_text("0 1 2")
  (tmp_path / ".hidden").mkdir()
  (tmp_path / ".hidden" / "3.png").write_bytes(b"not read")
  (tmp_path / "._0.png").write_bytes(b"not read")
  assert unlabelled.holds_images(str(tmp_path))
  test = data.load(f"images:{tmp_path}", "test")
  np.testing.assert_array_equal(test.images, PICTURES[:3])
  assert (
    test.labels.tolist() == [0, 0, 0]
    and test.num_classes == 1
    and test.name == f"images:{tmp_path}"
  )
  assert data.load("images", "test", data_dir=str(tmp_path), image_size=3).images.shape == (
    3,
    3,
    3,
    3,
  )


@pytest.mark.parametrize(
  "inside, expected",
  [
    (("train/a/0.png", "val/0.png", "test/0.png"), 2),
    (("train/a/0.png", "val/a/0.png", "other/0.png"), 1),
  ],
)
def test_a_folder_with_splits_means_its_test_images(inside, expected, tmp_path):
  save(tmp_path, inside)
  np.testing.assert_array_equal(
    data.load(f"images:{tmp_path}", "test").images, PICTURES[expected : expected + 1]
  )


ARRAYS = {
  "only array": {"anything": PICTURES},
  "ours": {"train_images": PICTURES[:1], "test_images": PICTURES, "test_labels": np.zeros(4)},
  "Keras": {"x_train": PICTURES[:1], "x_test": PICTURES},
  "with labels": {"labels": np.arange(4), "images": PICTURES},
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_npz(kind, tmp_path):
  np.savez(tmp_path / "set.npz", **ARRAYS[kind])
  assert unlabelled.holds_images(str(tmp_path / "set.npz"))
  test = data.load(f"images:{tmp_path / 'set.npz'}", "test")
  np.testing.assert_array_equal(test.images, PICTURES)
  assert test.labels.tolist() == [0] * 4


def test_npy_grey_and_resized(tmp_path):
  np.save(tmp_path / "set.npy", PICTURES[..., 0])
  test = data.load(f"images:{tmp_path / 'set.npy'}", "test", image_size=3)
  expected = Image.fromarray(PICTURES[2, ..., 0]).resize((3, 3), Image.BILINEAR)
  np.testing.assert_array_equal(
    test.images[2], np.repeat(np.asarray(expected)[..., None], 3, axis=-1)
  )
  # no longer a memory map
  assert type(data.load(f"images:{tmp_path / 'set.npy'}", "test").images) is np.ndarray


def test_nothing_there(tmp_path):
  (tmp_path / "a").mkdir()
  (tmp_path / "a" / "x.tfrecord").write_text("")
  for path in (tmp_path, tmp_path / "none", tmp_path / "none.npz", tmp_path / "a" / "x.tfrecord"):
    assert not unlabelled.holds_images(str(path))
  assert "has no images" in refusal(tmp_path) and "has no images" in refusal(tmp_path / "none")
  assert "neither a folder of images nor an .npz or .npy file" in refusal(
    tmp_path / "a" / "x.tfrecord"
  )


def test_unusable_arrays(tmp_path):
  path = tmp_path / "set.npz"
  np.savez(path, a=PICTURES, b=PICTURES)
  assert "has no array test_images, x_test or images, only a, b" in refusal(path)
  np.savez(path, images=PICTURES / 255)
  assert "images must be uint8" in refusal(path)
  np.savez(path, images=PICTURES[0, 0])
  assert "must have shape [N, H, W, 3]" in refusal(path)
  np.savez(path, images=PICTURES[:0])
  assert "empty" in refusal(path)
  np.savez(path)
  assert "none at all" in refusal(path)
  path.write_bytes(b"not a zip file")
  assert "cannot be read" in refusal(path)


def test_it_cannot_be_trained_on(tmp_path):
  save(tmp_path, ("0.png",))
  assert "has no 'train' split" in refusal(tmp_path, "train")
  assert "'train'" in refusal(tmp_path / "none", "train")


def test_an_unreadable_image_is_named(tmp_path):
  save(tmp_path, ("0.png",))
  (tmp_path / "1.png").write_bytes(b"not an image")
  assert str(tmp_path / "1.png") in refusal(tmp_path)
