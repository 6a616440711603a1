"""Train image classifiers that survive corrupted, shifted and hostile images, in JAX and Flax, and
score them.

The augmentations and metrics are plain functions, for use in any training code:

  amplitude_phase, recombine    the discrete Fourier transform in polar form, and back
  apr_p, apr_s                  Amplitude-Phase Recombination of a batch, and of single images
  spectrum, filters             bands of the spectrum of images, and of convolution filters
  corruptions.corrupt           the common corruptions of CIFAR-C and ImageNet-C
  metrics                       accuracy, corruption errors, calibration, out-of-distribution
                                detection
  load_classifier               a trained or imported network as a function of images
  FromFunction                  any function of images, to be evaluated as those are
  evaluate                      scores of a classifier, and a report

Importing this package imports neither Flax nor TensorFlow.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from apr_jax import augment, corruptions, filters, metrics, spectrum
from apr_jax.augment import apr_p, apr_s
from apr_jax.spectrum import amplitude_phase, recombine
from apr_jax.version import __version__

if TYPE_CHECKING:
  from apr_jax.classifiers.of_function import FromFunction
  from apr_jax.classifiers.of_run import LoadedClassifier

__all__ = [
  "FromFunction",
  "__version__",
  "amplitude_phase",
  "apr_p",
  "apr_s",
  "augment",
  "corruptions",
  "evaluate",
  "filters",
  "load_classifier",
  "metrics",
  "recombine",
  "spectrum",
]


def load_classifier(workdir: str | pathlib.Path, *, average: bool = False) -> "LoadedClassifier":
  """A trained or imported network as a function of images:
  `clf = load_classifier("runs/demo/apr_sp")`.

  Args:
    workdir: folder of the run, written by train.py, or of an import, by apr_jax.import_torch.
    average: take the moving average of the weights, of a run that keeps one
      (`optimizer.average_decay`).

  Returns:
    an object with `logits(images)`, uint8 `[N, H, W, 3]` → float32 `[N, K]`;
    `predict_proba(images)` → probabilities; `grad_cam(images)` → where the predicted class is seen;
    `jax_logits`, a differentiable JAX function of float images `[B, H, W, 3]` in [0, 1]; and
    `num_classes`, K.

  Raises:
    apr_jax.errors.UserError: the workdir holds no network, or no readable checkpoint.

  Examples:
    >>> classifier = apr_jax.load_classifier("runs/demo/apr_sp")
    >>> classifier.logits(np.zeros((3, 32, 32, 3), np.uint8)).shape
    (3, 10)
  """
  # brings Flax and Orbax, which the augmentations do not need
  from apr_jax.classifiers import of_run

  return of_run.LoadedClassifier(workdir, average=average)


def evaluate(
  classifier: Any,
  data: str | None = None,
  *,
  out: str | pathlib.Path,
  data_dir: str | pathlib.Path | None = None,
  suites: Sequence[str] | Mapping[str, Any] | None = None,
  limit: int = 0,
  resize: int | None = None,
  download: bool | None = None,
  corruptions: str = "auto",
  ood_sets: Sequence[str] | None = None,
  report: bool = True,
  quiet: bool = False,
) -> dict[str, Any]:
  """Scores a classifier, and writes `OUT/results.json` and `OUT/report.html`.

      resnet = apr_jax.FromFunction(logits, 10, (32, 32), name="my resnet")
      results = apr_jax.evaluate(
        resnet, "cifar10", data_dir=DIR, suites=("clean", "corruptions"), out="runs/mine"
      )
      results["corruptions"]["mean_error"]    # in percent

  Each part that is finished is on disk at once: an interrupted evaluation with the same arguments
  goes on where it stopped.

  Args:
    classifier: of `load_classifier` or `FromFunction`, or any object of
      `apr_jax.classifiers.interface.Classifier`.
    data: name of the data set to evaluate on, see `apr_jax.data.load`; default: that of the
      training.
    out: folder of the results.
    data_dir: where data sets and published corruptions lie; default: as in training.
    suites: names of `apr_jax.evaluation.suites.SUITES`, or {name: evaluator}; default: its
      `DEFAULT_SUITES`, which are clean, corruptions, calibration and ood.
    limit: evaluate on the first so many images of each set; 0 = all.
    resize: pixels of the short side before the central square is cut out, such as ImageNet's 256
      for 224; 0: as many as the classifier takes; default: as in training.
    download: whether TFDS downloads what is not prepared; default: as in training.
    corruptions: where corrupted images come from: "published", "tfds" or "regenerated"; "auto" =
      the first that is there.
    ood_sets: names of out-of-distribution sets, or of a protocol, "apr" or "openood"; default: as
      in training.
    report: whether to write the report.
    quiet: show no progress.

  Returns:
    what `results.json` holds: {suite: summary}, errors in percent, and "meta", what they depend on.

  Raises:
    apr_jax.errors.UserError: something that was given cannot be used.

  Examples:
    >>> def seven(images):  # an answer that never changes
    ...   return np.eye(10)[np.full(len(images), 7)]
    >>> classifier = apr_jax.FromFunction(seven, 10, (32, 32), name="seven")
    >>> results = apr_jax.evaluate(
    ...   classifier, "digits", suites=("clean",), out="runs/seven", report=False, quiet=True
    ... )
    >>> results["clean"]  # 36 of the 360 test digits are a seven
    {'accuracy': 10.0, 'error': 90.0, 'examples': 360}
  """
  # brings Flax and the report, which the augmentations do not need
  from apr_jax.evaluation import runner
  from apr_jax.evaluation.settings import Settings
  from apr_jax.evaluation.suites import DEFAULT_SUITES
  from apr_jax.report.write import write_report

  settings = Settings.of(
    classifier,
    data=data,
    data_dir=data_dir,
    limit=limit,
    resize=resize,
    download=download,
    corruption_source=corruptions,
    ood_sets=ood_sets,
  )
  chosen = DEFAULT_SUITES if suites is None else suites
  evaluation = runner.evaluate(classifier, settings, chosen, out, quiet=quiet)
  if report:
    write_report(evaluation)
  return evaluation.results


def __getattr__(name: str) -> Any:
  """What is imported when it is first asked for."""
  if name == "FromFunction":
    from apr_jax.classifiers.of_function import FromFunction

    return FromFunction
  raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
  return sorted(globals().keys() | set(__all__))
