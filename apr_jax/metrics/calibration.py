"""How far a classifier's confidence can be believed, and the one number that mends most of it.

Confidence is the largest probability of an image, accuracy whether that class is the right one.
Probabilities are fractions in [0, 1], and so are the errors here. Everything is computed in
float64.

References: Guo et al., On Calibration of Modern Neural Networks, ICML 2017
(https://arxiv.org/abs/1706.04599): the expected calibration error over 15 bins, and the
temperature. Hendrycks et al., Deep Anomaly Detection with Outlier Exposure, ICLR 2019
(https://arxiv.org/abs/1812.04606): the root mean square calibration error.
"""

import numpy as np

from apr_jax.errors import UserError

TEMPERATURE_BOUNDS = (0.01, 100.0)
_HALVINGS = 40  # of the interval of ln T, which is 9.2 wide
_SUM_TOLERANCE = 1e-3  # float16 probabilities of 1000 classes sum to 1 as well as this


def reliability(
  probs: np.ndarray, labels: np.ndarray, bins: int = 15, equal_mass: bool = False
) -> dict[str, np.ndarray]:
  """Confidence against accuracy in bins of confidence: the reliability diagram.

  Bins of equal width: bin b of B holds the confidences in (b/B, (b+1)/B]; one at an edge belongs to
  the bin below it. Bins of equal mass: image i goes to bin ⌊B·(number of images less confident than
  i)/N⌋. Images of equal confidence stay together, whatever their order; without such ties the bins'
  sizes differ by at most one.

  Args:
    probs: float `[N, K]`; rows sum to 1. The prediction is the first of the largest.
    labels: int `[N]`, values 0..K-1.
    bins: B.
    equal_mass: bins of equal mass instead of equal width.

  Returns:
    per bin, from the least confident: "count" int `[B]`, mean "confidence" and "accuracy" float64
    `[B]`; those of an empty bin are NaN.

  Raises:
    UserError: shapes, dtypes or values are not as described.

  Examples:
    >>> probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    >>> diagram = reliability(probs, np.array([0, 1, 1]), bins=2)
    >>> diagram["count"].tolist(), round(float(diagram["accuracy"][1]), 3)
    ([0, 3], 0.667)
  """
  probs, labels = _checked_probs(probs, labels)
  if bins < 1:
    raise UserError(f"bins must be 1 or more, got {bins}")
  confidence = probs.max(axis=1)
  correct = probs.argmax(axis=1) == labels
  if equal_mass:
    place = bins * np.searchsorted(np.sort(confidence), confidence, side="left") // len(confidence)
  else:
    place = np.searchsorted(np.arange(1, bins) / bins, confidence, side="left")
  count = np.bincount(place, minlength=bins)

  def mean(values: np.ndarray) -> np.ndarray:
    total = np.bincount(place, values, minlength=bins)
    return np.divide(total, count, where=count > 0, out=np.full(bins, np.nan))

  return {"count": count, "confidence": mean(confidence), "accuracy": mean(correct)}


def calibration(
  probs: np.ndarray, labels: np.ndarray, bins: int = 15, equal_mass: bool = False
) -> dict[str, float]:
  """Calibration errors: the gap between confidence and accuracy, over the bins of `reliability`.

  Args and errors: as `reliability`.

  Returns:
    fractions, 0 is best:
      ece: expected calibration error, Σ_b n_b/N · |accuracy_b − confidence_b|.
      rms: root mean square calibration error, √(Σ_b n_b/N · (accuracy_b − confidence_b)²). Its
        authors take bins of equal mass, of 100 images each, and their code leaves out the last one;
        no bin is left out here.

  Examples:
    >>> probs = np.array([[0.75, 0.25]] * 4)  # three of the four are right, as claimed
    >>> calibration(probs, np.array([0, 0, 0, 1]))
    {'ece': 0.0, 'rms': 0.0}
  """
  diagram = reliability(probs, labels, bins, equal_mass)
  weight = diagram["count"] / diagram["count"].sum()
  gap = np.where(diagram["count"] > 0, diagram["accuracy"] - diagram["confidence"], 0)
  return {"ece": float(weight @ np.abs(gap)), "rms": float(np.sqrt(weight @ gap**2))}


def brier(probs: np.ndarray, labels: np.ndarray) -> float:
  """Brier score: mean over images of Σ_k (p_k − [k is the label])², in 0..2; 0 is best. Args as of
  `reliability`.

  Examples:
    >>> brier(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    1.0
  """
  probs, labels = _checked_probs(probs, labels)
  at_label = probs[np.arange(len(labels)), labels]
  return float(np.mean(np.einsum("nk,nk->n", probs, probs) - at_label**2 + (1 - at_label) ** 2))


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
  """Probabilities exp(z_k/T) / Σ_j exp(z_j/T), float64 `[N, K]`, of logits float `[N, K]`.

  Examples:
    >>> softmax(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
  """
  scaled = np.asarray(logits, np.float64) - np.max(logits, axis=1, keepdims=True)
  scaled /= temperature
  np.exp(scaled, out=scaled)
  scaled /= scaled.sum(axis=1, keepdims=True)
  return scaled


def nll(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
  """Negative log-likelihood of the labels: mean over images of −ln softmax(z/T)_label, in nats; 0
  is best.

  It takes logits, not probabilities: where a probability underflows to 0, its logarithm is still
  finite.

  Args:
    logits: float `[N, K]`.
    labels: int `[N]`, values 0..K-1.
    temperature: T.

  Raises:
    UserError: shapes, dtypes or values are not as described.

  Examples:
    >>> round(nll(np.array([[0.0, 0.0]]), np.array([0])), 4)  # ln 2
    0.6931
  """
  margins = _margins(logits, labels)
  # The largest probability is e^(largest margin / T) over the sum of all such.
  log_largest = np.log(softmax(margins, temperature).max(axis=1))
  return float(np.mean(margins.max(axis=1) / temperature - log_largest))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
  """The temperature T with the least `nll`, by bisection.

  The negative log-likelihood is convex in 1/T, so it falls and then rises in ln T, and the sign of
  its slope says on which side the minimum lies.

  Args:
    logits: float `[N, K]`, of images that will not be scored.
    labels: int `[N]`, values 0..K-1.

  Returns:
    T, to 11 digits. One of `TEMPERATURE_BOUNDS` where less is always better (when every image is
    classified correctly, say) or more is (when no better than guessing); 1 where all logits of each
    image are equal, so that T changes nothing.

  Raises:
    UserError: as `nll`.

  Examples:
    >>> logits = np.array([[2.0, 0.0]] * 4)  # sure to 88 %, and right in three of four cases
    >>> temperature = fit_temperature(logits, np.array([0, 0, 0, 1]))
    >>> round(float(softmax(logits, temperature)[0, 0]), 4)
    0.75
  """
  margins = _margins(logits, labels)
  if not margins.any():
    return 1.0
  low, high = np.log(TEMPERATURE_BOUNDS)
  if _slope(margins, low) >= 0:
    return TEMPERATURE_BOUNDS[0]
  if _slope(margins, high) <= 0:
    return TEMPERATURE_BOUNDS[1]
  for _ in range(_HALVINGS):
    middle = (low + high) / 2
    low, high = (middle, high) if _slope(margins, middle) < 0 else (low, middle)
  return float(np.exp((low + high) / 2))


def _slope(margins: np.ndarray, log_temperature: float) -> float:
  """The slope of the likelihood in ln T, up to a positive factor: minus the mean of Σ_k p_k (z_k −
  z_label).
  """
  probs = softmax(margins, np.exp(log_temperature))
  return -float(np.einsum("nk,nk->", probs, margins)) / len(margins)


def _margins(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """z_k − z_label, float64 `[N, K]`."""
  logits, labels = _checked(logits, labels, "logits")
  return logits - logits[np.arange(len(labels)), labels][:, None]


def _checked_probs(probs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  probs, labels = _checked(probs, labels, "probs")
  if probs.min() < 0:
    raise UserError(f"probs must be 0 or more, got {probs.min():.3g}; are these logits?")
  sums = probs.sum(axis=1)
  worst = int(np.argmax(np.abs(sums - 1)))
  if abs(sums[worst] - 1) > _SUM_TOLERANCE:
    raise UserError(
      f"each row of probs must sum to 1, row {worst} sums to {sums[worst]:.6g}; are these logits?"
    )
  return probs, labels


def _checked(values: np.ndarray, labels: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
  values, labels = np.asarray(values), np.asarray(labels)
  if values.ndim != 2 or 0 in values.shape or not np.issubdtype(values.dtype, np.floating):
    raise UserError(
      f"{name} must be float [N, K] with N, K > 0, got {values.dtype} {list(values.shape)}"
    )
  if labels.shape != values.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
    raise UserError(
      f"labels must be integers [N] with the N of {name}, {len(values)}, got {labels.dtype} "
      f"{list(labels.shape)}"
    )
  if not np.isfinite(values).all():
    raise UserError(
      f"{name} must be finite; {int(np.sum(~np.isfinite(values)))} of {values.size} values are not"
    )
  if labels.min() < 0 or labels.max() >= values.shape[1]:
    raise UserError(
      f"labels must lie in 0..{values.shape[1] - 1}, got {labels.min()}..{labels.max()}"
    )
  return values.astype(np.float64, copy=False), labels
