"""Streams: every image once per epoch, the same from any place on, shares that do not overlap,
damaged files.
"""

import collections
import shutil

import numpy as np
import pytest
from PIL import Image

from apr_jax import data
from apr_jax.errors import UserError
from tests import lazy

tf, tfds = map(lazy.needed, ("tensorflow", "tensorflow_datasets"))

KEY = (7, 2**32 - 1)
SIZE = 4


def flat(number):
  """An image that says its number, whatever is cut out of it."""
  return np.full((6, 9, 3), number, np.uint8)


def write_folder(root, first, counts=(4, 3, 4), split="train", kind="png"):
  """Class folders a, b, c with images numbered from `first` on; {number: label}."""
  labels = {}
  for label, (name, count) in enumerate(zip("abc", counts)):
    folder = root / split / name
    folder.mkdir(parents=True)
    for _ in range(count):
      number = first + len(labels)
      Image.fromarray(flat(number)).save(folder / f"{number:03}.{kind}")
      labels[number] = label
  return labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Eleven images in class folders; (path, {number: label})."""
  root = tmp_path_factory.mktemp("folder")
  return str(root), write_folder(root, 0)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
  """The same as a TFDS set of three classes named a, b, c; (data_dir, {number: label})."""
  root = tmp_path_factory.mktemp("tfds")
  labels = {number: number % 3 for number in range(20)}
  tfds.dataset_builders.store_as_tfds_dataset(
    name="numbered_set",
    version="1.0.0",
    data_dir=str(root),
    disable_shuffling=True,
    features=tfds.features.FeaturesDict(
      {
        "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
        "label": tfds.features.ClassLabel(names=["a", "b", "c"]),
      }
    ),
    split_datasets={
      "train": tf.data.Dataset.from_tensor_slices(
        {"image": np.stack([flat(number) for number in labels]), "label": list(labels.values())}
      )
    },
  )
  return str(root), labels


def open_stream(name, **options):
  return data.open_stream(
    name, **{"image_size": SIZE, "shuffle_buffer": 8, "min_crop_area": 0.08} | options
  )


def read(stream, epoch=0, first=0, batch_size=4, key=KEY):
  """[(numbers, labels) of each batch]"""
  batches = list(stream.batches(key, epoch, first, batch_size))
  for images, labels in batches:
    assert (
      images.dtype == np.uint8 and images.shape[1:] == (SIZE, SIZE, 3) and labels.dtype == np.int32
    )
    assert (images == images[:, :1, :1, :1]).all()
  return [(images[:, 0, 0, 0].tolist(), labels.tolist()) for images, labels in batches]


def joined(batches):
  return [pair for numbers, labels in batches for pair in zip(numbers, labels)]


@pytest.fixture(params=["folder", "records"])
def source(request):
  """(arguments of open_stream, {number: label})"""
  root, labels = request.getfixturevalue(request.param)
  name = f"folder:{root}" if request.param == "folder" else "numbered_set"
  return {"name": name, "data_dir": root}, labels


def test_every_image_at_most_once_per_epoch_with_its_label(source):
  options, labels = source
  stream = open_stream(**options)
  assert (stream.num_examples, stream.num_classes, stream.image_size) == (
    len(labels),
    3,
    (SIZE, SIZE),
  )
  epochs = [joined(read(stream, *place)) for place in ((0,), (1,))]
  for seen in epochs:
    assert len(seen) == len(labels) // 4 * 4 == len(set(seen))
    assert all(labels[number] == label for number, label in seen)
  assert epochs[0] != sorted(epochs[0])  # permuted at all
  whole = joined(read(stream, batch_size=len(labels)))
  assert sorted(whole) == sorted(labels.items()) and whole[: len(epochs[0])] == epochs[0]
  other_key = joined(read(stream, key=(7, 8)))
  assert len({tuple(order) for order in (*epochs, other_key)}) == 3


def test_a_stream_from_the_middle_of_an_epoch_is_the_rest_of_one_from_its_start(
  photograph, tmp_path
):
  for label, number in enumerate((0, 20, 40, 60)):
    for shift in range(3):
      path = tmp_path / "train" / f"c{label}" / f"{shift}.jpg"
      path.parent.mkdir(parents=True, exist_ok=True)
      Image.fromarray(photograph[number : number + 90, shift * 30 : shift * 30 + 120]).save(path)
  options = {"image_size": 16, "shuffle_buffer": 8, "min_crop_area": 0.08}
  # without TFDS
  by_name = data.open_stream(tmp_path.name, data_dir=str(tmp_path.parent), **options)
  whole = list(by_name.batches(KEY, 3, 0, 4))
  rest = list(data.open_stream(f"folder:{tmp_path}", **options).batches(KEY, 3, 1, 4))
  assert len(whole) == 3 and len(rest) == 2
  for (images, labels), (expected, expected_labels) in zip(rest, whole[1:]):
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(labels, expected_labels)
  # The crops of an epoch are its own.
  later = list(data.open_stream(f"folder:{tmp_path}", **options).batches(KEY, 4, 0, 4))
  crops = [
    {image.tobytes() for images, _ in batches for image in images} for batches in (whole, later)
  ]
  assert len(crops[0]) == len(crops[1]) == 12 and not crops[0] & crops[1]


def test_a_stream_of_fast_crops(photograph, tmp_path):
  path = tmp_path / "train" / "a" / "0.jpg"
  path.parent.mkdir(parents=True)
  for number in range(4):
    Image.fromarray(photograph).save(path.with_name(f"{number}.jpg"))
  crops = [
    next(open_stream(f"folder:{tmp_path}", image_size=24, fast_crops=fast).batches(KEY, 0, 0, 4))[0]
    for fast in (False, True)
  ]
  apart = np.abs(crops[0].astype(int) - crops[1])
  assert 0 < apart.mean() < 0.45 * crops[0].std()


def test_records_from_the_middle_of_an_epoch(records):
  stream = open_stream("numbered_set", data_dir=records[0])
  assert read(stream, 2, 3) == read(open_stream("numbered_set", data_dir=records[0]), 2)[3:]


def test_processes_read_shares_of_the_same_global_batches_of_files(folder):
  name = f"folder:{folder[0]}"
  alone = read(open_stream(name), 1)
  shares = [read(open_stream(name, process=process, processes=2), 1) for process in range(2)]
  for (numbers, _), (first, _), (second, _) in zip(alone, *shares, strict=True):
    assert len(first) == len(second) == 2
    assert sorted(numbers) == sorted(first + second)


def test_processes_read_disjoint_records_in_every_epoch(records):
  streams = [
    open_stream("numbered_set", data_dir=records[0], process=process, processes=3)
    for process in range(3)
  ]
  assert [stream.num_examples for stream in streams] == [18, 18, 18]  # of 20: six each
  for epoch in (0, 5):
    shares = [
      {number for number, _ in joined(read(stream, epoch, batch_size=9))} for stream in streams
    ]
    assert [len(share) for share in shares] == [6, 6, 6]
    assert len(set.union(*shares)) == 18
    assert [min(share) for share in shares] == [0, 6, 12]


def test_the_place_in_the_global_epoch_decides_the_crop(photograph, tmp_path):
  path = tmp_path / "train" / "a" / "0.png"
  path.parent.mkdir(parents=True)
  for number in range(8):
    Image.fromarray(photograph).save(path.with_name(f"{number}.png"))
  options = {"image_size": 16, "shuffle_buffer": 8, "min_crop_area": 0.08}

  def crops(**share):
    return [
      image.tobytes()
      for images, _ in data.open_stream(f"folder:{tmp_path}", **options, **share).batches(
        KEY, 0, 0, 4
      )
      for image in images
    ]

  alone, shares = crops(), [crops(process=process, processes=2) for process in range(2)]
  assert len(set(alone)) == 8
  assert alone[::2] == shares[0] and alone[1::2] == shares[1]


@pytest.fixture
def extra(tmp_path):
  """Two more folders of images of the classes, one with a folder train and one without."""
  labels = write_folder(tmp_path / "more", 100)
  labels |= write_folder(tmp_path, 200, counts=(2, 2, 2), split="most")
  return tmp_path, ("more", str(tmp_path / "most")), labels


@pytest.mark.parametrize("first", [0, 5])
def test_extra_folders_are_mixed_into_every_epoch(source, extra, first, tmp_path):
  options, labels = source
  folders = tuple(str(tmp_path / root) for root in extra[1])
  stream = open_stream(**options, extra_folders=folders)
  labels = labels | extra[2]
  assert stream.num_examples == len(labels)
  batches = read(stream, 0, first)
  seen = joined(batches)
  assert len(seen) == len(set(seen)) == (len(labels) // 4 - first) * 4
  assert all(labels[number] == label for number, label in seen)
  assert batches == read(open_stream(**options, extra_folders=folders), 0)[first:]
  if first == 0:
    halves = [
      collections.Counter(number // 100 for number, _ in part) for part in (seen[::2], seen[1::2])
    ]
    assert all(half[kind] for half in halves for kind in (0, 1, 2))
    assert [number // 100 for number, _ in seen] != sorted(number // 100 for number, _ in seen)


def test_relative_extra_folders_lie_in_the_data_folder(records, tmp_path):
  shutil.copytree(records[0], tmp_path / "data")
  write_folder(tmp_path / "data" / "stylized", 100)
  stream = open_stream("numbered_set", data_dir=str(tmp_path / "data"), extra_folders=("stylized",))
  assert stream.num_examples == 31


def test_a_limit_leaves_the_first_images(folder, records):
  assert open_stream(f"folder:{folder[0]}", limit=5).num_examples == 5
  stream = open_stream("numbered_set", data_dir=records[0], limit=8)
  assert sorted(number for number, _ in joined(read(stream))) == list(range(8))
  for name, root, count in ((f"folder:{folder[0]}", "", 11), ("numbered_set", records[0], 20)):
    with pytest.raises(UserError, match=f"cannot take 21 of its {count} examples"):
      open_stream(name, data_dir=root, limit=21)


def test_pixels_are_those_in_memory_where_the_crop_is_the_whole_image(tmp_path):
  pixels = np.random.RandomState(0).randint(0, 256, (6, 8, 8, 3), dtype=np.uint8)
  for number, image in enumerate(pixels):
    path = tmp_path / "train" / "ab"[number % 2] / f"{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
  held = data.load(f"folder:{tmp_path}", "train")
  stream = open_stream(f"folder:{tmp_path}", image_size=8, min_crop_area=1.0)
  ((images, labels),) = stream.batches(KEY, 0, 0, 6)

  def pairs(images, labels):
    return sorted((image.tobytes(), label) for image, label in zip(images, labels))

  assert pairs(images, labels) == pairs(held.images, held.labels)


def refusal(call):
  with pytest.raises(UserError) as error:
    call()
  assert "\n" not in str(error.value) and "Error" not in str(error.value)
  return str(error.value)


def test_what_cannot_be_streamed_is_refused(folder, tmp_path):
  assert "'digits' is held in memory: set data.stream=False" in refusal(
    lambda: open_stream("digits")
  )
  assert "data.image_size" in refusal(lambda: open_stream(f"folder:{folder[0]}", image_size=0))
  assert str(tmp_path / "none") in refusal(lambda: open_stream(f"folder:{tmp_path}/none"))
  assert "'cifar10'" in refusal(lambda: open_stream("cifar1O"))


@pytest.mark.parametrize(
  "change, words",
  [
    (lambda root: (root / "train" / "d").mkdir(), "'d' is not one of these"),
    (
      lambda root: (
        [file.unlink() for file in (root / "train" / "b").iterdir()]
        and (root / "train" / "b").rmdir()
      ),
      "'b' is missing",
    ),
  ],
)
def test_extra_folders_of_other_classes_are_refused(folder, tmp_path, change, words):
  write_folder(tmp_path, 100)
  change(tmp_path)
  message = refusal(lambda: open_stream(f"folder:{folder[0]}", extra_folders=(str(tmp_path),)))
  assert words in message and str(tmp_path / "train") in message and "3 classes" in message
  message = refusal(
    lambda: open_stream(f"folder:{folder[0]}", extra_folders=(str(tmp_path / "none"),))
  )
  assert str(tmp_path / "none") in message and "data.extra_folders" in message


@pytest.mark.parametrize(
  "damage",
  [
    lambda path: path.write_bytes(path.read_bytes()[:60]),
    lambda path: path.write_bytes(b""),
    lambda path: path.unlink(),
  ],
)
def test_a_damaged_or_missing_file_is_named(tmp_path, damage):
  write_folder(tmp_path, 0, kind="jpg")
  stream = open_stream(f"folder:{tmp_path}")
  path = tmp_path / "train" / "b" / "005.jpg"
  damage(path)
  message = refusal(lambda: read(stream, batch_size=11))
  assert message.startswith(f"{path}: cannot be read as an image (") and message.endswith(
    "; repair or remove it"
  )


def test_a_damaged_record_is_named(records, tmp_path):
  root = tmp_path / "copy"
  shutil.copytree(records[0], root)
  (file,) = root.glob("numbered_set/1.0.0/*train*tfrecord*")
  content = [bytes(record.numpy()) for record in tf.data.TFRecordDataset(str(file))]
  content[3] = content[3].replace(b"IHDR", b"IHDX")
  with tf.io.TFRecordWriter(str(file)) as writer:
    for record in content:
      writer.write(record)
  message = refusal(lambda: read(open_stream("numbered_set", data_dir=str(root)), batch_size=20))
  assert f"{root}/numbered_set/1.0.0, split 'train', record numbered_set-train" in message
  assert "__3: cannot be read as an image" in message


@pytest.mark.parametrize(
  "damage, words",
  [
    (lambda file: file.write_bytes(file.read_bytes()[:-20]), "the files are damaged"),
    (lambda file: file.unlink(), "the files are damaged"),
  ],
)
def test_a_damaged_set_is_named(records, tmp_path, damage, words):
  root = tmp_path / "copy"
  shutil.copytree(records[0], root)
  damage(next(root.glob("numbered_set/1.0.0/*train*tfrecord*")))
  message = refusal(lambda: read(open_stream("numbered_set", data_dir=str(root)), batch_size=20))
  assert str(root / "numbered_set/1.0.0") in message and words in message


def test_imagenet_slice(real_data):
  stream = open_stream("imagenet2012", data_dir=str(real_data), image_size=32)
  assert (stream.num_examples, stream.num_classes) == (48, 1000)
  batches = list(stream.batches(KEY, 0, 0, 16))
  assert len(batches) == 3 and all(images.shape == (16, 32, 32, 3) for images, _ in batches)
  held = data.load("imagenet2012", "train", data_dir=str(real_data), image_size=32)
  assert sorted(np.concatenate([labels for _, labels in batches])) == sorted(held.labels)
