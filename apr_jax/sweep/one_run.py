"""Trains and evaluates one run of a sweep; started by `apr_jax.sweep`, in a process of its own:

    python -m apr_jax.sweep.one_run --config FILE --set KEY=VALUE --workdir DIR --suites clean,ood

That is `train.py`, then `evaluate.py`, of the weights and, where one is kept, of their moving
average. Standard input is a pipe that the sweep holds open: at its
end the sweep has died, and this process saves its state and stops too.
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence

import ml_collections
from absl import flags

from apr_jax import cli, config_files, files
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.evaluation import runner
from apr_jax.evaluation.settings import Settings
from apr_jax.run import checkpoint
from apr_jax.sweep import plan
from apr_jax.training import loop

FLAGS = flags.FlagValues()
_CONFIG = flags.DEFINE_string(
  "config", None, "The configuration file.", flag_values=FLAGS, required=True
)
_SET = flags.DEFINE_multi_string("set", [], "KEY=VALUE.", flag_values=FLAGS)
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Folder of the run.", flag_values=FLAGS, required=True
)
_SUITES = flags.DEFINE_list("suites", None, "As for evaluate.py.", flag_values=FLAGS, required=True)


def complete(config: ml_collections.ConfigDict, workdir: str, suites: Sequence[str]) -> None:
  """Trains what is not trained, evaluates what is not evaluated, and marks the run as done.

  Args:
    config: of the run; where data lie and what is evaluated may differ from when it was trained.
    workdir: folder of the run.
    suites: names of `evaluation.suites.SUITES`.

  Raises:
    UserError: something the user gave cannot be used.
    Stopped: SIGTERM or SIGINT arrived in training.
  """
  loop.train(config, workdir)
  averaged = [False, True] if config.optimizer.average_decay else [False]
  for average in averaged:
    classifier = LoadedClassifier(workdir, batch_size=config.evaluation.batch_size, average=average)
    settings = Settings.of(classifier, ood_sets=config.evaluation.ood_sets)
    out = files.path(workdir) / "eval"
    evaluation = runner.evaluate(
      classifier, settings, suites, runner.beside(out) if average else out
    )
    print("\n".join(evaluation.lines()), flush=True)
  files.write_json(
    files.path(workdir) / plan.DONE,
    {"config": plan.json_config(config), "step": checkpoint.latest_step(workdir)},
  )


def main() -> None:
  threading.Thread(target=_stop_with_the_sweep, daemon=True).start()
  complete(config_files.load_config(_CONFIG.value, _SET.value), _WORKDIR.value, _SUITES.value)


def _stop_with_the_sweep() -> None:
  while os.read(sys.stdin.fileno(), 1):
    pass
  os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
  cli.run(main, FLAGS)
