"""Out-of-distribution detection from one score per image. A higher score means in-distribution,
which is positive.

All but `roc` are in percent, higher is better, and defined for ties, equal scores and single
images.
"""

import numpy as np

from apr_jax.errors import UserError


def ood_metrics(in_scores: np.ndarray, out_scores: np.ndarray) -> dict[str, float]:
  """How well a score separates in-distribution from out-of-distribution images. Ties count as half,
  as they should.

  Args:
    in_scores: float `[N]`, of in-distribution images; higher means more in-distribution.
    out_scores: float `[M]`, of out-of-distribution images.

  Returns:
    In percent, higher is better:
      auroc: area under the receiver operating characteristic.
      tnr95: share of out-of-distribution images rejected at the threshold that accepts at least 95
        % of the in-distribution ones and rejects the most.
      dtacc: detection accuracy, the largest over thresholds of ½ (accepted in + rejected out).
      aupr_in, aupr_out: average precision with in-, respectively out-of-distribution, as the
        positive class.

  Raises:
    UserError: a score is missing or not finite.

  Examples:
    >>> ood_metrics(np.array([0.8, 0.9]), np.array([0.1, 0.2]))["auroc"]
    100.0
    >>> ood_metrics(np.array([0.5, 0.5]), np.array([0.5, 0.5]))["auroc"]  # ties count as half
    50.0
  """
  from sklearn import metrics  # slow to import, and only needed here

  inside, scores = _pooled(*_checked(in_scores, out_scores))
  false_accepts, accepts, _ = metrics.roc_curve(inside, scores, drop_intermediate=False)
  return {
    "auroc": 100 * float(metrics.roc_auc_score(inside, scores)),
    "tnr95": 100 * float(1 - false_accepts[accepts >= 0.95].min()),
    "dtacc": 100 * float(np.max(accepts + 1 - false_accepts) / 2),
    "aupr_in": 100 * float(metrics.average_precision_score(inside, scores)),
    "aupr_out": 100 * float(metrics.average_precision_score(1 - inside, -scores)),
  }


def oscr(in_scores: np.ndarray, in_correct: np.ndarray, out_scores: np.ndarray) -> float:
  """Open-set classification rate: both at once, to name the class and to reject what has none.

  At a threshold, the correct classification rate is the share of in-distribution images that are
  accepted (score at or above it) and classified correctly; the false positive rate is the share of
  out-of-distribution images that are accepted. This is the area under the former against the
  latter, thresholds joined by straight lines: the mean over pairs of an image inside and one
  outside of [correct] · ([inside > outside] + ½ [inside = outside]). It is the AUROC where all are
  correct, the accuracy where the two are separated, and at most either.

  The curve is that of Dhamija et al., Reducing Network Agnostophobia, NeurIPS 2018
  (https://arxiv.org/abs/1811.04110); its area is reported by ARPL (https://github.com/iCGY96/ARPL)
  and others. The code that circulates for it takes tied images in the order of its sorting; here
  ties count as half.

  Args:
    in_scores: float `[N]`, of in-distribution images; higher means more in-distribution.
    in_correct: bool `[N]`, whether the network classifies them correctly.
    out_scores: float `[M]`, of out-of-distribution images.

  Raises:
    UserError: a score is missing or not finite, or `in_correct` is not of that shape.

  Examples:
    >>> oscr(np.array([0.8, 0.9]), np.array([True, False]), np.array([0.1, 0.2]))
    50.0
  """
  in_scores, out_scores = _checked(in_scores, out_scores)
  in_correct = np.asarray(in_correct)
  if in_correct.shape != in_scores.shape or in_correct.dtype != bool:
    raise UserError(
      f"in_correct must be bool {list(in_scores.shape)}, got {in_correct.dtype} "
      f"{list(in_correct.shape)}"
    )
  ordered = np.sort(out_scores)
  below = np.searchsorted(ordered, in_scores, side="left")
  up_to = np.searchsorted(ordered, in_scores, side="right")
  return 100 * float(np.sum((below + up_to)[in_correct])) / (2 * len(in_scores) * len(out_scores))


def roc(in_scores: np.ndarray, out_scores: np.ndarray, points: int = 200) -> dict[str, np.ndarray]:
  """The receiver operating characteristic, thinned for drawing.

  Args:
    in_scores, out_scores: as `ood_metrics`.
    points: at most so many, 2 or more, spread evenly along the curve. Those that are kept are
      exact.

  Returns:
    "fpr" and "tpr": accepted shares of the out-, respectively in-distribution images, fractions
    float64 `[≤ points]`, from (0, 0) to (1, 1).

  Raises:
    UserError: as `ood_metrics`.

  Examples:
    >>> curve = roc(np.array([0.8, 0.9]), np.array([0.1, 0.2]))
    >>> curve["fpr"].tolist()[-1], curve["tpr"].tolist()[-1]
    (1.0, 1.0)
  """
  from sklearn import metrics  # slow to import, and only needed here

  fpr, tpr, _ = metrics.roc_curve(*_pooled(*_checked(in_scores, out_scores)))
  along = (fpr + tpr) / 2
  kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], points)))
  return {"fpr": fpr[kept], "tpr": tpr[kept]}


def _checked(in_scores: np.ndarray, out_scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  in_scores, out_scores = np.asarray(in_scores, np.float64), np.asarray(out_scores, np.float64)
  if in_scores.ndim != 1 or out_scores.ndim != 1 or not len(in_scores) or not len(out_scores):
    raise UserError(
      f"scores must be [N] and [M] with N, M > 0, got {in_scores.shape} and {out_scores.shape}"
    )
  scores = np.concatenate([in_scores, out_scores])
  if not np.isfinite(scores).all():
    raise UserError(
      f"scores must be finite; {int(np.sum(~np.isfinite(scores)))} of {len(scores)} are not"
    )
  return in_scores, out_scores


def _pooled(in_scores: np.ndarray, out_scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Whether each image is in-distribution, int `[N + M]`, and all scores."""
  inside = np.concatenate([np.ones(len(in_scores), int), np.zeros(len(out_scores), int)])
  return inside, np.concatenate([in_scores, out_scores])
