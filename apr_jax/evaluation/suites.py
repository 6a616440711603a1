"""The evaluators by name."""

from collections.abc import Mapping, Sequence

from apr_jax.corruptions import EXTRA_CORRUPTIONS
from apr_jax.errors import UserError, lookup
from apr_jax.evaluation.calibration import Calibration
from apr_jax.evaluation.clean import Clean
from apr_jax.evaluation.corruptions import Corruptions
from apr_jax.evaluation.evaluator import Evaluator, options
from apr_jax.evaluation.filters import Filters
from apr_jax.evaluation.fourier import Fourier
from apr_jax.evaluation.ood import Ood
from apr_jax.evaluation.ood_scores import SCORES
from apr_jax.evaluation.robustness import Robustness
from apr_jax.evaluation.shifts import Shifts
from apr_jax.evaluation.swap import Swap
from apr_jax.settings import from_text

SUITES: Mapping[str, Evaluator] = {
  "clean": Clean(),
  "corruptions": Corruptions(),
  "extra_corruptions": Corruptions(EXTRA_CORRUPTIONS, title="extra corruptions"),
  "shifts": Shifts(),
  "calibration": Calibration(),
  "ood": Ood(),
  "ood_scores": Ood(tuple(SCORES), title="OOD AUROC, all scores"),
  "full_spectrum_ood": Ood(
    tuple(SCORES), True, title="full-spectrum AUROC", headline="full_spectrum_auroc"
  ),
  "fourier": Fourier(),
  "swap": Swap(),
  "filters": Filters(),
  "pgd": Robustness(attacks=("pgd",), title="PGD accuracy", score="pgd_accuracy"),
  "autoattack": Robustness(),
}

# calibration looks at the sets of corruptions
DEFAULT_SUITES = ("clean", "corruptions", "calibration", "ood")

Suites = Sequence[str] | Mapping[str, Evaluator]
"""Names of `SUITES`, or evaluators of one's own: {name: evaluator}."""


def choose(suites: Suites) -> dict[str, Evaluator]:
  """{name: evaluator}.

  Raises:
    UserError: none is named, a name is unknown, or what stands under a name is no evaluator, or one
      of another class than in `SUITES`.
  """
  if not suites:
    raise UserError(f"no suites are named; give --suites, of {', '.join(SUITES)}")
  if isinstance(suites, str):
    raise UserError(f"suites are several names, ({suites!r},), got {suites!r}")
  if isinstance(suites, Mapping):
    for name, evaluator in suites.items():
      if name == "meta":
        raise UserError("no suite can be called meta: that is what the results depend on")
      options(evaluator)
      if name in SUITES and type(evaluator) is not type(SUITES[name]):
        raise UserError(
          f"the suite {name} is one of {type(SUITES[name]).__name__}, got {evaluator!r}; give it "
          f"another name"
        )
    return dict(suites)
  return {name: lookup(SUITES, name, "suite") for name in suites}


def configure(suites: Mapping[str, Evaluator], settings: Sequence[str]) -> dict[str, Evaluator]:
  """The evaluators with other options.

  Args:
    suites: {name: evaluator}.
    settings: "SUITE.OPTION=VALUE" each, such as "autoattack.images=500"; the value as Python writes
      it, or a plain text.

  Raises:
    UserError: the suite is not among them, it has no such option, or the value is of another type.
  """
  configured = dict(suites)
  for setting in settings:
    place, equals, text = setting.partition("=")
    suite, dot, option = place.partition(".")
    if not (equals and dot):
      raise UserError(
        f"an option is SUITE.OPTION=VALUE, such as fourier.examples=100; got {setting!r}"
      )
    evaluator = lookup(configured, suite, "suite among those that are evaluated")
    now = {key: value for key, value in vars(evaluator).items() if key in options(evaluator)}
    default = lookup(now, option, f"option of the suite {suite}")
    configured[suite] = type(evaluator)(**now | {option: from_text(text, default, place)})
  return configured
