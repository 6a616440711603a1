"""Scores a trained run: `python evaluate.py --workdir DIR [--suites
clean,corruptions,calibration,ood] [--data_dir D]`.

Needs only the workdir, where training stored its configuration, and the data to score on. Writes
`results.json` and `report.html`.
"""

import pathlib

from absl import flags

from apr_jax import cli, config_files
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.evaluation import ood_protocols, runner
from apr_jax.evaluation.suite import Task
from apr_jax.report.write import REPORT, write_report

FLAGS = flags.FlagValues()

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", flag_values=FLAGS)
_SUITES = flags.DEFINE_list(
  "suites",
  list(runner.DEFAULT_SUITES),
  f"What to evaluate, of {', '.join(runner.SUITES)}.",
  flag_values=FLAGS,
)
_DATA_DIR = flags.DEFINE_string(
  "data_dir",
  None,
  "Where data sets, or the published corruptions, lie; default: as in training.",
  flag_values=FLAGS,
)
_LIMIT = flags.DEFINE_integer(
  "limit",
  0,
  "Evaluate on the first so many images of each set, which in class folders and ImageNet-C are of the "
  "first classes; 0 = all.",
  flag_values=FLAGS,
)
_OUT = flags.DEFINE_string(
  "out", None, "Folder of the results; default: WORKDIR/eval.", flag_values=FLAGS
)
_CORRUPTIONS = flags.DEFINE_string(
  "corruptions",
  "auto",
  "Source of corrupted images: published, tfds, regenerated; auto = the first there is.",
  flag_values=FLAGS,
)
_OOD_SETS = flags.DEFINE_list(
  "ood_sets",
  None,
  "Out-of-distribution sets: data set names, images:PATH, or a protocol, of "
  f"{', '.join(ood_protocols.PROTOCOLS)}; default: the run's evaluation.ood_sets.",
  flag_values=FLAGS,
)
_BATCH_SIZE = flags.DEFINE_integer(
  "batch_size",
  None,
  "Images per call, which changes no result; default: the run's evaluation.batch_size.",
  lower_bound=1,
  flag_values=FLAGS,
)
_REPORT = flags.DEFINE_bool(
  "report",
  True,
  "Also write report.html, a page with plots and pictures; --noreport leaves an earlier one "
  "as it is.",
  flag_values=FLAGS,
)
flags.mark_flag_as_required("workdir", flag_values=FLAGS)


def main() -> None:
  runner.evaluate(
    _WORKDIR.value,
    suites=tuple(_SUITES.value),
    data_dir=_DATA_DIR.value,
    limit=_LIMIT.value,
    out=_OUT.value,
    corruption_source=_CORRUPTIONS.value,
    ood_sets=None if _OOD_SETS.value is None else tuple(_OOD_SETS.value),
    batch_size=_BATCH_SIZE.value,
    report=_finish,
  )


def _finish(
  folder: pathlib.Path,
  workdir: pathlib.Path,
  results: dict,
  classifier: LoadedClassifier,
  task: Task,
) -> None:
  """Prints the scores, and then draws the report, so that whatever happens to it the scores are
  seen.
  """
  print("\n".join(runner.summary_lines(results)), flush=True)
  if _REPORT.value:
    write_report(
      folder,
      workdir,
      results,
      classifier,
      task,
      config_files.original_config(classifier.config.get("name", "")),
    )
    print(f"report                 {folder / REPORT}")
  elif (folder / REPORT).exists():
    print(f"report                 {folder / REPORT} is that of an earlier evaluation")


if __name__ == "__main__":
  cli.run(main, FLAGS)
