"""Messages for unknown names, and other people's exceptions in one line."""

import errno
import os

import pytest

from apr_jax.errors import UserError, disk_trouble, lookup, naming, one_line, unknown

TABLE = {"resnet18": 1, "resnet50": 2, "allconv": 3}


def test_lookup_returns_the_value():
  assert lookup(TABLE, "resnet50", "model") == 2


def test_lookup_suggests_the_nearest_and_lists_all_in_order():
  with pytest.raises(UserError) as error:
    lookup(TABLE, "resnet5", "model")
  assert str(error.value) == (
    "unknown model 'resnet5'; did you mean 'resnet50'? Known: allconv, resnet18, resnet50"
  )


def test_lookup_does_not_guess_wildly():
  with pytest.raises(UserError) as error:
    lookup(TABLE, "vit", "model")
  assert str(error.value) == "unknown model 'vit'. Known: allconv, resnet18, resnet50"


def test_a_user_error_is_a_value_error():
  assert issubclass(UserError, ValueError)


def test_unknown_takes_anything_iterable():
  assert unknown("trian", "split", ("train", "test")).startswith(
    "unknown split 'trian'; did you mean 'train'?"
  )


@pytest.mark.parametrize(
  "message, line",
  [
    ("a\n  b\t c\n", "a b c"),
    ("", "ValueError"),
    (" \n", "ValueError"),
    ("x" * 300, "x" * 300),
    ("x" * 301, "x" * 297 + "..."),
  ],
)
def test_one_line(message, line):
  assert one_line(ValueError(message)) == line


def test_one_line_of_a_key_error_is_its_message_without_quotes():
  assert one_line(KeyError("no such key\ndid you mean 'a'?")) == "no such key did you mean 'a'?"
  assert one_line(KeyError()) == "KeyError"


def test_one_line_of_a_string():
  assert one_line("a\nb") == "a b"


def raised(error, cause=None):
  try:
    raise error from cause
  except Exception as caught:
    return caught


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
  "error, place, words",
  [
    (OSError(errno.ENOSPC, "No space left on device", "/a/b"), None, "/a/b cannot be written: the"),
    (OSError(errno.EROFS, "Read-only file system", "/a"), "/c", "/c cannot be written: the"),
    (FULL, "/c", "/c cannot be written: the disk is full; make room there"),
    (raised(ValueError("x"), FULL), "/c", "the disk is full"),
    (raised(RuntimeError("y"), raised(ValueError("x"), FULL)), "/c", "the disk is full"),
    (ExceptionGroup("several", [KeyError(1), FULL]), "/c", "the disk is full"),
    # what TensorStore says of a disk, which is no OSError
    (ValueError("RESOURCE_EXHAUSTED: f: No space left on device [code='28']"), "/c", "full"),
    (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "/c", "the quota of the disk is used up"),
    (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), "/c", "ulimit -f"),
    (OSError(errno.EIO, os.strerror(errno.EIO)), "/c", "the disk fails"),
    (PermissionError(errno.EACCES, "Permission denied", "/d"), None, "/d cannot be written: this"),
  ],
)  # fmt: skip
def test_what_a_disk_does_is_one_line(error, place, words):
  line = disk_trouble(error, place)
  assert words in line and "\n" not in line
  assert line.endswith("and the same command goes on from what is finished")


@pytest.mark.parametrize(
  "error",
  [ValueError("x"), FileNotFoundError(errno.ENOENT, "No such file"), MemoryError(), KeyError("k")],
)
def test_other_errors_are_no_trouble_of_a_disk(error):
  assert disk_trouble(error) is None
  looped = raised(ValueError("a"), error)
  error.__cause__ = looped
  assert disk_trouble(error) is None  # and it ends


def test_an_error_that_names_no_file_gets_one():
  with pytest.raises(OSError) as caught, naming("/a/b"):
    raise OSError(errno.ENOSPC, "No space left on device")
  assert caught.value.filename == "/a/b" and "/a/b" in str(caught.value)
