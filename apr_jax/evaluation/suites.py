"""The evaluators by name."""

from collections.abc import Mapping, Sequence

from apr_jax.corruptions import EXTRA_CORRUPTIONS
from apr_jax.errors import UserError, lookup
from apr_jax.evaluation.calibration import Calibration
from apr_jax.evaluation.clean import Clean
from apr_jax.evaluation.corruptions import Corruptions
from apr_jax.evaluation.evaluator import Evaluator, options
from apr_jax.evaluation.fourier import Fourier
from apr_jax.evaluation.ood import Ood
from apr_jax.evaluation.robustness import Robustness
from apr_jax.evaluation.swap import Swap

SUITES: Mapping[str, Evaluator] = {
  "clean": Clean(),
  "corruptions": Corruptions(),
  "extra_corruptions": Corruptions(EXTRA_CORRUPTIONS, title="extra corruptions"),
  "calibration": Calibration(),
  "ood": Ood(),
  "fourier": Fourier(),
  "swap": Swap(),
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
