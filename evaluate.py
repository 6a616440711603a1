"""Scores a classifier, of a run or an import:

    python evaluate.py --workdir DIR [--suites clean,corruptions,ood] [--data_dir DIR]

and any function:

    python evaluate.py --classifier FILE.py:FUNCTION --data cifar10 --data_dir DIR --out DIR

where FUNCTION() returns a classifier, such as `apr_jax.FromFunction` makes. Of a run the folder is
enough, for training stored its configuration there. Writes `results.json` and `report.html`; of a
run that keeps a moving average of its weights, also those of the average, into a folder beside it.
Several processes share the work, each on its own devices, with the flags of `train.py`:
--coordinator auto, or --coordinator HOST:PORT --num_processes N --process_id I.
"""

import pathlib
from collections.abc import Iterable
from typing import Any

from absl import flags

from apr_jax import cli, companions, files
from apr_jax.classifiers.interface import Classifier
from apr_jax.errors import UserError
from apr_jax.evaluation import ood_protocols, runner, settings, suites
from apr_jax.evaluation.evaluator import Evaluator
from apr_jax.report.write import REPORT, write_report

FLAGS = flags.FlagValues()

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", flag_values=FLAGS)
_CLASSIFIER = flags.DEFINE_string(
  "classifier",
  None,
  "FILE.py:FUNCTION, a function that returns a classifier; in place of --workdir.",
  flag_values=FLAGS,
)
_DATA = flags.DEFINE_string(
  "data", None, "Data set to evaluate on; default: that of the training.", flag_values=FLAGS
)
_SUITES = flags.DEFINE_list(
  "suites",
  list(suites.DEFAULT_SUITES),
  f"What to evaluate, of {', '.join(suites.SUITES)}.",
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
  "Evaluate on the first so many images of each set, which in class folders and ImageNet-C are of "
  "the first classes; 0 = all.",
  flag_values=FLAGS,
)
_RESIZE = flags.DEFINE_integer(
  "resize",
  None,
  "Pixels of the short side before the central square is cut out, such as ImageNet's 256 for 224; "
  "default: as in training.",
  lower_bound=0,
  flag_values=FLAGS,
)
_DOWNLOAD = flags.DEFINE_bool(
  "download",
  None,
  "Whether TFDS downloads what is not prepared; default: as in training.",
  flag_values=FLAGS,
)
_OUT = flags.DEFINE_string(
  "out", None, "Folder of the results; default: WORKDIR/eval.", flag_values=FLAGS
)
_AVERAGE = flags.DEFINE_bool(
  "average",
  None,
  "Of a run that keeps a moving average of its weights: score that alone, or with --noaverage the "
  "weights alone; default: both, the average into the folder OUT-average beside the other; of "
  "several processes: the weights alone.",
  flag_values=FLAGS,
)
_ENSEMBLE = flags.DEFINE_bool(
  "ensemble",
  False,
  "Of a run with augment.csi: score the mean over each image's four rotations, CSI's ensemble, "
  "into the folder OUT-ensemble.",
  flag_values=FLAGS,
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
_OPTIONS = flags.DEFINE_multi_string(
  "option",
  [],
  "SUITE.OPTION=VALUE, such as autoattack.images=500; may be given several times. The options of a "
  "suite are the fields of its evaluator.",
  flag_values=FLAGS,
)
_SAVE_ADVERSARIAL = flags.DEFINE_bool(
  "save_adversarial",
  False,
  "Also write adversarial.npz, the images that the suite autoattack, or else pgd, has made.",
  flag_values=FLAGS,
)
_REPORT = flags.DEFINE_bool(
  "report",
  True,
  "Also write report.html, a page with plots and pictures; --noreport leaves an earlier one "
  "as it is.",
  flag_values=FLAGS,
)
_PROCESSES = cli.define_processes(FLAGS)


_GROUPS = {
  "What is scored": ("workdir", "classifier", "average", "ensemble", "data", "data_dir"),
  "How": ("suites", "limit", "corruptions", "ood_sets", "option"),
  "What is written": ("out", "report", "save_adversarial"),
  "How images are read": ("resize", "download", "batch_size"),
  "Several processes": ("coordinator", "num_processes", "process_id"),
}


def main() -> None:
  with companions.joined(*_PROCESSES(), saves_on_sigterm=False) as others:
    _evaluate(others)


def _evaluate(others: companions.Companions | None) -> None:
  given = {
    "data": _DATA.value,
    "data_dir": _DATA_DIR.value,
    "limit": _LIMIT.value,
    "resize": _RESIZE.value,
    "download": _DOWNLOAD.value,
    "corruption_source": _CORRUPTIONS.value,
    "ood_sets": _OOD_SETS.value,
  }
  # What is wrong with the flags is said before the seconds that loading takes.
  chosen = suites.configure(suites.choose(_SUITES.value), _OPTIONS.value)
  if _SAVE_ADVERSARIAL.value:
    chosen = suites.configure(chosen, [f"{_attack_among(chosen)}.save_adversarial=True"])
  settings.check(limit=_LIMIT.value, corruption_source=_CORRUPTIONS.value)
  classifier = _load(average=bool(_AVERAGE.value))
  out = files.path(_OUT.value or files.path(_WORKDIR.value) / "eval")
  if _ENSEMBLE.value:
    out = out.with_name(f"{out.name}-ensemble")
  both = _AVERAGE.value is None and others is None and getattr(classifier, "keeps_average", False)
  _score(classifier, given, chosen, runner.beside(out) if _AVERAGE.value else out, others)
  if both:
    _score(_load(average=True), given, chosen, runner.beside(out), others)


def _score(
  classifier: Classifier,
  given: dict[str, Any],
  chosen: dict[str, Evaluator],
  out: pathlib.Path,
  others: companions.Companions | None,
) -> None:
  scored = settings.Settings.of(classifier, **given)
  if others is not None and others.index:
    runner.assist(classifier, scored, chosen, out, companions=others)
    return
  images = f"the first {scored.limit} images" if scored.limit else "all test images"
  print(
    f"scores {classifier.name} on {images} of {scored.data}: {', '.join(chosen)}; into {out}",
    flush=True,
  )
  evaluation = runner.evaluate(classifier, scored, chosen, out, companions=others)
  # Before the report is drawn, so that whatever happens to it the scores are seen.
  print("\n".join(evaluation.lines()), flush=True)
  report = evaluation.folder / REPORT
  if _REPORT.value:
    write_report(evaluation)
    print(f"report                 {report}")
  elif report.exists():
    print(f"report                 {report} is that of an earlier evaluation")


def _attack_among(chosen: Iterable[str]) -> str:
  """The suite whose images are saved.

  Raises:
    UserError: none of them attacks.
  """
  for name in ("autoattack", "pgd"):
    if name in chosen:
      return name
  raise UserError("--save_adversarial needs an attack: add autoattack or pgd to --suites")


def _load(average: bool) -> Classifier:
  """The classifier that the flags name; of a run with the average of its weights, if so wanted.

  Raises:
    UserError: it cannot be loaded, or a flag is missing or too much.
  """
  if (_WORKDIR.value is None) == (_CLASSIFIER.value is None):
    raise UserError(
      "give one of --workdir, the folder of a run, and --classifier, a function as FILE.py:FUNCTION"
    )
  if _WORKDIR.value is not None:
    from apr_jax.classifiers import of_run  # brings Orbax

    return of_run.LoadedClassifier(
      _WORKDIR.value,
      batch_size=_BATCH_SIZE.value,
      average=average,
      ensemble=_ENSEMBLE.value,
    )
  if _ENSEMBLE.value:
    raise UserError("--ensemble is for runs with augment.csi; leave it out with --classifier")
  if average:
    raise UserError("--average is for runs, which may keep a moving average of their weights")
  if _OUT.value is None:
    raise UserError("--classifier has no folder of its own: give --out, a folder for the results")
  if _BATCH_SIZE.value is not None:
    raise UserError(
      "--batch_size is for runs; with --classifier the function says how many images it takes"
    )
  from apr_jax.classifiers import from_file

  return from_file.load(_CLASSIFIER.value)


if __name__ == "__main__":
  cli.run(main, FLAGS, groups=_GROUPS)
