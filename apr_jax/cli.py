"""What the commands share: flags of their own, errors as one line, the compilation cache, signals.

A command defines its flags in a `flags.FlagValues` of its own, so that importing it defines nothing
for others, and ends in

    if __name__ == "__main__":
      cli.run(main, FLAGS)
"""

import os
import pathlib
import re
import sys
from collections.abc import Callable, Sequence

import jax
from absl import flags, logging

from apr_jax.errors import Stopped, UserError, one_line


def run(
  main: Callable[..., None], values: flags.FlagValues | None = None, positional: bool = False
) -> None:
  """Parses the flags and calls `main`; turns what the user did wrong into one line, exit code 2.

  Args:
    main: the command.
    values: its flags; None for a command that has none.
    positional: whether it takes the arguments that are no flags, as strings; without, they are an
      error.
  """
  logging.set_verbosity(logging.WARNING)  # Orbax reports every file at INFO
  values = flags.FlagValues() if values is None else values
  command = sys.modules["__main__"]
  if any(argument in ("--help", "-h", "--helpfull") for argument in sys.argv[1:]):
    print(f"{(command.__doc__ or '').strip()}\n\nFlags:\n{values.main_module_help().strip()}")
    return
  try:
    arguments = parse_flags(values, sys.argv, positional)
    use_compilation_cache()
    main(*arguments)
  except UserError as error:
    _exit(error, 2)
  except Stopped as error:
    _exit(error, error.exit_code)
  except jax.errors.JaxRuntimeError as error:
    if not re.search("RESOURCE_EXHAUSTED.*(memory|alloc)", str(error), re.DOTALL):
      raise
    _exit(
      Exception(
        f"the memory of the device is full ({one_line(error)}); end what else is on the device, "
        f"evaluate with a smaller --batch_size, or train in another --workdir with a smaller "
        f"batch_size or with data.stream=True"
      ),
      2,
    )
  except KeyboardInterrupt:
    _exit(Exception("stopped; what is finished is saved: the same command goes on"), 130)


def parse_flags(
  values: flags.FlagValues, arguments: Sequence[str], positional: bool = False
) -> list[str]:
  """Gives the flags their values; the arguments that are no flags, behind the command's name.

  Raises:
    UserError: a flag is unknown or unusable, or there are other arguments and `positional` is off.
  """
  values.set_gnu_getopt(positional)  # flags may stand behind other arguments
  try:
    rest = values(list(arguments))
    if "config" in values:
      getattr(values["config"].value, "keys", None)  # where ml_collections reports a missing file
  # Whatever the user's configuration file raises, and what ml_collections says of its keys.
  except Exception as error:
    name = os.path.basename(arguments[0])
    raise UserError(f"{plain(error)} (see {name} --help)") from error
  if len(rest) > 1 and not positional:
    raise UserError(f"unexpected argument {rest[1]!r}: flags start with --")
  return rest[1:]


def plain(error: Exception) -> str:
  """What a library says, less its wrapping: messages as Python literals, ml_collections' preamble."""
  typo = re.search(r'Did you mean "(.*?)" instead of "(.*?)"\?', str(error))
  if typo and "Other fields present" in str(error):  # which lists them with their values
    return f"unknown key {typo[2]!r}; did you mean {typo[1]!r}?"
  message = one_line(error).replace("\\n", " ").replace("\\'", "'")
  if message.startswith("''") and message.endswith("'"):
    message = f"unknown key {message[1:-1]}"
  preamble = "Configuration is not available because of an earlier failure to load: "
  return message.removeprefix(preamble)


def use_compilation_cache() -> None:
  """Keeps compiled programs on disk: the second start of a configuration compiles nothing.

  The folder is that of the environment variable JAX_COMPILATION_CACHE_DIR, else ~/.cache/apr_jax.
  """
  default = pathlib.Path.home() / ".cache" / "apr_jax"
  folder = os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(default)
  jax.config.update("jax_compilation_cache_dir", folder)
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _exit(error: Exception, code: int) -> None:
  print(f"error: {error}" if code == 2 else str(error), file=sys.stderr)
  sys.exit(code)
