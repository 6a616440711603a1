"""Writes a corrupted test set in the layout of CIFAR-10-C:

    python -m apr_jax.make_corruptions --data NAME --out DIR

One `NAME.npy` per corruption, uint8 `[5 N, H, W, 3]` with the severities one after the other;
`labels.npy`; and `regenerated.json`, by which the evaluation knows that they are not published
files. Files that are there already are kept, so an interrupted run goes on where it stopped.
"""

import contextlib
import hashlib
import pathlib
import sys
import tempfile
from collections.abc import Iterator

import numpy as np
import tqdm
from absl import flags

from apr_jax import cli, corruptions, data, files
from apr_jax.corruptions import SEVERITIES
from apr_jax.corruptions.whole_sets import MADE, regenerate
from apr_jax.data import ArrayData
from apr_jax.errors import UserError, one_line
from apr_jax.version import __version__

FLAGS = flags.FlagValues()
_DATA = flags.DEFINE_string(
  "data",
  None,
  "Data set: a TFDS name, digits, npz:FILE, npy:DIR or folder:DIR.",
  flag_values=FLAGS,
  required=True,
)
_OUT = flags.DEFINE_string("out", None, "Folder for the files.", flag_values=FLAGS, required=True)
_DATA_DIR = flags.DEFINE_string(
  "data_dir", "", "Where TFDS keeps its data sets; default: TFDS's own.", flag_values=FLAGS
)
_IMAGE_SIZE = flags.DEFINE_integer(
  "image_size", 0, "Resize and crop to this square in pixels; 0 = as stored.", flag_values=FLAGS
)
_LIMIT = flags.DEFINE_integer(
  "limit", 0, "Take the first so many images; 0 = all.", flag_values=FLAGS
)
_EXTRA = flags.DEFINE_bool("extra", False, "Make the 4 extra corruptions too.", flag_values=FLAGS)


def make(
  test: ArrayData,
  folder: pathlib.Path,
  *,
  names: tuple[str, ...] = corruptions.CORRUPTIONS,
  quiet: bool = False,
) -> None:
  """Writes the corrupted copies of a test set.

  Args:
    test: the clean images.
    folder: where the files go; made if needed.
    names: corruptions.
    quiet: show no progress.

  Raises:
    UserError: the folder cannot be written, or holds files of another data set.
  """
  try:
    files.make_folder(folder)
    _write_mark(folder, test)
    missing = [name for name in names if not (folder / f"{name}.npy").exists()]
    sets = [(name, severity) for name in missing for severity in SEVERITIES]
    progress = iter(tqdm.tqdm(sets, unit="set", disable=quiet or not sys.stderr.isatty()))
    for name in missing:
      path = folder / f"{name}.npy"
      shape = (len(SEVERITIES) * len(test.images), *test.images.shape[1:])
      with _unfinished(path) as place:
        partial = np.lib.format.open_memmap(place, "w+", np.uint8, shape)
        end = 0
        for severity in SEVERITIES:
          for batch in regenerate(test.images, name, severity):
            start, end = end, end + len(batch)
            partial[start:end] = batch
          next(progress)
        partial.flush()
  except OSError as error:
    raise UserError(f"{folder} cannot be written: {one_line(error)}; use another --out") from error


def _write_mark(folder: pathlib.Path, test: ArrayData) -> None:
  """Says in the folder what it is made from, and writes the labels; refuses a folder made from
  something else.
  """
  labels = np.tile(test.labels, len(SEVERITIES))
  mark = {
    "data": test.name,
    "examples": len(test.labels),
    "image_size": list(test.image_size),
    "images_sha256": hashlib.sha256(test.images.tobytes()).hexdigest(),
    "apr_jax": __version__,
  }
  if (folder / MADE).exists():
    try:
      found = files.read_json(folder / MADE)
    except ValueError:
      found = None
    if found != mark:
      raise UserError(
        f"{folder / MADE} says that the folder was made from another data set, --limit, "
        f"--image_size or version; use another --out"
      )
  elif any(folder.glob("*.npy")):
    raise UserError(
      f"{folder} holds .npy files and no {MADE}: they were not made here; use another --out"
    )
  with _unfinished(folder / "labels.npy") as place:
    with place.open("wb") as file:
      np.save(file, labels)
    files.write_json(folder / MADE, mark)


@contextlib.contextmanager
def _unfinished(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """Where a file is on disk until it is whole: a killed run leaves no file that looks finished."""
  with tempfile.TemporaryDirectory() as here:
    in_store = files.is_address(path)
    place = pathlib.Path(here) / path.name if in_store else path.with_suffix(".partial")
    yield place
    files.move_in(place, path)


def _main() -> None:
  test = data.load(
    _DATA.value, "test", data_dir=_DATA_DIR.value, image_size=_IMAGE_SIZE.value
  ).take(_LIMIT.value)
  names = corruptions.CORRUPTIONS + (corruptions.EXTRA_CORRUPTIONS if _EXTRA.value else ())
  make(test, files.path(_OUT.value), names=names)
  print(
    f"{len(names)} corruptions × {len(SEVERITIES)} severities of {len(test.images)} images in "
    f"{_OUT.value} (regenerated: not comparable with published files)"
  )


if __name__ == "__main__":
  cli.run(_main, FLAGS)
