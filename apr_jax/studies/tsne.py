"""Figure 5: can noise, or another data set, be told from the high-frequency amplitude alone?

Features of an image are log(1 + A) for the amplitudes A of its per-channel DFT at distances of at
least `radius` bins from the zero frequency, one of each Hermitian pair; images are in [0, 1]. They
are standardised and reduced to `components` principal components. t-SNE draws them, and the number
that the claim rests on is the accuracy of a logistic regression on them in five folds: 0.5 cannot
be told apart.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487),
Figure 5. The noise's level, the band, the scale and the perplexity are not published: those here
are ours.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from apr_jax import data, spectrum
from apr_jax.corruptions.whole_sets import regenerate
from apr_jax.data import ArrayData
from apr_jax.data.array_data import SPLITS
from apr_jax.errors import UserError
from apr_jax.report import html, plots
from apr_jax.settings import above, at_least, numbers, one_of, setting
from apr_jax.studies.study import Part, Request, Study

_FOLDS = 5


@dataclasses.dataclass(frozen=True)
class HighAmplitude(Study):
  """Images against themselves with noise, and against another data set."""

  data: str = setting("cifar10", "name of the data set")
  other: str = setting("cifar100", "name of the other data set")
  split: str = setting("test", "of both: train or test", one_of(SPLITS))
  images: int = setting(1000, "of each set, drawn at random; fewer where there are fewer", above(9))
  severities: tuple[int, ...] = setting(
    (1, 3, 5),
    "of CIFAR-10-C's Gaussian noise",
    numbers("severities in 1..5", holds=lambda given: all(s in range(1, 6) for s in given)),
  )
  radius: float = setting(16.0, "in bins: what is at least so far from zero is high", above(0))
  components: int = setting(50, "principal components", above(1))
  perplexity: float = setting(30.0, "of t-SNE", above(0))
  seed: int = setting(0, "of the images, the folds and t-SNE", at_least(0))

  title: ClassVar[str] = "High-frequency amplitude"
  asks: ClassVar[str] = (
    "Does the amplitude at high frequencies give away images with noise, and images of another "
    "data set?"
  )
  published: ClassVar[str] = (
    "by t-SNE on 1000 random CIFAR-10 images, noise can be told apart and CIFAR-100 cannot (APR, "
    "Figure 5); no number is given"
  )
  takes: ClassVar[frozenset[str]] = frozenset({"data_dir"})
  quick: ClassVar[Mapping[str, Any]] = {
    "data": "digits",
    "other": "photo_patches",
    "images": 200,
  }

  def conditions(self, request: Request) -> Mapping[str, Any]:
    """Where the data were found, and checksums of the images."""
    return {
      name: {
        "source": data.source_of(name, request.data_dir),
        "checksum": self._load(name, request).checksum(),
      }
      for name in (self.data, self.other)
    }

  def parts(self, request: Request) -> Iterator[Part]:
    """One per severity, "noise/1", and "other"."""
    for severity in self.severities:
      yield f"noise/{severity}", functools.partial(self._against_noise, request, severity)
    yield "other", functools.partial(self._against_other, request)

  def summarise(self, results: Mapping[str, Any]) -> dict[str, Any]:
    """By comparison: "accuracy" and its "deviation" over the folds, as fractions, "images" of each
    side, "points" `[2 · images][2]` of t-SNE, those of the data set first. "agrees": noise at every
    severity is told apart in more than three quarters of the images, the other set in less: each
    nearer to what was published than to its opposite.
    """
    noisy = [result["accuracy"] for name, result in results.items() if name != "other"]
    return {
      "comparisons": dict(results),
      "names": {"data": self.data, "other": self.other},
      "agrees": min(noisy) > 0.75 > results["other"]["accuracy"] if noisy else None,
    }

  def lines(self, summary: Mapping[str, Any]) -> list[str]:
    """The accuracies."""
    return [
      f"{_title(name, summary)}: told apart in {100 * result['accuracy']:.1f} % of the images "
      f"(±{100 * result['deviation']:.1f} over {_FOLDS} folds; chance 50; "
      f"{result['images']} of each)"
      for name, result in summary["comparisons"].items()
    ]

  def figure(self, summary: Mapping[str, Any]) -> Any:
    """One cloud per comparison."""
    comparisons = summary["comparisons"]
    figure, frames = plots.frames(1, len(comparisons), 2.7 * len(comparisons), 3.2)
    for axes, (name, result) in zip(frames[0], comparisons.items()):
      points, count = np.array(result["points"]), result["images"]
      sides = ((points[:count], summary["names"]["data"]), (points[count:], "against it"))
      for index, (side, label) in enumerate(sides):
        axes.scatter(
          *side.T,
          s=5,
          color=plots.COLOURS[index],
          marker=plots.MARKERS[index],
          linewidths=0,
          label=label,
          rasterized=True,
        )
      axes.set(xticks=[], yticks=[])
      axes.set_title(
        f"{_title(name, summary)}\naccuracy {100 * result['accuracy']:.0f} %", fontsize=9
      )
    handles, labels = frames[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    return figure

  def blocks(self, summary: Mapping[str, Any]) -> list[str]:
    """The accuracies as a table."""
    rows = [
      [
        _title(name, summary),
        100 * result["accuracy"],
        100 * result["deviation"],
        result["images"],
      ]
      for name, result in summary["comparisons"].items()
    ]
    header = [f"{summary['names']['data']} against", "accuracy %", "± over folds", "images of each"]
    return [html.table(header, rows, "Logistic regression, five folds; 50 % is chance.")]

  def _load(self, name: str, request: Request) -> ArrayData:
    return data.load(name, self.split, data_dir=request.data_dir)

  def _drawn(self, name: str, request: Request, count: int) -> np.ndarray:
    images = self._load(name, request).images
    chosen = np.random.RandomState(self.seed).permutation(len(images))[:count]
    return images[chosen]

  def _against_noise(self, request: Request, severity: int) -> dict[str, Any]:
    images = self._drawn(self.data, request, self.images)
    noisy = np.concatenate([*regenerate(images, "gaussian_noise", severity, seed=self.seed)])
    return self._compare(images, noisy)

  def _against_other(self, request: Request) -> dict[str, Any]:
    other = self._drawn(self.other, request, self.images)
    images = self._drawn(self.data, request, len(other))
    if other.shape[1:] != images.shape[1:]:
      raise UserError(
        f"{self.other!r} has images {list(other.shape[1:])}, {self.data!r} {list(images.shape[1:])}"
        f"; give --option other= a data set of the same size"
      )
    return self._compare(images, other[: len(images)])

  def _compare(self, first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    both = features(np.concatenate([first, second]), self.radius)
    sides = np.repeat([0, 1], [len(first), len(second)])
    accuracies = separability(both, sides, self.components, self.seed)
    points = embedding(both, self.components, self.perplexity, self.seed)
    return {
      "accuracy": float(accuracies.mean()),
      "deviation": float(accuracies.std(ddof=1)),
      "images": len(first),
      "points": np.round(points, 2).tolist(),
    }


def features(images: np.ndarray, radius: float) -> np.ndarray:
  """log(1 + A) at high frequencies.

  Args:
    images: uint8 `[N, H, W, C]`.
    radius: in bins, from which on a frequency is high.

  Returns:
    float64 `[N, F]`: of each Hermitian pair one, channel by channel.

  Raises:
    UserError: no frequency is that high.
  """
  height, width = images.shape[1:3]
  high = np.asarray(spectrum.band_masks(height, width, (radius / 2, radius))["high"])
  rows, columns = np.nonzero(high)
  place = rows * width + columns
  mirror = (-rows % height) * width + -columns % width
  once = place <= mirror
  if not once.any():
    raise UserError(f"images of {height} × {width} pixels have no frequency of {radius:g} or more")
  # Channel by channel, which bounds the memory.
  amplitudes = [
    np.abs(np.fft.fft2(images[..., channel] / 255, axes=(1, 2)))[:, rows[once], columns[once]]
    for channel in range(images.shape[-1])
  ]
  return np.log1p(np.concatenate(amplitudes, axis=1))


def separability(
  values: np.ndarray, sides: np.ndarray, components: int = 50, seed: int = 0
) -> np.ndarray:
  """Accuracy of a logistic regression in each of five folds, float64 `[5]`.

  Everything is fitted on the other four folds: mean and deviation of the features, principal
  components, weights.

  Args:
    values: float `[N, F]`.
    sides: int `[N]`, what is to be told.
    components: principal components, at most.
    seed: of the folds.
  """
  from sklearn.decomposition import PCA
  from sklearn.linear_model import LogisticRegression
  from sklearn.model_selection import StratifiedKFold, cross_val_score
  from sklearn.pipeline import make_pipeline
  from sklearn.preprocessing import StandardScaler

  smallest = len(values) - -(-len(values) // _FOLDS)
  pipeline = make_pipeline(
    StandardScaler(),
    PCA(min(components, smallest, values.shape[1]), svd_solver="full"),
    LogisticRegression(max_iter=5000),
  )
  folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
  with _one_thread():
    return cross_val_score(pipeline, values, sides, cv=folds)


def embedding(
  values: np.ndarray, components: int = 50, perplexity: float = 30.0, seed: int = 0
) -> np.ndarray:
  """t-SNE of the principal components of standardised features, float `[N, F]` → `[N, 2]`."""
  from sklearn.decomposition import PCA
  from sklearn.manifold import TSNE
  from sklearn.preprocessing import StandardScaler

  components = min(components, len(values), values.shape[1])
  perplexity = min(perplexity, (len(values) - 1) / 3)
  pca = PCA(components, svd_solver="full")
  with _one_thread():
    reduced = pca.fit_transform(StandardScaler().fit_transform(values))
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)


def _one_thread() -> Any:
  """The problems are small, and on one thread the same numbers come out on any machine."""
  import threadpoolctl  # comes with scikit-learn

  return threadpoolctl.threadpool_limits(1)


def _title(name: str, summary: Mapping[str, Any]) -> str:
  _, _, severity = name.partition("/")
  return f"noise, severity {severity}" if severity else summary["names"]["other"]
