"""What a classifier says of an image, as one number that is higher for in-distribution images.

Logits are float `[N, K]`, features float `[N, D]`, those before the last linear layer; scores are
`[N]`. The last layer is (W float `[D, K]`, b float `[K]`), with logits z = f W + b. All arithmetic
is in float64. What a score takes from the training images is fitted once, by the functions and
classes whose arguments begin with `train_`.
"""

import dataclasses

import numpy as np

from apr_jax.errors import UserError

LastLayer = tuple[np.ndarray, np.ndarray]
"""(W float `[D, K]`, b float `[K]`) of the last linear layer."""

_CHUNK = 500  # rows compared with all training images at a time; bounds the memory


def max_softmax(logits: np.ndarray) -> np.ndarray:
  """Largest softmax probability, float64 `[N]`; in double precision, where fewer confident images
  tie at 1.

  Reference: Hendrycks and Gimpel, 2017 (https://arxiv.org/abs/1610.02136).

  Examples:
    >>> max_softmax(np.array([[0.0, 0.0]])).tolist()
    [0.5]
  """
  return 1 / np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True)).sum(1)


def max_logit(logits: np.ndarray) -> np.ndarray:
  """Largest logit, of the dtype of the logits, `[N]`.

  Reference: Hendrycks et al., 2022 (https://arxiv.org/abs/1911.11132).

  Examples:
    >>> max_logit(np.array([[1.0, 3.0]])).tolist()
    [3.0]
  """
  return logits.max(1)


def energy(logits: np.ndarray) -> np.ndarray:
  """ln Σ_k exp(z_k), float64 `[N]`: minus the energy of Liu et al., NeurIPS 2020
  (https://arxiv.org/abs/2010.03759).

  Examples:
    >>> energy(np.array([[0.0, 0.0]])).round(4).tolist()
    [0.6931]
  """
  return logits.max(1) - np.log(max_softmax(logits))


def react(features: np.ndarray, last_layer: LastLayer, threshold: float) -> np.ndarray:
  """The energy of the logits of min(f, threshold), float64 `[N]`.

  Args:
    features, last_layer: as above.
    threshold: in the paper the 90th percentile of all values of the training images' features.

  Reference: Sun et al., ReAct, NeurIPS 2021 (https://arxiv.org/abs/2111.12797).

  Examples:
    >>> react(np.array([[1.0, 5.0]]), (np.eye(2), np.zeros(2)), 1.0).round(4).tolist()
    [1.6931]
  """
  weights, bias = _layer(features, last_layer)
  return energy(np.minimum(features.astype(np.float64), threshold) @ weights + bias)


def gradnorm(features: np.ndarray, logits: np.ndarray) -> np.ndarray:
  """The L1 norm of the gradient of KL(u ‖ softmax(z)) with respect to W, float64 `[N]`; u is
  uniform.

  The gradient is f (softmax(z) − u)ᵀ, so its norm is Σ|f| · Σ_k |softmax(z)_k − 1/K|.

  Reference: Huang et al., GradNorm, NeurIPS 2021 (https://arxiv.org/abs/2110.00218), with
  temperature 1. Its released code takes the sum over the classes in place of the mean, K times
  this.

  Examples:
    >>> gradnorm(np.array([[1.0, -2.0]]), np.array([[0.0, 0.0]])).tolist()
    [0.0]
  """
  away = np.abs(_softmax(logits) - 1 / logits.shape[1]).sum(1)
  return np.abs(features.astype(np.float64)).sum(1) * away


def class_templates(train_logits: np.ndarray) -> np.ndarray:
  """The mean softmax output of the images that are predicted to be of each class, float64
  `[C, K]`; a class that is never predicted has no row.

  Args:
    train_logits: float `[M, K]`.

  Examples:
    >>> class_templates(np.array([[0.0, 1.0], [0.0, 1.0]])).shape
    (1, 2)
  """
  probabilities, predicted = _softmax(train_logits), train_logits.argmax(1)
  return np.stack([probabilities[predicted == label].mean(0) for label in np.unique(predicted)])


def kl_matching(logits: np.ndarray, templates: np.ndarray) -> np.ndarray:
  """−min_c KL(softmax(z) ‖ t_c), in nats, float64 `[N]`.

  Args:
    logits: as above.
    templates: t float `[C, K]`, of `class_templates`.

  Reference: Hendrycks et al., 2022 (https://arxiv.org/abs/1911.11132), which takes the templates
  from a validation set.

  Examples:
    >>> logits = np.array([[0.0, 1.0], [2.0, 0.0]])
    >>> np.abs(kl_matching(logits, class_templates(logits))).max() < 1e-12
    np.True_
  """
  log_p = _log_softmax(logits)
  p = np.exp(log_p)
  # A template is 0 only where each softmax output underflows; then the divergence is very large.
  log_t = np.log(np.maximum(templates.astype(np.float64), np.finfo(np.float64).tiny))
  return (p @ log_t.T).max(1) - (p * log_p).sum(1)


def nearest_neighbour(
  features: np.ndarray, train_features: np.ndarray, neighbours: int
) -> np.ndarray:
  """Minus the Euclidean distance to the k-th nearest training image, all features divided by their
  length, float64 `[N]`.

  Args:
    features: float `[N, D]`.
    train_features: float `[M, D]`.
    neighbours: k, at most M; 50 in the paper for CIFAR-10, 200 for CIFAR-100, 1000 for ImageNet.

  Reference: Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022
  (https://arxiv.org/abs/2204.06507).

  Raises:
    UserError: there are fewer training images.

  Examples:
    >>> train = np.array([[1.0, 0.0], [0.0, 3.0]])
    >>> nearest_neighbour(np.array([[2.0, 0.0]]), train, 1).tolist()
    [0.0]
  """
  if not 1 <= neighbours <= len(train_features):
    raise UserError(
      f"the number of neighbours must be in 1..{len(train_features)}, the training images, got "
      f"{neighbours}"
    )
  train, found = _unit(train_features), []
  for start in range(0, len(features), _CHUNK):
    similarity = _unit(features[start : start + _CHUNK]) @ train.T
    kth = np.partition(similarity, -neighbours, axis=1)[:, -neighbours]
    found.append(0 - np.sqrt(np.maximum(2 - 2 * kth, 0)))
  return np.concatenate(found)


@dataclasses.dataclass(frozen=True)
class Mahalanobis:
  """Normal distributions of the features: one per class with a common covariance, and one of all
  images.

  Distances are those in coordinates in which the covariance is the identity; directions in which
  the training images do not vary are left out.

  Attributes:
    class_means: float64 `[C, D]` of the classes that have training images.
    class_axes: float64 `[D, R]`, x ↦ (x − μ) A of the common covariance: A Aᵀ is its
      pseudo-inverse.
    mean: float64 `[D]`, of all images.
    axes: float64 `[D, S]`, likewise of the covariance around it.

  Examples:
    >>> features = np.array([[0.0, 0.0], [0.0, 2.0], [9.0, 0.0], [9.0, 2.0]])
    >>> fitted = Mahalanobis.fit(features, np.array([0, 0, 1, 1]))
    >>> fitted.score(np.array([[0.0, 2.0], [0.0, 3.0]])).round(6).tolist()
    [-1.0, -4.0]
  """

  class_means: np.ndarray
  class_axes: np.ndarray
  mean: np.ndarray
  axes: np.ndarray

  @classmethod
  def fit(cls, train_features: np.ndarray, train_labels: np.ndarray) -> "Mahalanobis":
    """Of features float `[M, D]` and labels int `[M]`; covariances are divided by M."""
    features = train_features.astype(np.float64)
    classes, places = np.unique(train_labels, return_inverse=True)
    means = np.stack([features[train_labels == label].mean(0) for label in classes])
    mean = features.mean(0)
    return cls(means, _whitening(features - means[places]), mean, _whitening(features - mean))

  def score(self, features: np.ndarray) -> np.ndarray:
    """Minus the squared distance to the nearest class mean, float64 `[N]`.

    Reference: Lee et al., NeurIPS 2018 (https://arxiv.org/abs/1807.03888), of the last features
    alone: without its perturbation of the images and its other layers.
    """
    return -self._to_class(features)

  def relative_score(self, features: np.ndarray) -> np.ndarray:
    """The squared distance to the mean of all images minus that to the nearest class mean, float64
    `[N]`.

    Reference: Ren et al., 2021 (https://arxiv.org/abs/2106.09022).
    """
    of_all = np.square((features - self.mean) @ self.axes).sum(1)
    return of_all - self._to_class(features)

  def _to_class(self, features: np.ndarray) -> np.ndarray:
    points, means = features @ self.class_axes, self.class_means @ self.class_axes
    # One class at a time: all differences at once would take N·C·D numbers.
    distances = [np.square(points - mean).sum(1) for mean in means]
    return np.min(distances, axis=0)


@dataclasses.dataclass(frozen=True)
class Vim:
  """Virtual-logit matching: the energy, and how far the features lie beside the subspace of the
  training images.

  Attributes:
    origin: float64 `[D]`, −pinv(Wᵀ) b, where all logits are zero.
    residual: float64 `[D, D − P]`, an orthonormal basis of what the P largest directions of the
      training images leave.
    alpha: scale of the residual: mean over the training images of the largest logit, divided by
      that of the residual's length.

  Reference: Wang et al., ViM, CVPR 2022 (https://arxiv.org/abs/2203.10807), Equations 5 to 8.

  Examples:
    >>> features = np.array([[1.0, 0.0, 0.1], [0.0, 2.0, -0.1], [1.0, 1.0, 0.1]])
    >>> fitted = Vim.fit(features, (np.eye(3), np.zeros(3)), 2)
    >>> fitted.residual.shape
    (3, 1)
  """

  origin: np.ndarray
  residual: np.ndarray
  alpha: float

  @classmethod
  def fit(
    cls, train_features: np.ndarray, last_layer: LastLayer, dimensions: int | None = None
  ) -> "Vim":
    """Of features float `[M, D]`.

    Args:
      train_features, last_layer: as above.
      dimensions: P; default that of the released code: 1000 of 2048 features or more, 512 of 768
        or more, else half of them.

    Raises:
      UserError: there is no direction left, or the training images have no residual.
    """
    weights, bias = _layer(train_features, last_layer)
    width = train_features.shape[1]
    if dimensions is None:
      dimensions = 1000 if width >= 2048 else 512 if width >= 768 else width // 2
    if not 0 <= dimensions < width:
      raise UserError(f"ViM's dimensions must be in 0..{width - 1}, got {dimensions}")
    features = train_features.astype(np.float64)
    origin = -np.linalg.pinv(weights.T) @ bias
    centred = features - origin
    # Ascending eigenvalues, so the largest directions come last.
    _, directions = np.linalg.eigh(centred.T @ centred)
    residual = directions[:, : width - dimensions]
    length = np.linalg.norm(centred @ residual, axis=1).mean()
    if not length > 0:
      raise UserError(f"ViM needs training images outside of {dimensions} directions; give fewer")
    return cls(origin, residual, float((features @ weights + bias).max(1).mean() / length))

  def score(self, features: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """energy(z) − α · |residual|, float64 `[N]`; it orders images as one minus the probability of
    the virtual class does.
    """
    outside = (features - self.origin) @ self.residual
    return energy(logits.astype(np.float64)) - self.alpha * np.linalg.norm(outside, axis=1)


def _layer(features: np.ndarray, last_layer: LastLayer) -> tuple[np.ndarray, np.ndarray]:
  weights, bias = (np.asarray(values, np.float64) for values in last_layer)
  if weights.ndim != 2 or bias.shape != weights.shape[1:] or len(weights) != features.shape[1]:
    raise UserError(
      f"the last layer must be W [D, K] and b [K] for features [N, D] = {list(features.shape)}, "
      f"got {list(weights.shape)} and {list(bias.shape)}"
    )
  return weights, bias


def _log_softmax(logits: np.ndarray) -> np.ndarray:
  return logits.astype(np.float64) - energy(logits.astype(np.float64))[:, None]


def _softmax(logits: np.ndarray) -> np.ndarray:
  return np.exp(_log_softmax(logits))


def _unit(features: np.ndarray) -> np.ndarray:
  """Divided by their lengths; a feature of length 0 stays."""
  features = features.astype(np.float64)
  length = np.linalg.norm(features, axis=1, keepdims=True)
  return features / np.where(length > 0, length, 1)


def _whitening(centred: np.ndarray) -> np.ndarray:
  """`[D, R]` A with A Aᵀ the pseudo-inverse of the covariance of what is centred."""
  variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
  kept = variances > variances[-1] * len(variances) * np.finfo(np.float64).eps
  return directions[:, kept] / np.sqrt(variances[kept])
