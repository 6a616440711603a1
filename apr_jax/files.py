"""Paths, on disk and in Google Cloud Storage (gs://BUCKET/...), and what is written there whole.

On disk a file is written under another name, brought to the disk and renamed: a killed process and
a machine that loses power leave the old one or the new one. An object store renames nothing,
appends to nothing and locks nothing; an object appears as a whole, and a folder is there as long as
something lies in it. Who needs a path asks `path`, and uses of it what both have: `/`, `name`,
`parent`, `exists`, `is_file`, `is_dir`, `iterdir`, `glob`, `open` to read, `read_text`,
`read_bytes`, `unlink`. Writing goes through this file.
"""

import contextlib
import functools
import importlib.util
import json
import os
import pathlib
import shutil
import types
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, cast

from apr_jax.errors import UserError, naming, one_line

Place = str | os.PathLike[str]
"""A path, or an address such as gs://bucket/run."""

_CHUNK = 2**24  # bytes copied at a time
_OF_STORES = ("gcsfs", "google", "aiohttp", "requests")  # libraries whose errors are the store's


def is_address(place: Place) -> bool:
  """Whether it is an address, such as gs://bucket/run, and not a path on disk."""
  return "://" in os.fspath(place)


def path(place: Place) -> pathlib.Path:
  """The path as an object. Of an address it is an `etils.epath.Path`, which has the methods above.

  Raises:
    UserError: it is an address of another kind than gs://, or what reads those is not installed.
  """
  text = os.fspath(place)
  if not is_address(text):
    return pathlib.Path(text)
  if not text.startswith("gs://"):
    raise UserError(
      f"{text}: only addresses of Google Cloud Storage, gs://BUCKET/..., can be used; give one, or "
      f"a folder, such as one in which the store is mounted"
    )
  if importlib.util.find_spec("gcsfs") is None:
    raise UserError(
      f"{text} lies in Google Cloud Storage, which needs gcsfs: pip install -e '.[gcs]' in the "
      f"checkout of apr_jax"
    )
  return cast(pathlib.Path, _epath().Path(text))


def absolute(place: Place) -> pathlib.Path:
  """`path(place)`, on disk from the root on."""
  return path(place) if is_address(place) else pathlib.Path(place).absolute()


def make_folder(folder: pathlib.Path) -> None:
  """Makes a folder and those above it, if they are not there; a store needs none.

  Raises:
    OSError: it cannot be made.
  """
  if not is_address(folder):
    folder.mkdir(parents=True, exist_ok=True)


def write_bytes(path: pathlib.Path, content: bytes) -> None:
  """Writes a file whole; its folder is there.

  Raises:
    OSError: the file cannot be written.
  """
  if is_address(path):
    with store_errors():
      path.write_bytes(content)
    return
  temporary = path.with_name(path.name + ".tmp")
  try:
    with naming(path), temporary.open("wb") as file:
      file.write(content)
      file.flush()
      os.fsync(file.fileno())
    _rename(temporary, path, content)
  except OSError:
    with contextlib.suppress(OSError):  # half of it would keep what little room there is
      temporary.unlink(missing_ok=True)
    raise


def _rename(temporary: pathlib.Path, path: pathlib.Path, content: bytes) -> None:
  try:
    os.replace(temporary, path)
  except FileNotFoundError:
    # NFS asks again when the answer is lost, and the file has its name by then.
    if not path.is_file() or path.read_bytes() != content:
      raise


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a text in UTF-8 as `write_bytes` does."""
  write_bytes(path, text.encode())


def write_json(path: pathlib.Path, value: Any) -> None:
  """Writes a JSON value as `write_text` does."""
  write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: pathlib.Path) -> Any:
  """The JSON value of a file.

  Raises:
    OSError: the file cannot be read.
    ValueError: it holds something else.
  """
  with store_errors():
    text = path.read_text(encoding="utf-8")
  try:
    return json.loads(text)
  except RecursionError as error:
    raise ValueError("it is nested too deeply") from error


def move_in(finished: pathlib.Path, path: pathlib.Path) -> None:
  """Gives a finished file on disk its place, on the same disk or in a store.

  Raises:
    OSError: the file cannot be written.
  """
  if not is_address(path):
    os.replace(finished, path)
    return
  with store_errors(), finished.open("rb") as source, path.open("wb") as target:
    shutil.copyfileobj(source, target, _CHUNK)
  finished.unlink()


def copy_here(place: Place, target: pathlib.Path) -> None:
  """Copies a file, of a store say, to a disk.

  Raises:
    OSError: it cannot be read or written.
  """
  with store_errors(), open_binary(place) as source, target.open("wb") as file:
    shutil.copyfileobj(source, file, _CHUNK)


def is_file(place: Place) -> bool:
  """As `os.path.isfile`."""
  return path(place).is_file() if is_address(place) else os.path.isfile(place)


def is_dir(place: Place) -> bool:
  """As `os.path.isdir`."""
  return path(place).is_dir() if is_address(place) else os.path.isdir(place)


def open_binary(place: Place) -> BinaryIO:
  """A file to read; it can be sought in.

  Raises:
    OSError: the file cannot be read.
  """
  return cast(BinaryIO, path(place).open("rb"))


def read_range(place: Place, start: int, end: int) -> bytes:
  """Bytes [start, end) of a file, which of a store are all that is sent.

  Raises:
    OSError: the file cannot be read.
  """
  if is_address(place):
    path(place)  # says what is missing
    with store_errors():
      return cast(bytes, store().cat_file(os.fspath(place), start=start, end=end))
  with open(place, "rb") as file:
    file.seek(start)
    return file.read(end - start)


class Entry(NamedTuple):
  """What lies in a folder.

  Attributes:
    name: without the folder.
    is_dir: whether it is a folder itself.
  """

  name: str
  is_dir: bool


def entries(folder: Place) -> list[Entry]:
  """What lies in a folder, by name; of a store's one request tells all. [] for a store's folder
  that is not there.

  Raises:
    OSError: the folder cannot be read.
  """
  if not is_address(folder):
    return sorted(Entry(entry.name, _is_folder(entry)) for entry in os.scandir(folder))
  path(folder)  # says what is missing
  inside = os.fspath(folder).removeprefix("gs://").rstrip("/")
  with store_errors():
    try:
      found = store().ls(inside, detail=True)
    except FileNotFoundError:
      return []
  return sorted(
    Entry(info["name"].rstrip("/").rpartition("/")[2], info["type"] == "directory")
    for info in found
    # Some programs leave an empty object for the folder itself.
    if info["name"].rstrip("/") != inside
  )


def _is_folder(entry: os.DirEntry[str]) -> bool:
  try:
    return entry.is_dir()
  except OSError:  # a link that leads to itself
    return False


def files_below(folder: Place) -> Iterator[str]:
  """The paths of the files of a folder at any depth, as texts; hidden folders are skipped."""
  if not is_address(folder):
    for where, folders, names in os.walk(folder):
      folders[:] = [name for name in folders if not name.startswith(".")]
      yield from (os.path.join(where, name) for name in names)
    return
  path(folder)  # says what is missing
  inside = os.fspath(folder).rstrip("/") + "/"
  with store_errors():
    found = [f"gs://{name}" for name in store().find(inside)]
  for name in found:
    folders = name.removeprefix(inside).split("/")[:-1]
    if not any(part.startswith(".") for part in folders):
      yield name


class Lines:
  """A record that grows line by line: a file on disk; in a store, which cannot append, a folder of
  that name with an object per line. Copied from a store to a disk, it can be read there, and
  becomes a file when it is begun anew.

  Objects are called START-LINE, two numbers. What a start of the record kept is its object 0, which
  is written whole before the objects of earlier starts are deleted; the newest start counts.

  Args:
    path: of the file.
  """

  _MOST = 200  # objects of a start; then they become one

  def __init__(self, path: pathlib.Path):
    self._path = path
    self._kept: list[str] = []
    self._started = self._objects = 0

  def read(self) -> list[str]:
    """The lines, without their ends; [] if there is no record."""
    if is_file(self._path):
      return self._path.read_bytes().decode(errors="replace").splitlines()
    if not is_dir(self._path):
      return []
    newest, names = self._newest()
    counting = [name for name in names if _start_of(name) == newest]
    content = b"".join(self._contents(counting))
    return content.decode(errors="replace").splitlines()

  def start(self, lines: list[str]) -> None:
    """Begins the record anew with these lines, without their ends.

    Raises:
      OSError: it cannot be written.
    """
    text = "".join(f"{line}\n" for line in lines)
    if not is_address(self._path):
      if self._path.is_dir():  # of a run that was copied from a store
        shutil.rmtree(self._path)
      write_text(self._path, text)
      return
    newest, names = self._newest()
    self._kept, self._started, self._objects = list(lines), newest + 1, 1
    write_text(self._path / f"{self._started:08d}-{0:08d}", text)
    with store_errors():
      for name in names:
        (self._path / name).unlink(missing_ok=True)

  def append(self, line: str) -> None:
    """Adds a line, given without its end; it is on disk when this returns.

    Raises:
      OSError: it cannot be written.
    """
    if not is_address(self._path):
      with naming(self._path), self._path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
      return
    self._kept.append(line)
    if self._objects >= self._MOST:
      self.start(self._kept)
      return
    write_text(self._path / f"{self._started:08d}-{self._objects:08d}", line + "\n")
    self._objects += 1

  def _contents(self, names: list[str]) -> list[bytes]:
    """Of objects; of a store all are asked for at once."""
    places = [f"{self._path}/{name}" for name in names]
    if not is_address(self._path):
      return [pathlib.Path(place).read_bytes() for place in places]
    with store_errors():
      found = store().cat(places) if len(places) > 1 else None
      return (
        [store().cat_file(place) for place in places]
        if found is None
        else [found[place.removeprefix("gs://")] for place in places]
      )

  def _newest(self) -> tuple[int, list[str]]:
    """The number of the newest start, 0 for none, and the names of all objects."""
    names = [entry.name for entry in entries(self._path) if not entry.is_dir]
    return max(map(_start_of, names), default=0), names


def move_folder(folder: pathlib.Path, target: pathlib.Path) -> None:
  """Gives a folder another place on the same disk, or in the same store.

  Raises:
    OSError: it cannot be moved.
  """
  if not is_address(folder):
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(folder, target)
    return
  with store_errors():
    store().mv(os.fspath(folder), os.fspath(target), recursive=True)


@contextlib.contextmanager
def store_errors() -> Iterator[None]:
  """Inside, what the libraries of a store raise becomes an OSError."""
  try:
    yield
  except OSError:
    raise
  except Exception as error:
    if not is_of_store(error):
      raise
    raise OSError(f"{type(error).__name__}: {one_line(error)}") from error


def is_of_store(error: BaseException) -> bool:
  """Whether a library that speaks with a store raised it: what it asked for is not there, not
  allowed, or not to be reached.
  """
  return type(error).__module__.partition(".")[0] in _OF_STORES


def _start_of(name: str) -> int:
  start = name.partition("-")[0]
  return int(start) if start.isdigit() else 0


@functools.cache
def _epath() -> types.ModuleType:
  """`etils.epath`, so that it reads through gcsfs, and sees what other processes write."""
  # With TensorFlow, which takes seconds to import, it would use a client that knows no emulator.
  os.environ["EPATH_USE_TF"] = "false"
  import fsspec.config
  from etils import epath
  from etils.epath import gpath

  # It remembers what it found in the environment before.
  getattr(gpath._is_tf_installed, "cache_clear", lambda: None)()
  # By default it would remember for the whole process what lay in a folder.
  fsspec.config.conf.setdefault("gcs", {})["use_listings_cache"] = False
  return epath


@functools.cache
def store() -> Any:
  """gcsfs, as `etils.epath` opens it; inside `store_errors` alone."""
  _epath()
  import fsspec

  return fsspec.filesystem("gcs", finalize_on_close=True)
