"""What the studies of trained networks share: named variants of one configuration, each trained
with several seeds and scored by the same suites.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.evaluation.clean import Clean
from apr_jax.evaluation.corruptions import Corruptions
from apr_jax.evaluation.evaluator import Evaluator
from apr_jax.evaluation.fourier import Fourier
from apr_jax.evaluation.suites import SUITES
from apr_jax.report import html, plots
from apr_jax.settings import above, at_least, numbers, setting
from apr_jax.studies import trained
from apr_jax.studies.study import Part, Request, Study

TITLES: Mapping[str, str] = {
  "clean": "clean error %",
  "corrupted": "mean corruption error %",
  "noise": "noise %",
  "blur": "blur %",
  "weather": "weather %",
  "digital": "digital %",
  "ood": "OOD AUROC %",
  "fourier_low": "error at low frequencies %",
  "fourier_middle": "at middle %",
  "fourier_high": "at high %",
  "share_low": "filters' power low %",
  "share_middle": "middle %",
  "share_high": "high %",
  "gain_low": "learnt gain low",
  "gain_middle": "gain middle",
  "gain_high": "gain high",
}
"""{score: title of its column}; see `trained.headline`."""


@dataclasses.dataclass(frozen=True)
class Grid(Study):
  """A study of variants; a subclass names them in `variants`."""

  seeds: tuple[int, ...] = setting(
    (0, 1, 2), "of the trainings", numbers("whole numbers", holds=lambda seeds: len(seeds) > 0)
  )
  severities: tuple[int, ...] = setting(
    (1, 2, 3, 4, 5),
    "of the corruptions",
    numbers("severities in 1..5", holds=lambda given: given and set(given) <= {1, 2, 3, 4, 5}),
  )
  frequency_images: int = setting(1000, "test images of the Fourier heat map", above(0))
  limit: int = setting(0, "test images of each set; 0 = all", at_least(0))

  takes: ClassVar[frozenset[str]] = frozenset({"data_dir", "config", "changes"})
  quick: ClassVar[Mapping[str, Any]] = {
    "seeds": (0,),
    "severities": (3,),
    "frequency_images": 60,
  }
  full_recipe: ClassVar[trained.Recipe] = trained.FULL
  quick_recipe: ClassVar[trained.Recipe] = trained.QUICK

  def variants(self) -> Mapping[str, Mapping[str, Any]]:
    """{name: what it changes in the configuration}, the first is what others are compared with."""
    raise NotImplementedError

  def suites(self) -> Mapping[str, Evaluator]:
    """What each network is scored by."""
    return {
      "clean": Clean(),
      "corruptions": Corruptions(severities=self.severities),
      "fourier": Fourier(examples=self.frequency_images),
      "filters": SUITES["filters"],
    }

  def base(self, request: Request) -> Any:
    """The configuration of the variants."""
    return trained.base_config(request, self.full_recipe, self.quick_recipe)

  def conditions(self, request: Request) -> Mapping[str, Any]:
    """The common configuration, and what each variant changes."""
    base = self.base(request)
    for changes in self.variants().values():
      trained.changed(base, changes)
    return {
      "config": trained.identity(base),
      "variants": {name: dict(changes) for name, changes in self.variants().items()},
    }

  def parts(self, request: Request) -> Iterator[Part]:
    """One per variant and seed, "NAME/seed0"."""
    base = self.base(request)
    for name, changes in self.variants().items():
      for seed in self.seeds:
        config = trained.changed(base, {**changes, "seed": seed, "name": name})
        part = f"{name}/seed{seed}"
        yield part, functools.partial(self.train_and_score, config, request, part)

  def train_and_score(self, config: Any, request: Request, part: str) -> dict[str, Any]:
    """The scores of one network, in percent."""
    folder = trained.train(config, request, part)
    classifier = LoadedClassifier(folder)
    results = trained.score(classifier, self.suites(), folder / "eval", self.limit)
    return trained.headline(results) | self.extra(classifier, results)

  def extra(self, classifier: LoadedClassifier, results: Mapping[str, Any]) -> dict[str, Any]:
    """More numbers of a network."""
    del classifier
    shares = results["filters"]["mean_shares"] if "filters" in results else {}
    return {f"share_{band}": share for band, share in shares.items()}

  def averaged(self, results: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{variant: {score: "mean", "deviation" and "values" over the seeds}}."""
    by_variant: dict[str, list[Mapping[str, float]]] = {}
    for part, scores in results.items():
      by_variant.setdefault(part.rpartition("/")[0], []).append(scores)
    return {
      name: {
        score: trained.mean_and_spread([scores[score] for scores in all_scores])
        for score in all_scores[0]
      }
      for name, all_scores in by_variant.items()
    }

  def figure(self, summary: Mapping[str, Any]) -> Any:
    """Bars: the errors of every variant, with the spread over the seeds."""
    networks = summary["networks"]
    shown = ["clean", "corrupted", *trained.CATEGORIES]
    figure, frames = plots.frames(1, 1, 7.2, 0.9 + 0.16 * len(networks) * len(shown))
    axes, height = frames[0][0], 0.8 / len(networks)
    for index, (name, scores) in enumerate(networks.items()):
      places = [row + (index - (len(networks) - 1) / 2) * height for row in range(len(shown))]
      axes.barh(
        places,
        [scores[score]["mean"] for score in shown],
        height,
        xerr=[scores[score]["deviation"] or 0 for score in shown]
        if any(scores[score]["deviation"] for score in shown)
        else None,
        label=name.replace("_", " "),
        facecolor=plots.COLOURS[index % len(plots.COLOURS)],
        edgecolor="white",
        linewidth=0.5,
        hatch=plots.HATCHES[index % len(plots.HATCHES)],
      )
    axes.set_yticks(range(len(shown)), [TITLES[score].removesuffix(" %") for score in shown])
    axes.invert_yaxis()
    axes.set(xlabel="error (%)", xlim=(0, None))
    axes.grid(color="#dddddd", linewidth=0.6, axis="x")
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper left", ncols=4, fontsize=8)
    return figure

  def blocks(self, summary: Mapping[str, Any]) -> list[str]:
    """All scores of all variants."""
    networks = summary["networks"]
    scores = [score for score in TITLES if any(score in found for found in networks.values())]
    rows: list[list[str | float | None]] = [
      [name, *(found[score]["mean"] if score in found else None for score in scores)]
      for name, found in networks.items()
    ]
    seeds = len(next(iter(networks.values()))[scores[0]]["values"])
    caption = f"Means over {seeds} seed{'s' if seeds > 1 else ''}; errors in percent."
    return [html.table(["network", *(TITLES[score] for score in scores)], rows, caption)]
