"""What the commands share: flags of their own, errors as one line, the compilation cache, signals.

A command defines its flags in a `flags.FlagValues` of its own, so that importing it defines nothing
for others, and ends in

    if __name__ == "__main__":
      cli.run(main, FLAGS)
"""

import difflib
import functools
import os
import pathlib
import re
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
from absl import flags, logging

from apr_jax import cpu_settings
from apr_jax.errors import Stopped, UserError, disk_trouble, one_line
from apr_jax.files import is_of_store
from apr_jax.help_text import Groups, help_text


def run(
  main: Callable[..., None],
  values: flags.FlagValues | None = None,
  positional: bool = False,
  groups: Groups | None = None,
  more_help: Callable[[Sequence[str]], str] | None = None,
) -> None:
  """Parses the flags and calls `main`; turns what the user did wrong into one line, exit code 2.

  Args:
    main: the command; its module's docstring and its flags are what --help prints.
    values: its flags; None for a command that has none.
    positional: whether it takes the arguments that are no flags, as strings; without, they are an
      error.
    groups: of its flags, for --help.
    more_help: the command's arguments → what --help prints below the flags.
  """
  logging.set_verbosity(logging.WARNING)  # Orbax reports every file at INFO
  _say_once()
  values = flags.FlagValues() if values is None else values
  if any(argument in ("--help", "-h", "--helpfull") for argument in sys.argv[1:]):
    about = sys.modules["__main__"].__doc__ or ""
    try:
      more = f"\n\n{more_help(sys.argv)}" if more_help else ""
    except UserError as error:
      _exit(error, 2)
    print(help_text(about, values, groups or {}) + more)
    return
  cpu_settings.apply()
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
  except Exception as error:
    trouble = disk_trouble(error)
    if trouble is not None:
      _exit(UserError(trouble), 2)
    if not is_of_store(error):
      raise
    _exit(
      Exception(
        f"Google Cloud Storage: {one_line(error)}; give an address in a bucket that is there and "
        f"yours, and log in (gcloud auth application-default login)"
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
    UserError: a flag is unknown or unusable, the configuration file of a flag `config` cannot be
      used, or there are other arguments and `positional` is off.
  """
  values.set_gnu_getopt(positional)  # flags may stand behind other arguments
  try:
    rest = values(list(arguments))
    if "config" in values:
      getattr(values["config"].value, "keys", None)  # where ml_collections reports a missing file
  except flags.Error as error:
    raise UserError(f"{one_line(error)} (--help lists the flags)") from error
  except Exception as error:
    if "config" not in values:
      raise
    # Whatever the user's configuration file raises, and what ml_collections says of its keys.
    file = config_file(arguments)
    raise UserError(f"{file}: {_plain(error)}{_others(error, file)}") from error
  if len(rest) > 1 and not positional:
    raise UserError(f"unexpected argument {rest[1]!r}: flags start with --")
  return rest[1:]


def config_file(arguments: Sequence[str]) -> str:
  """What the flag `config` names, or "--config"; a flag that was not understood does not tell
  itself.
  """
  for argument, following in zip(arguments, [*arguments[1:], ""]):
    flag, equals, file = argument.partition("=")
    if flag in ("--config", "-config"):
      return file if equals else following
  return "--config"


def configurations(folder: pathlib.Path) -> list[str]:
  """The configurations in a folder by their data, "digits_{apr_p, apr_s}" each."""
  kinds: dict[str, list[str]] = {}
  for path in sorted(folder.glob("*_*.py")):
    data, _, name = path.stem.partition("_")
    if data and not name.endswith("base"):  # what others begin with is no experiment
      kinds.setdefault(data, []).append(name)
  return [f"{data}_{{{', '.join(names)}}}" for data, names in kinds.items()]


def _others(error: Exception, file: str) -> str:
  """What there is beside a configuration file that cannot be read."""
  folder = pathlib.Path(file) if pathlib.Path(file).is_dir() else pathlib.Path(file).parent
  there = configurations(folder)
  if not isinstance(error, OSError) or not there:
    return ""
  stems = [path.stem for path in folder.glob("*.py")]
  near = difflib.get_close_matches(pathlib.Path(file).stem, stems, n=1)
  meant = f"; did you mean {folder / near[0]}.py?" if near else "."
  return f"{meant} {folder} holds {', '.join(there)}"


def _plain(error: Exception) -> str:
  """What went wrong in a configuration, without the literals and listings of ml_collections."""
  said = str(error)
  typo = re.search(r'Did you mean "(.*?)" instead of "(.*?)"\?', said)
  if typo:
    return f"unknown key {typo[2]!r}; did you mean {typo[1]!r}?"
  unknown = re.search(r'Key "(.*?)" does not exist|Attempting to lookup: ([\w.]+)', said)
  if unknown:
    return f"unknown key {unknown[1] or unknown[2]!r}"
  word = said.strip("\\\"'")
  if isinstance(error, AttributeError) and word.isidentifier():
    return f"unknown key {word!r}"
  unreadable = re.search(r"\[Errno \d+\] (.*?): ", said)
  if isinstance(error, OSError) and unreadable:
    return f"{unreadable[1][:1].lower()}{unreadable[1][1:]}; give --config another file"
  return f"{type(error).__name__}: {one_line(error)}"


def define_processes(values: flags.FlagValues) -> Callable[[], tuple[str, int, int]]:
  """Defines the flags of a command that may run in several processes.

  Returns:
    gives the values of --coordinator, --num_processes and --process_id.
  """
  coordinator = flags.DEFINE_string(
    "coordinator",
    "",
    "For several processes: 'auto' on Cloud TPU pods and Slurm, else host:port of process 0.",
    flag_values=values,
  )
  count = flags.DEFINE_integer(
    "num_processes", 1, "Number of processes; unused with --coordinator=auto.", flag_values=values
  )
  own = flags.DEFINE_integer(
    "process_id", 0, "This process; unused with --coordinator=auto.", flag_values=values
  )
  return lambda: (coordinator.value, count.value, own.value)


def use_compilation_cache() -> None:
  """Keeps compiled programs on disk: the second start of a configuration compiles nothing.

  The folder is that of the environment variable JAX_COMPILATION_CACHE_DIR, else ~/.cache/apr_jax.
  What compiles in less than 0.2 seconds is not kept, or in less than
  JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS says.
  """
  default = pathlib.Path.home() / ".cache" / "apr_jax"
  folder = os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(default)
  jax.config.update("jax_compilation_cache_dir", folder)
  if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:  # which JAX has read
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


@functools.cache  # once for a process
def _say_once() -> None:
  """What fails in a thread of Orbax is raised where it is waited for, and becomes a line there: its
  own pages about it are left out. What JAX says of a damaged file of its cache is a line too.
  """
  logging.get_absl_logger().addFilter(lambda record: "orbax" not in record.pathname)
  in_threads, ignored = threading.excepthook, sys.unraisablehook

  def in_thread(raised: threading.ExceptHookArgs) -> None:
    if raised.exc_value is None or disk_trouble(raised.exc_value) is None:
      in_threads(raised)

  def unraisable(raised: "sys.UnraisableHookArgs") -> None:
    # TensorStore reports to event loops that an exception has closed.
    closed = isinstance(raised.exc_value, RuntimeError) and "loop is closed" in str(
      raised.exc_value
    )
    if not closed and (raised.exc_value is None or disk_trouble(raised.exc_value) is None):
      ignored(raised)

  threading.excepthook, sys.unraisablehook = in_thread, unraisable
  showwarning = warnings.showwarning

  def show(message: Warning | str, *arguments: Any, **named: Any) -> None:
    # A damaged file of the cache, or a disk that takes no more of them, changes no result.
    if "persistent compilation cache" not in str(message):
      showwarning(message, *arguments, **named)
      return
    folder = jax.config.values["jax_compilation_cache_dir"]
    print(f"{one_line(str(message))}; compiled anew (files of {folder})", file=sys.stderr)

  warnings.showwarning = show


def _exit(error: Exception, code: int) -> None:
  said = f"error: {error}" if code == 2 else str(error)
  # Names of files and texts in them may hold line breaks, and codes that a terminal obeys.
  line = "".join(c if c.isprintable() else " " for c in said)
  print(line.encode(errors="replace").decode(), file=sys.stderr)
  sys.exit(code)
