"""What the entry points share: configuration files, errors as one line, the compilation cache,
interruption.
"""

import functools
import importlib.util
import os
import pathlib
import re
import sys
from collections.abc import Callable, Sequence

import jax
import ml_collections
from absl import app, flags, logging
from ml_collections import config_flags

import apr_jax
from apr_jax.errors import UserError, one_line
from apr_jax.training.loop import Interrupted
from apr_jax.training.workdir import flatten


def run(main: Callable[..., None], positional: bool = False) -> None:
  """Parses the flags and calls `main`; turns what the user did wrong into one line and exit code 2.

  Args:
    main: the command.
    positional: whether it takes the arguments that are no flags, as strings; without, they are an
      error.
  """
  logging.set_verbosity(logging.WARNING)  # Orbax reports every file at INFO; --verbosity=0 shows it
  flags.FLAGS.set_gnu_getopt(positional)  # flags may stand behind other arguments
  try:
    app.run(
      lambda arguments: _main(lambda: main(*arguments[1:])),
      flags_parser=functools.partial(_parse_flags, positional=positional),
    )
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
  except jax.errors.JaxRuntimeError as error:
    if not re.search("RESOURCE_EXHAUSTED.*(memory|alloc)", str(error), re.DOTALL):
      raise
    _exit(
      Exception(
        f"the memory of the device is full ({one_line(error)}); end what else is on the device, evaluate "
        f"with a smaller --batch_size, or train in another --workdir with a smaller batch_size or with "
        f"data.stream=True"
      ),
      2,
    )
  except KeyboardInterrupt:
    _exit(Exception("stopped; what is finished is saved: the same command goes on"), 130)


def use_compilation_cache() -> None:
  """Keeps compiled programs on disk, so that the second start of a configuration does not compile
  again.

  The folder is that of the environment variable JAX_COMPILATION_CACHE_DIR, else ~/.cache/apr_jax.
  """
  folder = os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(
    pathlib.Path.home() / ".cache" / "apr_jax"
  )
  jax.config.update("jax_compilation_cache_dir", folder)
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def default_workdir(config_file: str) -> str:
  """runs/<name of the configuration file>."""
  return os.path.join("runs", pathlib.Path(config_file).stem)


def load_config(file: str, overrides: Sequence[str] = ()) -> ml_collections.ConfigDict:
  """The configuration that `train.py --config FILE --config.KEY=VALUE ...` would train.

  Args:
    file: the configuration file.
    overrides: "KEY=VALUE" each.

  Raises:
    UserError: the file cannot be used, a key is unknown, or a value is of another type.
  """
  above = str(pathlib.Path(file).absolute().parents[1])
  if above not in sys.path:
    sys.path.append(above)  # configs/X.py imports configs.base
  arguments = ["", f"--config={file}", *(f"--config.{override}" for override in overrides)]
  values = flags.FlagValues()
  config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=arguments)
  try:
    _parse(values, arguments)
  except Exception as error:  # as in _parse_flags
    raise UserError(f"{file}: {_plain(error)}") from error
  return named(values["config"].value, file)


def original_config(name: str) -> dict | None:
  """The values of the configuration file of that name, where `configs/` lies beside the package;
  else None.
  """
  file = pathlib.Path(apr_jax.__file__).parents[1] / "configs" / f"{name}.py"
  return load_config(str(file)).to_dict() if name and file.is_file() else None


def named(config: ml_collections.ConfigDict, file: str) -> ml_collections.ConfigDict:
  """The configuration, called after its file unless it has a name.

  Raises:
    UserError: it is none, or lacks keys of `configs/base.py`.
  """
  if not isinstance(config, ml_collections.ConfigDict):
    raise UserError(
      f"{file}: get_config() returns {config!r}; let it return the configuration of configs/base.py, "
      f"changed where it differs"
    )
  own = flatten(config.to_dict())
  missing = [key for key in flatten(base_config().to_dict()) if key not in own]
  if missing:
    raise UserError(
      f"{file}: its configuration lacks {len(missing)} of the keys of configs/base.py, such as "
      f"{missing[0]!r}; let get_config() begin with base.get_config()"
    )
  config.name = config.name or pathlib.Path(file).stem
  return config


def base_config() -> ml_collections.ConfigDict:
  """The configuration of `configs/base.py`.

  Raises:
    UserError: it does not lie beside the package.
  """
  # By its path: the folder a command is run in may have a package "configs" of its own.
  path = pathlib.Path(__file__).parents[1] / "configs" / "base.py"
  if not path.is_file():
    raise UserError(
      f"this needs {path}, which a checkout of the repository has and an installed package has not; "
      f"run this command in a checkout"
    )
  spec = importlib.util.spec_from_file_location("configs.base", path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config()


def _parse_flags(arguments: Sequence[str], positional: bool) -> list[str]:
  try:
    rest = _parse(flags.FLAGS, arguments)
  except (
    Exception
  ) as error:  # whatever the user's configuration file raises, and what ml_collections says of keys
    raise UserError(f"{_plain(error)} (see {os.path.basename(arguments[0])} --help)") from error
  if len(rest) > 1 and not positional:
    raise UserError(f"unexpected argument {rest[1]!r}: flags start with --")
  return rest


def _parse(values: flags.FlagValues, arguments: Sequence[str]) -> list[str]:
  rest = values(arguments)
  if "config" in values:
    getattr(values["config"].value, "keys", None)  # where ml_collections reports a missing file
  return rest


def _plain(error: Exception) -> str:
  """What a library says, less its wrapping: messages shown as Python literals, and ml_collections'
  preamble.
  """
  typo = re.search(r'Did you mean "(.*?)" instead of "(.*?)"\?', str(error))
  if typo and "Other fields present" in str(error):  # which lists them with their values
    return f"unknown key {typo[2]!r}; did you mean {typo[1]!r}?"
  message = one_line(error).replace("\\n", " ").replace("\\'", "'")
  if message.startswith("''") and message.endswith("'"):
    message = f"unknown key {message[1:-1]}"
  return message.removeprefix(
    "Configuration is not available because of an earlier failure to load: "
  )


def _exit(error: Exception, code: int) -> None:
  print(f"error: {error}" if code == 2 else str(error), file=sys.stderr)
  sys.exit(code)
