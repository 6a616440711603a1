"""What the entry points share: errors as one line, the compilation cache, interruption."""

import os
import pathlib
import sys
from collections.abc import Callable, Sequence

import jax
from absl import app, flags, logging

from apr_jax.errors import UserError, one_line
from apr_jax.training.loop import Interrupted


def run(main: Callable[[], None]) -> None:
  """Parses the flags and calls `main`; turns what the user did wrong into one line and exit code 2."""
  logging.set_verbosity(logging.WARNING)  # Orbax reports every file at INFO; --verbosity=0 shows it
  try:
    app.run(lambda _: _main(main), flags_parser=_parse_flags)
  except UserError as error:
    _exit(error, 2)


def _main(main: Callable[[], None]) -> None:
  use_compilation_cache()
  try:
    main()
  except UserError as error:
    _exit(error, 2)
  except Interrupted as error:
    _exit(error, error.exit_code)
  except KeyboardInterrupt:
    _exit(Exception("stopped; what is finished is saved: the same command goes on"), 130)


def use_compilation_cache() -> None:
  """Keeps compiled programs on disk, so that the second start of a configuration does not compile again.

  The folder is that of the environment variable JAX_COMPILATION_CACHE_DIR, else ~/.cache/apr_jax.
  """
  folder = os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(pathlib.Path.home() / ".cache" / "apr_jax")
  jax.config.update("jax_compilation_cache_dir", folder)
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def default_workdir(config_file: str) -> str:
  """runs/<name of the configuration file>."""
  return os.path.join("runs", pathlib.Path(config_file).stem)


def _parse_flags(arguments: Sequence[str]) -> list[str]:
  try:
    rest = flags.FLAGS(arguments)
    if "config" in flags.FLAGS:
      getattr(flags.FLAGS.config, "keys", None)  # where ml_collections reports a missing file
  except Exception as error:  # whatever the user's configuration file raises, and what ml_collections says of keys
    raise UserError(f"{_plain(one_line(error))} (see {os.path.basename(arguments[0])} --help)") from error
  if len(rest) > 1:
    raise UserError(f"unexpected argument {rest[1]!r}: flags start with --")
  return rest


def _plain(message: str) -> str:
  """What a library says, less its wrapping: messages shown as Python literals, and ml_collections' preamble."""
  message = message.replace("\\n", " ").replace("\\'", "'")
  if message.startswith("''") and message.endswith("'"):
    message = f"unknown key {message[1:-1]}"
  return message.removeprefix("Configuration is not available because of an earlier failure to load: ")


def _exit(error: Exception, code: int) -> None:
  print(f"error: {error}" if code == 2 else str(error), file=sys.stderr)
  sys.exit(code)
