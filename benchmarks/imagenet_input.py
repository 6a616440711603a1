"""Images per second that a core reads, decodes, crops and resizes for a training on ImageNet.

    python -m benchmarks.imagenet_input [--json FILE] [--quality 90] [--size 224] [--rounds 2]

The records are JPEGs of ImageNet's usual size, 500 x 375 pixels, cut out of scikit-learn's two
photographs. All rows are measured in turns, in CPU seconds, so that what else runs on the machine
hardly counts: the time is that of one core, however many work at once.

- parts: our stream, one part after the other; a part is the difference to the row before.
- pipelines: our stream, and tf.data as tutorials write it (`benchmarks.baseline_input`).
- choices: other ways to decode and to resize, with how far they change the crops.
- needs: what the chips of a TPU v5e host take in, computed from the compiler's cycles in
  docs/benchmarks.md and the published peak of a chip.
"""

import argparse
import io
import itertools
import json
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from sklearn import datasets

from apr_jax import data
from apr_jax.data import resized_crop, tfds_reader
from apr_jax.data.lazy_tensorflow import import_tensorflow
from apr_jax.data.stream_sources import RecordSource
from benchmarks import baseline_input

tf, tfds = import_tensorflow()

NAME, LABELS, FILES = "photographs_500", 10, 4
LANDSCAPE = (500, 375)  # width, height
BATCH, MIN_AREA, KEY = 32, 0.08, (0, 1)
COMPARED = 128  # images whose crops are compared
SHORT_SIDE = 256  # of images that are stored smaller
WHOLE = "batch, hand over"

PEAK = 197e12  # bfloat16 operations per second of a v5e (published)
CLOCK = PEAK / (2 * 4 * 128 * 128)  # of its four units of 128 x 128 products and sums
# ResNet-50, 128 images a step, in docs/benchmarks.md: {training: cycles of a step}
CYCLES = {
  "APR-SP, the whole step": 349_582_289,
  "two views, the network alone": 230_245_023,
  "one view, half of that": 230_245_023 / 2,
}
HOSTS = {1: 24, 4: 112, 8: 224}  # chips of a v5e host: its virtual cores (published)


def photographs(count: int) -> list[np.ndarray]:
  """Pictures of 500 x 375 pixels, every fourth upright; uint8 `[H, W, 3]`."""
  random = np.random.RandomState(0)
  found = []
  for number, image in zip(range(count), itertools.cycle(datasets.load_sample_images().images)):
    width, height = LANDSCAPE if number % 4 else LANDSCAPE[::-1]
    image = image if number % 4 else np.rot90(image)
    top, left = (
      random.randint(have - want + 1) for have, want in zip(image.shape, (height, width))
    )
    found.append(image[top : top + height, left : left + width])
  return found


def encode(image: np.ndarray, quality: int) -> bytes:
  """As a JPEG."""
  stream = io.BytesIO()
  Image.fromarray(image).save(stream, "JPEG", quality=quality)
  return stream.getvalue()


def smaller(encoded: bytes, short_side: int) -> np.ndarray:
  """The whole image of a JPEG with another short side, uint8 `[H, W, 3]`."""
  image = Image.open(io.BytesIO(encoded))
  factor = short_side / min(image.size)
  size = round(image.width * factor), round(image.height * factor)
  return np.asarray(image.resize(size, Image.Resampling.BILINEAR))


def write_records(root: pathlib.Path, encoded: Sequence[bytes]) -> list[str]:
  """A TFDS data set of JPEGs as they are; returns its files."""
  folder = root / NAME / "1.0.0"
  folder.mkdir(parents=True)
  features = tfds.features.FeaturesDict(
    {
      "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
      "label": tfds.features.ClassLabel(num_classes=LABELS),
    }
  )
  paths, lengths, sizes = [], [], []
  for number in range(FILES):
    part = encoded[number::FILES]
    path = str(folder / f"{NAME}-train.tfrecord-{number:05}-of-{FILES:05}")
    with tf.io.TFRecordWriter(path) as writer:
      for image in part:
        writer.write(features.serialize_example({"image": image, "label": number}))
    paths.append(path)
    lengths.append(len(part))
    sizes.append(sum(map(len, part)))
  template = tfds.core.ShardedFileTemplate(
    dataset_name=NAME, data_dir=folder, split="train", filetype_suffix="tfrecord"
  )
  split = tfds.core.SplitInfo(
    name="train", shard_lengths=lengths, num_bytes=sum(sizes), filename_template=template
  )
  tfds.folder_dataset.write_metadata(
    data_dir=str(folder), features=features, split_infos=[split], check_data=False
  )
  return paths


class Pass(NamedTuple):
  """A pass over the images, and one that ends after the first `BATCH` of them: the difference is
  what an image costs once a pass has started, as it does once in an epoch.
  """

  whole: Callable[[], object]
  start: Callable[[], object]


def through(whole: Any, start: Any) -> Pass:
  """Through one data set of tf.data and another."""

  def run(dataset: Any) -> Callable[[], object]:
    # counted inside of tf.data: a single element costs Python as much as a small part
    return lambda: dataset.reduce(np.int64(0), lambda count, *_: count + 1)

  return Pass(run(whole), run(start))


def mapped(elements: Any, function: Callable[..., Any]) -> Pass:
  """Through what a function makes of the elements of a data set."""
  return through(
    *(
      of.map(function, num_parallel_calls=tf.data.AUTOTUNE)
      for of in (elements, elements.take(BATCH))
    )
  )


def cpu_ms(passes: dict[str, Pass], count: int, rounds: int) -> dict[str, float]:
  """{name: CPU milliseconds per image}, in turns: from the least of the rounds, as what shares the
  caches of the machine only adds. The first round, in which functions are traced, does not count.
  """
  found: dict[str, list[list[float]]] = {name: [] for name in passes}
  for _ in range(rounds + 1):
    for name, each in passes.items():
      times = []
      for function in each:
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
      found[name].append(times)
  least = {name: np.min(times[1:], axis=0) for name, times in found.items()}
  return {name: 1000 * (whole - start) / (count - BATCH) for name, (whole, start) in least.items()}


def parts(root: pathlib.Path, count: int, size: int) -> dict[str, Pass]:
  """Our stream, each row with one part more."""
  prepared = tfds_reader.open_split(NAME, "train", data_dir=str(root), download=False)
  source = RecordSource(prepared, 0, BATCH)
  elements = source.examples(np.random.RandomState(0), 0, 1, 0).enumerate()

  def box(index: Any, element: Any) -> Any:
    draws = tf.random.stateless_uniform(
      (resized_crop.ATTEMPTS, 4), tf.stack([0, index]), dtype=tf.float64
    )
    shape = tf.image.extract_jpeg_shape(element[0])
    return resized_crop.choose_box(draws, shape[0], shape[1], MIN_AREA)

  def decoded(index: Any, element: Any) -> Any:
    return resized_crop.decode_random_box(element[0], tf.stack([0, index]), MIN_AREA)

  def resized(index: Any, element: Any) -> Any:
    return resized_crop.resize(decoded(index, element), size)

  return {
    "read records": through(elements, elements.take(BATCH)),
    "choose the box": mapped(elements, box),
    "decode the box": mapped(elements, decoded),
    "resize": mapped(elements, resized),
    WHOLE: of_stream(open_stream(root, size), count),
  }


def open_stream(root: pathlib.Path, size: int, **options: Any) -> data.ImageStream:
  """Ours, of the records in `root`."""
  return data.open_stream(
    NAME,
    data_dir=str(root),
    image_size=size,
    shuffle_buffer=BATCH,
    min_crop_area=MIN_AREA,
    **options,
  )


def of_stream(stream: data.ImageStream, count: int) -> Pass:
  """A pass over an epoch of ours; it starts with its last batch, having passed over the others."""
  return Pass(
    lambda: list(stream.batches(KEY, 0, 0, BATCH)),
    lambda: list(stream.batches(KEY, 0, count // BATCH - 1, BATCH)),
  )


def choices(
  encoded: list[bytes], quality: int, size: int
) -> tuple[dict[str, Pass], dict[str, np.ndarray]]:
  """Ways to make the same crops: {name: a pass}, and {name: what it makes of the first `COMPARED`
  images, uint8 `[N, S, S, 3]`}.

  The boxes of images stored smaller are the same parts of the image, up to their rounding.
  """
  stored = [encode(smaller(image, SHORT_SIDE), quality) for image in encoded]

  def crops(files: list[bytes], function: Callable[[Any, Any, Any], Any]) -> Any:
    """Images, and what makes their crops with a function of (bytes, box, shape)."""

    def one(number: Any, image: Any) -> Any:
      draws = tf.random.stateless_uniform(
        (resized_crop.ATTEMPTS, 4), tf.stack([0, number]), dtype=tf.float64
      )
      shape = tf.image.extract_jpeg_shape(image)
      return function(image, resized_crop.choose_box(draws, shape[0], shape[1], MIN_AREA), shape)

    return tf.data.Dataset.from_tensor_slices(files).enumerate(), one

  def decode(image: Any, box: Any, **options: Any) -> Any:
    return tf.image.decode_and_crop_jpeg(image, box, channels=3, **options)

  def exact(image: Any, box: Any, shape: Any) -> Any:
    del shape
    return resized_crop.resize(decode(image, box, dct_method="INTEGER_ACCURATE"), size)

  def whole(image: Any, box: Any, shape: Any) -> Any:
    del shape
    pixels = tf.image.decode_jpeg(image, channels=3, dct_method="INTEGER_ACCURATE")
    return resized_crop.resize(tf.slice(pixels, [box[0], box[1], 0], [box[2], box[3], 3]), size)

  def fast(image: Any, box: Any, shape: Any) -> Any:
    del shape
    return resized_crop.resize(decode(image, box, dct_method="INTEGER_FAST"), size)

  def plain_chroma(image: Any, box: Any, shape: Any) -> Any:
    del shape
    options = {"dct_method": "INTEGER_ACCURATE", "fancy_upscaling": False}
    return resized_crop.resize(decode(image, box, **options), size)

  def one_operation(image: Any, box: Any, shape: Any) -> Any:
    del shape
    pixels = decode(image, box, dct_method="INTEGER_ACCURATE")
    resized = tf.image.resize(pixels, (size, size), antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)

  def aliased(image: Any, box: Any, shape: Any) -> Any:
    del shape
    pixels = decode(image, box, dct_method="INTEGER_ACCURATE")
    return resized_crop.resize_plainly(pixels, size)

  def reduced(image: Any, box: Any, shape: Any) -> Any:
    return resized_crop.resize(at_any_ratio(image, box, shape), size)

  def quick(image: Any, box: Any, shape: Any) -> Any:
    return resized_crop.resize_plainly(at_any_ratio(image, box, shape), size)

  def at_any_ratio(image: Any, box: Any, shape: Any) -> Any:
    del shape
    return resized_crop.decode_jpeg_reduced(image, box, size)

  made = {
    "the box alone (ours)": crops(encoded, exact),
    "the whole image, then the box": crops(encoded, whole),
    "dct_method INTEGER_FAST": crops(encoded, fast),
    "without fancy_upscaling": crops(encoded, plain_chroma),
    "at 1/2, 1/4, 1/8 where it fits": crops(encoded, reduced),
    "both (data.fast_crops)": crops(encoded, quick),
    "tf.image.resize, antialias": crops(encoded, one_operation),
    "tf.image.resize, no antialias": crops(encoded, aliased),
    f"stored with short side {SHORT_SIDE}": crops(stored, exact),
  }
  pixels = {
    name: np.stack(list(images.take(COMPARED).map(one).as_numpy_iterator()))
    for name, (images, one) in made.items()
  }
  return {name: mapped(*of) for name, of in made.items()}, pixels


def differences(pixels: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
  """How far each choice is from the first, in levels of 0..255."""
  first = next(iter(pixels.values())).astype(np.int16)
  apart = {name: np.abs(made - first) for name, made in pixels.items()}
  return {
    name: {
      "values that differ, %": 100 * float((of > 0).mean()),
      "mean": float(of.mean()),
      "largest": int(of.max()),
    }
    for name, of in apart.items()
  }


def needs(ms: float) -> list[dict[str, Any]]:
  """What hosts of v5e chips take in, and how many cores that keeps busy at `ms` per image."""
  found = []
  for training, cycles in CYCLES.items():
    per_chip = 128 / (cycles / CLOCK)
    for chips, cores in HOSTS.items():
      images = per_chip * chips
      row = {"training": training, "chips": chips, "images/s": round(images)}
      found.append(row | {"cores busy": round(images * ms / 1000, 1), "cores of the host": cores})
  return found


def measure(quality: int, size: int, count: int, rounds: int) -> dict[str, Any]:
  """All figures."""
  encoded = [encode(picture, quality) for picture in photographs(count)]
  with tempfile.TemporaryDirectory() as folder:
    files = write_records(pathlib.Path(folder), encoded)
    own = parts(pathlib.Path(folder), count, size)
    plain = {
      name: through(*(baseline_input.dataset(files, size, BATCH, n, whole) for n in (count, BATCH)))
      for name, whole in (("tutorial", True), ("tutorial, the box alone", False))
    }
    fast = {
      "ours, data.fast_crops": of_stream(
        open_stream(pathlib.Path(folder), size, fast_crops=True), count
      )
    }
    chosen, pixels = choices(encoded, quality, size)
    times = cpu_ms(own | fast | plain | chosen, count, rounds)
  before = dict(zip(own, [0.0, *(times[name] for name in own)]))
  pipelines = {"ours": times[WHOLE], **{name: times[name] for name in (*fast, *plain)}}
  return {
    "images": {
      "count": count,
      "pixels": list(LANDSCAPE),
      "quality": quality,
      "mean bytes": round(np.mean([len(image) for image in encoded])),
      "crop": size,
    },
    "parts": {name: round(times[name] - before[name], 3) for name in own},
    "pipelines": {
      name: {"ms": round(ms, 3), "images/s of a core": round(1000 / ms)}
      for name, ms in pipelines.items()
    },
    "choices": {
      name: {"ms": round(times[name], 3), **apart} for name, apart in differences(pixels).items()
    },
    "needs": needs(times[WHOLE]),
  }


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--json", default="", help="a file for the figures")
  parser.add_argument("--quality", type=int, default=90, help="of the JPEGs")
  parser.add_argument("--size", type=int, default=224, help="side of the crops in pixels")
  parser.add_argument("--images", type=int, default=512)
  parser.add_argument("--rounds", type=int, default=2)
  arguments = parser.parse_args()
  found = measure(arguments.quality, arguments.size, arguments.images, arguments.rounds)
  if arguments.json:
    pathlib.Path(arguments.json).write_text(json.dumps(found, indent=2) + "\n")
  of = found["images"]
  print(f"{of['count']} images, quality {of['quality']}, {of['mean bytes']:,} bytes each\n")
  print("| part of our stream | CPU ms per image |\n|---|---|")
  for name, ms in found["parts"].items():
    print(f"| {name} | {ms:.3f} |")
  print("\n| pipeline | CPU ms per image | images/s of a core |\n|---|---|---|")
  for name, row in found["pipelines"].items():
    print(f"| {name} | {row['ms']:.3f} | {row['images/s of a core']:,} |")
  print("\n| decoding and resizing | CPU ms | values that differ | mean, levels | largest |")
  print("|---|---|---|---|---|")
  for name, row in found["choices"].items():
    share, mean, largest = row["values that differ, %"], row["mean"], row["largest"]
    print(f"| {name} | {row['ms']:.3f} | {share:.1f} % | {mean:.3f} | {largest} |")
  print("\n| training of ResNet-50 | chips | images/s | cores busy | cores of the host |")
  print("|---|---|---|---|---|")
  for row in found["needs"]:
    print(
      "| "
      + " | ".join(f"{value:,}" if not isinstance(value, str) else value for value in row.values())
      + " |"
    )
  return 0


if __name__ == "__main__":
  sys.exit(main())
