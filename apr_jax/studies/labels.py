"""Figure 9 (Equation 7): a label for the phase and a label for the amplitude, weighed by λ.

APR-P alone, with two heads: `augment.two_labels`. Two curves over λ: "trained", one network per λ;
and "mixed", which costs one network: it is trained at `mixed_share`, and λ is varied in the
prediction alone. Logits are mixed, not probabilities; out-of-distribution scores are the largest
mixed logit.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487),
Equation 7 and Figure 9, which gives curves and no numbers, and no grid of λ.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.evaluation.evaluator import Evaluator
from apr_jax.evaluation.suites import SUITES
from apr_jax.report import html, plots
from apr_jax.settings import numbers, setting, share
from apr_jax.studies import trained
from apr_jax.studies.grid import TITLES, Grid
from apr_jax.studies.study import Part, Request

_SHARES = tuple(round(0.1 * tenth, 1) for tenth in range(11))
_SCORES = ("clean", "corrupted", "ood")


@dataclasses.dataclass(frozen=True)
class TwoLabelCurves(Grid):
  """Accuracy, corruptions and out-of-distribution detection over λ."""

  shares: tuple[float, ...] = setting(
    _SHARES,
    "λ of the networks that are trained; empty = none",
    numbers("numbers in 0..1", holds=lambda given: all(0 <= value <= 1 for value in given)),
  )
  mixed: tuple[float, ...] = setting(
    _SHARES,
    "λ of the predictions of the one network; empty = none",
    numbers("numbers in 0..1", holds=lambda given: all(0 <= value <= 1 for value in given)),
  )
  mixed_share: float = setting(0.5, "λ in the training of that network", share())
  prob: float = setting(0.6, "of recombining a batch", share())

  title: ClassVar[str] = "Attention between phase and amplitude"
  asks: ClassVar[str] = (
    "When a network learns the label of the phase with weight λ and that of the amplitude with "
    "1 − λ, what does λ do to clean, corrupted and out-of-distribution images?"
  )
  published: ClassVar[str] = (
    "all three curves rise with λ: the more the phase counts, the better (APR, Figure 9; "
    "CIFAR-10, ResNet-18; no numbers)"
  )
  quick: ClassVar[Mapping[str, Any]] = {
    **Grid.quick,
    "shares": (0.0, 0.5, 1.0),
    "mixed": (0.0, 0.25, 0.5, 0.75, 1.0),
  }

  def variants(self) -> Mapping[str, Mapping[str, Any]]:
    trainings = dict.fromkeys((*self.shares, *((self.mixed_share,) if self.mixed else ())))
    return {
      f"share_{value:g}": {"augment.two_labels.prob": self.prob, "augment.two_labels.share": value}
      for value in trainings
    }

  def suites(self) -> Mapping[str, Evaluator]:
    return {
      name: evaluator
      for name, evaluator in super().suites().items()
      if name in ("clean", "corruptions")
    } | {"ood": SUITES["ood"]}

  def parts(self, request: Request) -> Iterator[Part]:
    """ "trained/0.5/seed0", then "mixed/0.5/seed0"."""
    base = self.base(request)
    for kind, values in (("trained", self.shares), ("mixed", self.mixed)):
      for value in values:
        training = value if kind == "trained" else self.mixed_share
        name = f"share_{training:g}"
        for seed in self.seeds:
          changes = {**self.variants()[name], "seed": seed, "name": name}
          config = trained.changed(base, changes)
          yield (
            f"{kind}/{value:g}/seed{seed}",
            functools.partial(self._score, config, request, f"{name}/seed{seed}", value),
          )

  def summarise(self, results: Mapping[str, Any]) -> dict[str, Any]:
    """ "networks" {"trained/0.5": scores} and "curves" {kind: {"share": [...], score: [means]}};
    "monotone" {kind: the scores that never get worse with λ}; "agrees": with the largest λ all
    three scores of the trained networks, else of the mixed ones, are better than with the smallest;
    null where there is one λ alone.
    """
    networks = self.averaged(results)
    curves = {}
    for kind, values in (("trained", self.shares), ("mixed", self.mixed)):
      if values:
        rows = [networks[f"{kind}/{value:g}"] for value in sorted(values)]
        curves[kind] = {"share": sorted(values)} | {
          score: [row[score]["mean"] for row in rows] for score in _SCORES
        }
    return {
      "networks": networks,
      "curves": curves,
      "mixed_share": self.mixed_share,
      "monotone": {kind: _monotone(curve) for kind, curve in curves.items()},
      "agrees": _rises(next(iter(curves.values()))),
    }

  def lines(self, summary: Mapping[str, Any]) -> list[str]:
    """The ends of the curves."""
    return [
      f"{_legend(kind, summary)}: {TITLES[score]} {curve[score][0]:.2f} at λ = "
      f"{curve['share'][0]:g}, {curve[score][-1]:.2f} at λ = {curve['share'][-1]:g}"
      for kind, curve in summary["curves"].items()
      for score in _SCORES
    ] + [
      f"{_legend(kind, summary)}: better with every step of λ: "
      f"{', '.join(TITLES[score] for score in scores) or 'none of the three'}"
      for kind, scores in summary["monotone"].items()
    ]

  def figure(self, summary: Mapping[str, Any]) -> Any:
    """Three scores over λ."""
    figure, frames = plots.frames(1, 3, 9.6, 3.3)
    for axes, score in zip(frames[0], _SCORES):
      for index, (kind, curve) in enumerate(summary["curves"].items()):
        axes.plot(
          curve["share"],
          curve[score],
          label=_legend(kind, summary),
          color=plots.COLOURS[index],
          linestyle=plots.LINES[index],
          marker=plots.MARKERS[index],
          markersize=4.5,
        )
      axes.set(xlabel="λ, share of the phase's label", ylabel=TITLES[score])
      axes.grid(color="#dddddd", linewidth=0.6)
    handles, names = frames[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=8)
    return figure

  def blocks(self, summary: Mapping[str, Any]) -> list[str]:
    rows: list[list[str | float | None]] = [
      [name, *(found[score]["mean"] for score in _SCORES)]
      for name, found in summary["networks"].items()
    ]
    caption = "trained/λ: a network per λ. mixed/λ: one network, λ in the prediction alone."
    return [html.table(["", *(TITLES[score] for score in _SCORES)], rows, caption)]

  def _score(self, config: Any, request: Request, name: str, value: float) -> dict[str, Any]:
    folder = trained.train(config, request, name)
    classifier = LoadedClassifier(folder, label_share=value)
    results = trained.score(classifier, self.suites(), folder / f"eval-{value:g}", self.limit)
    return trained.headline(results)


def _rises(curve: Mapping[str, list[float]]) -> bool | None:
  if len(curve["share"]) < 2:
    return None
  better = [curve[score][-1] < curve[score][0] for score in ("clean", "corrupted")]
  return all(better) and curve["ood"][-1] > curve["ood"][0]


def _monotone(curve: Mapping[str, list[float]]) -> list[str]:
  """The scores that never get worse as λ grows."""
  return [
    score
    for score in _SCORES
    if all(
      now >= before if score == "ood" else now <= before
      for before, now in zip(curve[score], curve[score][1:])
    )
  ]


def _legend(kind: str, summary: Mapping[str, Any]) -> str:
  if kind == "trained":
    return "a network per λ"
  return f"one network (λ = {summary['mixed_share']:g}), λ in the prediction"
