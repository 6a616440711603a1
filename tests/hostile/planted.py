"""Code that files of these tests carry, and the mark that it would leave if it ran."""

import os

MARK = "/tmp/apr_jax_hostile_code_ran"


class Code:
  """Unpickling it would run a program."""

  def __reduce__(self):
    return os.system, (f"touch {MARK}",)
