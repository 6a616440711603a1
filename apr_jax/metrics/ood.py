"""Out-of-distribution detection from one score per image. A higher score means in-distribution, which is positive."""

import numpy as np


def ood_metrics(in_scores: np.ndarray, out_scores: np.ndarray) -> dict[str, float]:
  """How well a score separates in-distribution from out-of-distribution images. Ties count as half, as they should.

  Args:
    in_scores: float `[N]`, of in-distribution images; higher means more in-distribution.
    out_scores: float `[M]`, of out-of-distribution images.

  Returns:
    In percent, higher is better:
      auroc: area under the receiver operating characteristic.
      tnr95: share of out-of-distribution images rejected at the threshold that accepts at least 95 % of the
        in-distribution ones and rejects the most.
      dtacc: detection accuracy, the largest over thresholds of ½ (accepted in + rejected out).
      aupr_in, aupr_out: average precision with in-, respectively out-of-distribution, as the positive class.

  Raises:
    ValueError: a score is missing or not finite.
  """
  from sklearn import metrics  # slow to import, and only needed here

  in_scores, out_scores = np.asarray(in_scores, np.float64), np.asarray(out_scores, np.float64)
  if in_scores.ndim != 1 or out_scores.ndim != 1 or not len(in_scores) or not len(out_scores):
    raise ValueError(f"scores must be [N] and [M] with N, M > 0, got {in_scores.shape} and {out_scores.shape}")
  scores = np.concatenate([in_scores, out_scores])
  if not np.isfinite(scores).all():
    raise ValueError(f"scores must be finite; {int(np.sum(~np.isfinite(scores)))} of {len(scores)} are not")
  inside = np.concatenate([np.ones(len(in_scores), int), np.zeros(len(out_scores), int)])
  false_accepts, accepts, _ = metrics.roc_curve(inside, scores, drop_intermediate=False)
  return {
      "auroc": 100 * float(metrics.roc_auc_score(inside, scores)),
      "tnr95": 100 * float(1 - false_accepts[accepts >= 0.95].min()),
      "dtacc": 100 * float(np.max(accepts + 1 - false_accepts) / 2),
      "aupr_in": 100 * float(metrics.average_precision_score(inside, scores)),
      "aupr_out": 100 * float(metrics.average_precision_score(1 - inside, -scores)),
  }
