"""Trains a network:

    python train.py --config configs/cifar10_apr_sp.py --workdir DIR [--config.KEY=VALUE ...]

The same command continues an interrupted run, and says so when nothing is left to do.
"""

from absl import flags
from ml_collections import config_flags

from apr_jax import cli, companions, config_files
from apr_jax.training import loop

FLAGS = flags.FlagValues()

_CONFIG = config_flags.DEFINE_config_file(
  "config", None, "A file of configs/; override with --config.key=value.", flag_values=FLAGS
)
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Folder of the run; default: runs/<name of the config file>.", flag_values=FLAGS
)
_PROCESSES = cli.define_processes(FLAGS)
flags.mark_flag_as_required("config", flag_values=FLAGS)


_GROUPS = {
  "What is trained": ("config", "workdir"),
  "Several processes": ("coordinator", "num_processes", "process_id"),
}


def main() -> None:
  file = config_flags.get_config_filename(FLAGS["config"])
  config = config_files.named(_CONFIG.value, file)
  with companions.joined(*_PROCESSES(), saves_on_sigterm=True):
    loop.train(config, _WORKDIR.value or config_files.default_workdir(file))


if __name__ == "__main__":
  cli.run(main, FLAGS, groups=_GROUPS, more_help=config_files.about)
