"""The headline scores of one evaluation, and the published numbers they are measured against."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from apr_jax import files
from apr_jax.errors import UserError, one_line
from apr_jax.evaluation import provenance
from apr_jax.evaluation.corruptions import Corruptions
from apr_jax.evaluation.evaluator import Headline, options
from apr_jax.evaluation.ood import Ood, scored_sets
from apr_jax.evaluation.runner import RESULTS
from apr_jax.evaluation.suites import SUITES
from apr_jax.published import OOD_SETS, Figure, data_set, other_recipe, published, test_images
from apr_jax.run.configuration import is_bookkeeping
from apr_jax.settings import flatten


@dataclasses.dataclass(frozen=True)
class Metric:
  """A score that tables show, in percent.

  Attributes:
    suite: in whose summary it stands.
    headline: its title, and how it is read.
  """

  suite: str
  headline: Headline

  @property
  def title(self) -> str:
    return self.headline.title

  def read(self, results: Mapping[str, Any]) -> float | None:
    """The score in `results.json`; None if it was not evaluated, or is not defined there."""
    try:
      return self.headline.read(results[self.suite])
    except KeyError:
      return None


def all_metrics() -> dict[str, Metric]:
  """{name of the score, as in `apr_jax.published`: the score}, of all suites in their order."""
  return {
    name: Metric(suite, headline)
    for suite, evaluator in SUITES.items()
    for name, headline in evaluator.headlines.items()
  }


NOTHING = "–"
"""What a table says of a run that lacks something."""

# Keys of a configuration that a table shows apart.
_APART = ("seed", "model.name", "evaluation.")
# from the data set, when the training starts
_FILLED_IN = ("model.num_classes", "model.image_size")


@dataclasses.dataclass(frozen=True)
class Scores:
  """What an evaluation wrote.

  Attributes:
    folder: of the run, or of the results.
    results: results.json, whose "meta" says what was evaluated, when and with what.
  """

  folder: pathlib.Path
  results: dict[str, Any]

  @property
  def config(self) -> dict[str, Any] | None:
    """The run's resolved configuration; None of a classifier that was not trained here."""
    return self.results["meta"].get("config")

  @property
  def title(self) -> str:
    """The name of the classifier."""
    return self.results["meta"]["classifier"]["name"]

  @property
  def experiment(self) -> str:
    """The name of the configuration file; "" of a classifier that was not trained here."""
    return self.config["name"] if self.config else ""

  @property
  def network(self) -> str:
    """The name in the zoo; a dash for a classifier that was not trained here."""
    return self.config["model"]["name"] if self.config else NOTHING

  @property
  def seed(self) -> int | None:
    """Of the training, if it was trained here."""
    return self.config["seed"] if self.config else None

  @property
  def data_name(self) -> str:
    """The data set it was evaluated on."""
    return self.results["meta"]["settings"]["data"]

  @property
  def corruption_source(self) -> str | None:
    """One of "published", "tfds" and "regenerated"; None if corruptions were not scored."""
    return self.results.get("corruptions", {}).get("source")

  @property
  def ood_sets(self) -> tuple[str, ...]:
    """Names of the out-of-distribution sets that were scored, of the first such suite."""
    return next(filter(None, map(self._ood_sets, SUITES)), ())

  def _ood_sets(self, suite: str) -> tuple[str, ...]:
    """Those of a suite; none of one that has no such sets."""
    found = scored_sets(self.results.get(suite, {})) if isinstance(SUITES[suite], Ood) else {}
    return tuple(found)

  @property
  def limit(self) -> str | None:
    """What was scored, where that is less than all: "the first 100 of each set", or "1,000 test
    images" where the data set has more. Else None.
    """
    examples = self.results["meta"]["examples"]
    if examples != "all":
      return examples
    whole = test_images(self.data_name)
    scored = {
      self.results.get(suite, {}).get("examples", whole) for suite in ("clean", "corruptions")
    } - {whole}
    return f"{max(scored):,} test images" if whole and scored else None

  def value(self, metric: str) -> float | None:
    """A score of `all_metrics`; None if it was not evaluated or is not defined on this data set."""
    return all_metrics()[metric].read(self.results)

  def published(self, metric: str) -> Figure | None:
    """The published number of the same score: of the same data set, and for OOD on the same
    sets.
    """
    name, network = self.experiment, self.network
    if self.data_name != data_set(name):
      return None
    if metric != "ood_auroc":
      return published(name, network, metric)
    sets = [_plain_set(path) for path in self.ood_sets]
    if set(sets) == set(OOD_SETS):
      return published(name, network, metric)
    found = [published(name, network, f"{metric}/{each}") for each in sets]
    figures = [figure for figure in found if figure is not None]
    if not figures or len(figures) < len(found):
      return None
    return Figure(sum(figure.value for figure in figures) / len(figures), figures[0].source)

  def images(self, metric: str) -> tuple:
    """Of which images the score is, and how it was taken; scores of different ones have no mean."""
    suite = all_metrics()[metric].suite
    about = (self.limit, repr(self.results["meta"]["suites"].get(suite)))
    if isinstance(SUITES[suite], Corruptions):
      return *about, self.results[suite].get("source")
    return *about, tuple(sorted(self._ood_sets(suite)))

  def not_comparable(self, metric: str) -> str | None:
    """Why the score must not be held against the published number, or None."""
    if self.limit:
      return self.limit
    if self.results["meta"]["classifier"].get("ensemble"):
      return "an ensemble of rotations"
    suite = all_metrics()[metric].suite
    usual = options(SUITES[suite])
    # An option that is younger than the results, or only adds scores, changes none.
    stored = self.results["meta"]["suites"].get(suite, {})
    if any(
      stored.get(name, usual[name]) != usual[name] for name in usual.keys() - SUITES[suite].beside
    ):
      return f"other options of the suite {suite}"
    if metric in ("mean_error", "mce") and self.corruption_source == "regenerated":
      return "regenerated corruptions"
    return other_recipe(self.experiment) if self.published(metric) else None


def read_scores(folder: str | pathlib.Path) -> Scores:
  """The results of an evaluation.

  Args:
    folder: of the run, or the folder that the evaluation wrote into.

  Raises:
    UserError: there are no results, or they cannot be read.
  """
  folder = files.path(folder)
  paths = [path for path in (folder / "eval" / RESULTS, folder / RESULTS) if path.is_file()]
  if not paths:
    raise UserError(
      f"{folder} holds no results: there is no {folder / 'eval' / RESULTS}; run evaluate.py "
      f"--workdir {folder} first"
    )
  try:
    results = files.read_json(paths[0])
    scores = Scores(folder, results)
    _ = (
      scores.title,
      scores.experiment,
      scores.network,
      scores.seed,
      scores.limit,
      results["meta"]["suites"],
    )
    if not provenance.is_sealed(results):
      raise ValueError("it is not what the evaluation wrote")
  except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
    raise UserError(
      f"{paths[0]} cannot be read as the results of an evaluation: {one_line(repr(error))}; "
      f"run evaluate.py --workdir {folder} again"
    ) from error
  return scores


def deviations(
  config: Mapping[str, Any], original: Mapping[str, Any], apart: tuple[str, ...] = _APART
) -> str:
  """What a configuration changes in another, "epochs=1, data.limit=256"; "" for nothing. Keys that
  are bookkeeping do not count.

  Args:
    config: nested; resolved or not.
    original: nested, such as that of the configuration file.
    apart: beginnings of other keys that are passed over.
  """
  changed, base = _flat(config), _flat(original)
  filled_in = {key for key in _FILLED_IN if not any(_as_tuple(base.get(key, 0)))}
  return ", ".join(
    f"{key}={value}"
    for key, value in changed.items()
    if key in base
    and value != base[key]
    and key not in filled_in
    and not key.startswith(apart)
    and not is_bookkeeping(key, changed["data.name"])
  )


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
  """Dotted keys; lists as tuples, which is what they were before JSON."""
  return {
    key: tuple(value) if isinstance(value, list) else value
    for key, value in flatten(dict(config)).items()
  }


def _as_tuple(value: Any) -> tuple:
  return value if isinstance(value, tuple) else (value,)


def _plain_set(name: str) -> str:
  """The name in `OOD_SETS` of a set given by name, as TFDS calls it, or as
  "images:PATH/LSUN_fix.npz".
  """
  plain = (
    name.rpartition(":")[2]
    .rstrip("/")
    .rpartition("/")[2]
    .lower()
    .removesuffix(".npz")
    .removesuffix(".npy")
  )
  return "svhn" if plain == "svhn_cropped" else plain
