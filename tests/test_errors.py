"""Messages for unknown names, and other people's exceptions in one line."""

import pytest

from apr_jax.errors import UserError, lookup, one_line, unknown

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
