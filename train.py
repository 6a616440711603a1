"""Trains a network:

    python train.py --config configs/cifar10_apr_sp.py --workdir DIR [--config.KEY=VALUE ...]

The same command continues an interrupted run, and says so when nothing is left to do.
"""

from absl import flags
from ml_collections import config_flags

from apr_jax import cli, config_files, parallel
from apr_jax.training import loop

FLAGS = flags.FlagValues()

_CONFIG = config_flags.DEFINE_config_file(
  "config", None, "A file of configs/; override with --config.key=value.", flag_values=FLAGS
)
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Folder of the run; default: runs/<name of the config file>.", flag_values=FLAGS
)
_COORDINATOR = flags.DEFINE_string(
  "coordinator",
  "",
  "For a run of several processes: 'auto' on Cloud TPU pods and Slurm, else host:port.",
  flag_values=FLAGS,
)
_NUM_PROCESSES = flags.DEFINE_integer(
  "num_processes", 1, "Number of processes; unused with --coordinator=auto.", flag_values=FLAGS
)
_PROCESS_ID = flags.DEFINE_integer(
  "process_id", 0, "This process; unused with --coordinator=auto.", flag_values=FLAGS
)
flags.mark_flag_as_required("config", flag_values=FLAGS)


_GROUPS = {
  "What is trained": ("config", "workdir"),
  "Several processes": ("coordinator", "num_processes", "process_id"),
}


def main() -> None:
  if _COORDINATOR.value or _NUM_PROCESSES.value > 1 or _PROCESS_ID.value:
    parallel.initialise_processes(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
  file = config_flags.get_config_filename(FLAGS["config"])
  loop.train(
    config_files.named(_CONFIG.value, file), _WORKDIR.value or config_files.default_workdir(file)
  )


if __name__ == "__main__":
  cli.run(main, FLAGS, groups=_GROUPS, more_help=config_files.about)
