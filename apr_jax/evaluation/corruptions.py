"""Errors under the 15 corruptions of the benchmarks, and their mean."""

from apr_jax import corruptions, metrics
from apr_jax.corruptions import SEVERITIES
from apr_jax.evaluation.corruption_sources import Load, logits_of, open_source
from apr_jax.evaluation.suite import Parts, Task


def parts(task: Task) -> Parts:
  """The 15 corruptions of the benchmark; see `parts_of`."""
  return parts_of(task, corruptions.CORRUPTIONS)


def parts_of(task: Task, names: tuple[str, ...]) -> Parts:
  """One part per corruption and severity, "name/severity"."""
  source, load = open_source(task, names)
  for name in names:
    for severity in SEVERITIES:
      yield (
        f"{name}/{severity}",
        lambda name=name, severity=severity: (
          _score_set(task, load, name, severity) | {"source": source}
        ),
      )


def summarise(results: dict) -> dict:
  """ "mean_error", "by_corruption" {name: [error per severity]} in percent; "source"; "examples" per
  set.

  On ImageNet's published files also "mce", the AlexNet-normalised score, which is defined on them
  alone.
  """
  first = next(iter(results.values()))
  errors = {
    name: [result["error"] for result in sets] for name, sets in by_corruption(results).items()
  }
  summary = {
    "mean_error": metrics.mean_error(errors),
    "by_corruption": errors,
    "source": first["source"],
    "examples": first["examples"],
  }
  published_imagenet = (first["data"], first["source"]) == ("imagenet2012", "published")
  if published_imagenet and errors.keys() == metrics.ALEXNET_ERRORS.keys():
    summary["mce"] = metrics.mce(errors)
  return summary


def lines(summary: dict, title: str = "mean corruption error") -> list[str]:
  """The mean error and, where it is defined, the mCE."""
  text = [
    f"{title:<22} {summary['mean_error']:6.2f} %   ({summary['source']}, {len(summary['by_corruption'])} × "
    f"{len(SEVERITIES)} sets of {summary['examples']} images)"
  ]
  if "mce" in summary:
    text.append(f"mCE                    {summary['mce']:6.2f} %   (errors relative to AlexNet's)")
  return text


def by_corruption(results: dict) -> dict[str, list]:
  """{corruption: the results of its parts "name/severity", in order}."""
  grouped = {}
  for part, result in results.items():
    grouped.setdefault(part.split("/")[0], []).append(result)
  return grouped


def _score_set(task: Task, load: Load, name: str, severity: int) -> dict:
  logits, labels = logits_of(task, load, name, severity)
  error = metrics.accuracy_and_error(logits, labels)["error"]
  return {"error": error, "examples": len(labels), "data": task.data_name}
