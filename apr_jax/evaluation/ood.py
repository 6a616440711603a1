"""Detection of out-of-distribution images by the network's confidence.

The headline score is the maximum softmax probability, as in the paper; the released code's maximum logit stands
beside it. Both are higher for in-distribution images.
"""

import numpy as np

from apr_jax import metrics
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.evaluation.suite import Parts, Task



def max_softmax(logits: np.ndarray) -> np.ndarray:
  """Largest softmax probability, float64 `[N]`; in double precision, where fewer confident images tie at 1."""
  return 1 / np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True)).sum(1)


def max_logit(logits: np.ndarray) -> np.ndarray:
  """Largest logit, float32 `[N]`."""
  return logits.max(1)


SCORES = {"max_softmax": max_softmax, "max_logit": max_logit}
HEADLINE = "max_softmax"


def parts(task: Task) -> Parts:
  if not task.ood_sets:
    raise UserError("no out-of-distribution sets are named; give --ood_sets, or leave ood out of --suites")
  for name in task.ood_sets:
    outside = task.load_test(name)
    yield name, lambda outside=outside: _score_set(task, outside)


def summarise(results: dict) -> dict:
  """Per set its metrics by the headline score in percent, "max_logit" and "examples"; "mean_auroc"; "score"."""
  return results | {"mean_auroc": float(np.mean([result["auroc"] for result in results.values()])),
                    "score": HEADLINE}


def _score_set(task: Task, outside: ArrayData) -> dict:
  out_logits = task.logits(outside.images)
  by_score = {score: metrics.ood_metrics(function(task.test_logits), function(out_logits))
              for score, function in SCORES.items()}
  return by_score.pop(HEADLINE) | by_score | {"examples": len(outside.images)}
