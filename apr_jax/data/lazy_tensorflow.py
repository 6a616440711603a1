"""TensorFlow, imported where something is read with it; it never gets to see a GPU, whose memory
JAX needs.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from apr_jax.errors import UserError, one_line


def import_tensorflow(
  need: str = "TensorFlow cannot be imported", otherwise: str = ""
) -> tuple[Any, Any]:
  """The modules (tensorflow, tensorflow_datasets).

  Args:
    need: what they are needed for, and that they cannot be imported; begins the message.
    otherwise: what else to do; ends it.

  Raises:
    UserError: one of them is not installed.
  """
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its errors reach us as exceptions
  # Started already, it has said what it had to say; nor may a thread of the stream hide what others
  # print.
  quiet = contextlib.nullcontext() if "tensorflow_datasets" in sys.modules else without_notices()
  try:
    with quiet:
      import tensorflow as tf

      tf.config.set_visible_devices([], "GPU")
      tf.get_logger().setLevel("ERROR")  # its deprecations are not for our users
      import tensorflow_datasets as tfds
  except ImportError as error:
    hint = f", {otherwise}" if otherwise else ""
    raise UserError(
      f"{need} ({one_line(error)}): pip install -e '.[tensorflow]' in the checkout of apr_jax{hint}"
    ) from error
  return tf, tfds


@contextlib.contextmanager
def without_notices() -> Iterator[None]:
  """Keeps what TensorFlow's C++ code prints at any log level, as at start-up, from burying the one
  line of an error.
  """
  sys.stderr.flush()
  kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
  os.dup2(nowhere, 2)
  try:
    yield
  finally:
    os.dup2(kept, 2)
    os.close(kept)
    os.close(nowhere)
