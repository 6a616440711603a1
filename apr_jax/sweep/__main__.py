"""Trains and evaluates many runs one after the other, and keeps a table of them beside the
published numbers:

    python -m apr_jax.sweep --configs 'configs/cifar10_*.py' --models allconv,wide_resnet_40_2 \\
        --seeds 0,1,2 --workdir runs/cifar10 --data_dir DIR --set checkpoint.keep=1

Each configuration × network × seed is a run in WORKDIR/CONFIG-NETWORK-sSEED, as `train.py` and
`evaluate.py` make it, in a process of its own; its output is in log.txt there. WORKDIR/table.md and
WORKDIR/table.csv are rewritten after every run. The same command goes on where an earlier one
stopped: finished runs are skipped, interrupted ones continue from their checkpoint, failed ones are
tried again. The exit code is 1 if a run failed.
"""

import sys

from absl import flags

from apr_jax import cli, files
from apr_jax.errors import UserError, lookup
from apr_jax.evaluation.suites import DEFAULT_SUITES, SUITES
from apr_jax.report.table import FAILED
from apr_jax.sweep.plan import make_plan
from apr_jax.sweep.run_all import TABLE, run_all

FLAGS = flags.FlagValues()
_CONFIGS = flags.DEFINE_list(
  "configs", None, "Configuration files; quote * and ?.", flag_values=FLAGS, required=True
)
_MODELS = flags.DEFINE_list(
  "models", [], "Names of networks; default: each configuration's own.", flag_values=FLAGS
)
_SEEDS = flags.DEFINE_list("seeds", ["0"], "Whole numbers.", flag_values=FLAGS)
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Folder of the sweep.", flag_values=FLAGS, required=True
)
_SUITES = flags.DEFINE_list(
  "suites",
  list(DEFAULT_SUITES),
  f"What to evaluate, of {', '.join(SUITES)}.",
  flag_values=FLAGS,
)
_DATA_DIR = flags.DEFINE_string(
  "data_dir", None, "Where data sets and published corruptions lie.", flag_values=FLAGS
)
_SET = flags.DEFINE_multi_string(
  "set", [], "KEY=VALUE for all configurations; may be given several times.", flag_values=FLAGS
)
_DRY_RUN = flags.DEFINE_bool(
  "dry_run", False, "Say what would run, and do nothing.", flag_values=FLAGS
)


def main() -> None:
  for suite in _SUITES.value:
    lookup(SUITES, suite, "suite")
  if not _SUITES.value:
    raise UserError(f"no suites are named; give --suites, of {', '.join(SUITES)}")
  data_dir = [] if _DATA_DIR.value is None else [f"data.data_dir={_DATA_DIR.value}"]
  runs = make_plan(
    _CONFIGS.value, _MODELS.value, _SEEDS.value, [*_SET.value, *data_dir], _WORKDIR.value
  )
  if _DRY_RUN.value:
    for run in runs:
      state = "is finished" if run.finished(_SUITES.value) else "to run"
      print(f"{run.folder}: {state}" + (f" ({run.changes})" if run.changes else ""))
    return
  entries = run_all(runs, _SUITES.value, files.path(_WORKDIR.value))
  failed = sum(entry.state == FAILED for entry in entries)
  print(
    f"{len(entries) - failed} of {len(entries)} runs are finished; "
    f"the table is in {_WORKDIR.value}/{TABLE}"
  )
  if failed:
    print(f"{failed} failed; the same command tries them again", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
  cli.run(main, FLAGS)
