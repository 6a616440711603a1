"""The scores of out-of-distribution detection by name: what each needs of the classifier and of the
training images, and how it is computed. The arithmetic is that of `metrics.ood_scores`.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import metrics
from apr_jax.classifiers.interface import ABILITIES, ability
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation.task import Task

_BATCH = 100  # images whose gradients are computed at a time; bounds the memory


@dataclasses.dataclass(frozen=True)
class ScoreOptions:
  """What scores can be told.

  Attributes:
    train_images: how many training images statistics are taken from; 0 = all.
    neighbours: k of kNN.
    temperature, epsilon: of ODIN; epsilon in units of [0, 1].
  """

  train_images: int
  neighbours: int
  temperature: float
  epsilon: float


class Answers:
  """What the classifier says of some images, each computed when it is first asked for.

  Args:
    task: knows the classifier.
    images: uint8 `[N, H, W, 3]`.
    logits: float32 `[N, K]`, if they are known already.
  """

  def __init__(self, task: Task, images: np.ndarray, logits: np.ndarray | None = None):
    self.task = task
    self.images = images
    self._logits = logits

  @functools.cached_property
  def logits(self) -> np.ndarray:
    """float32 `[N, K]`."""
    return self.task.logits(self.images) if self._logits is None else self._logits

  @functools.cached_property
  def features(self) -> np.ndarray:
    """float32 `[N, D]`."""
    return self.task.features(self.images)


class Fit:
  """What the scores of one classifier are fitted to, each computed once."""

  def __init__(self, task: Task, options: ScoreOptions):
    self._task = task
    self.options = options

  @functools.cached_property
  def train(self) -> ArrayData:
    """The training images; see `Task.load_train`."""
    return self._task.load_train(self.options.train_images)

  @functools.cached_property
  def answers(self) -> Answers:
    """To the training images."""
    return Answers(self._task, self.train.images)

  @functools.cached_property
  def last_layer(self) -> tuple[np.ndarray, np.ndarray]:
    """Of the classifier."""
    return ability(self._task.classifier, "last_layer")

  @functools.cached_property
  def threshold(self) -> float:
    """ReAct's."""
    return float(np.percentile(self.answers.features, 90))

  @functools.cached_property
  def templates(self) -> np.ndarray:
    """Of KL matching."""
    return metrics.class_templates(self.answers.logits)

  @functools.cached_property
  def mahalanobis(self) -> metrics.Mahalanobis:
    """The normal distributions."""
    return metrics.Mahalanobis.fit(self.answers.features, self.train.labels)

  @functools.cached_property
  def vim(self) -> metrics.Vim:
    """The principal subspace."""
    return metrics.Vim.fit(self.answers.features, self.last_layer)


@dataclasses.dataclass(frozen=True)
class OodScore:
  """A score of images, higher for in-distribution ones.

  Attributes:
    title: for tables.
    compute: what is fitted, and the answers to N images → float `[N]`.
    needs: the abilities that the classifier must have.
    train: whether statistics of the training images are taken.
  """

  title: str
  compute: Callable[[Fit, Answers], np.ndarray]
  needs: tuple[str, ...] = ()
  train: bool = False


def odin(
  jax_logits: Callable[[jax.Array], jax.Array],
  images: np.ndarray,
  temperature: float = 1000.0,
  epsilon: float = 0.0014,
) -> np.ndarray:
  """ODIN: the largest softmax probability at a temperature T, of the image x + ε·sign(∇_x ln p_ŷ),
  which the network is surer of; ŷ is the class predicted for x, p the softmax of z/T.

  The changed image is clipped to [0, 1], which the released code does not do.

  Args:
    jax_logits: see `classifiers.interface.ABILITIES`.
    images: uint8 `[N, H, W, 3]`.
    temperature: T; the paper's 1000.
    epsilon: in units of [0, 1]; 0.0014 is the paper's for a DenseNet on CIFAR-10.

  Returns:
    float64 `[N]`.

  Reference: Liang et al., ICLR 2018 (https://arxiv.org/abs/1706.02690), Equations 1 and 2.
  """
  function = jax_logits
  if not isinstance(function, jax.tree_util.Partial):
    function = jax.tree_util.Partial(function)
  found = []
  for start in range(0, len(images), _BATCH):
    batch = images[start : start + _BATCH]
    padded = np.concatenate([batch, np.zeros((_BATCH - len(batch), *batch.shape[1:]), np.uint8)])
    logits = _surer_logits(function, padded, temperature, epsilon)
    found.append(np.asarray(logits, np.float64)[: len(batch)] / temperature)
  return metrics.max_softmax(np.concatenate(found))


@jax.jit
def _surer_logits(
  function: Callable[[jax.Array], jax.Array], images: jax.Array, temperature: float, epsilon: float
) -> jax.Array:
  """The logits of the changed images, float32 `[B, K]`."""
  floats = images.astype(jnp.float32) / 255

  def sureness(floats: jax.Array) -> jax.Array:
    # In inference images do not see each other: the gradient of the sum has that of each image.
    return jax.nn.log_softmax(function(floats) / temperature).max(1).sum()

  step = epsilon * jnp.sign(jax.grad(sureness)(floats))
  return function(jnp.clip(floats + step, 0, 1))


def _odin(fit: Fit, answers: Answers) -> np.ndarray:
  jax_logits = ability(answers.task.classifier, "jax_logits")
  return odin(jax_logits, answers.images, fit.options.temperature, fit.options.epsilon)


_FEATURES = ("features",)
_LAYER = ("features", "last_layer")

SCORES: Mapping[str, OodScore] = {
  "max_softmax": OodScore("max softmax", lambda _, to: metrics.max_softmax(to.logits)),
  "max_logit": OodScore("max logit", lambda _, to: metrics.max_logit(to.logits)),
  "energy": OodScore("energy", lambda _, to: metrics.energy(to.logits)),
  "odin": OodScore("ODIN", _odin, ("jax_logits",)),
  "gradnorm": OodScore("GradNorm", lambda _, to: metrics.gradnorm(to.features, to.logits), _LAYER),
  "react": OodScore(
    "ReAct",
    lambda fit, to: metrics.react(to.features, fit.last_layer, fit.threshold),
    _LAYER,
    train=True,
  ),
  "kl_matching": OodScore(
    "KL matching", lambda fit, to: metrics.kl_matching(to.logits, fit.templates), train=True
  ),
  "knn": OodScore(
    "kNN",
    lambda fit, to: metrics.nearest_neighbour(
      to.features, fit.answers.features, fit.options.neighbours
    ),
    _FEATURES,
    train=True,
  ),
  "mahalanobis": OodScore(
    "Mahalanobis", lambda fit, to: fit.mahalanobis.score(to.features), _FEATURES, train=True
  ),
  "relative_mahalanobis": OodScore(
    "relative Mahalanobis",
    lambda fit, to: fit.mahalanobis.relative_score(to.features),
    _FEATURES,
    train=True,
  ),
  "vim": OodScore("ViM", lambda fit, to: fit.vim.score(to.features, to.logits), _LAYER, train=True),
}
"""{name: score}, those of logits alone first."""


def missing(task: Task, name: str, options: ScoreOptions) -> str | None:
  """Why a score of `SCORES` cannot be computed, in one line; None: it can."""
  score = SCORES[name]
  for needed in score.needs:
    try:
      found = ability(task.classifier, needed)
    except UserError as error:  # a network whose gradient is none says so
      return str(error)
    if found is None:
      return f"it needs {needed}, which {task.classifier.name!r} lacks: {ABILITIES[needed]}"
  if score.train:
    try:
      found = task.load_train(options.train_images)
    except UserError as error:
      return f"it needs the training images of {task.settings.data}: {error}"
    if name == "knn" and len(found.labels) < options.neighbours:
      return (
        f"it needs {options.neighbours} neighbours among {len(found.labels)} training images; give "
        f"more by train_images and --limit, or fewer neighbours"
      )
  return None
