"""Trains a network: `python train.py --config configs/cifar10_apr_sp.py --workdir DIR
[--config.a.b=value ...]`.

The same command continues an interrupted run, and says so when nothing is left to do.
"""

from absl import flags
from ml_collections import config_flags

from apr_jax import cli, parallel
from apr_jax.training import loop

_CONFIG = config_flags.DEFINE_config_file(
  "config", None, "A file of configs/; override with --config.key=value."
)
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Folder of the run; default: runs/<name of the config file>."
)
_COORDINATOR = flags.DEFINE_string(
  "coordinator",
  "",
  "For a run of several processes: 'auto' on Cloud TPU pods and Slurm, else host:port.",
)
_NUM_PROCESSES = flags.DEFINE_integer(
  "num_processes", 1, "Number of processes; unused with --coordinator=auto."
)
_PROCESS_ID = flags.DEFINE_integer("process_id", 0, "This process; unused with --coordinator=auto.")
flags.mark_flag_as_required("config")


def main() -> None:
  if _COORDINATOR.value or _NUM_PROCESSES.value > 1 or _PROCESS_ID.value:
    parallel.initialise_processes(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
  file = config_flags.get_config_filename(flags.FLAGS["config"])
  loop.train(cli.named(_CONFIG.value, file), _WORKDIR.value or cli.default_workdir(file))


if __name__ == "__main__":
  cli.run(main)
