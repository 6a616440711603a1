"""`metrics.jsonl`, the record of a run: a line per logged window of steps, a line per evaluation,
and with `adversary.log_pgd` a line per epoch.

    {"kind": "train", "step", "epoch", "loss", "accuracy", "learning_rate", "images_per_second"}
    {"kind": "eval", "step", "epoch", "clean_error"}
    {"kind": "pgd", "step", "epoch", "pgd_accuracy"}

`step` counts finished steps, `epoch` is a fraction, accuracies and errors are in percent. Runs on a
stream also have "input_wait", the percentage of the window's time in which the devices had nothing
to do for want of images; with `optimizer.skip_nonfinite` there is "skipped_steps", their number in
the window. In an object store it is a folder of that name; see `files.Lines`.
"""

import json
import pathlib

from apr_jax.files import Lines

METRICS = "metrics.jsonl"


class MetricsFile:
  """Writes the lines of one workdir, each at once.

  Args:
    workdir: folder of the run.
    step: steps done before. Lines of later steps, from an earlier start, are dropped: the run
      repeats them.
  """

  def __init__(self, workdir: pathlib.Path, step: int):
    self._lines = Lines(workdir / METRICS)
    self._lines.start(
      [line for line, values in _whole_lines(workdir / METRICS) if values["step"] <= step]
    )

  def write(self, kind: str, step: int, epoch: float, values: dict[str, float]) -> None:
    """Adds a line of this kind, "train", "eval" or "pgd"."""
    line = {"kind": kind, "step": step, "epoch": round(epoch, 4)} | values
    self._lines.append(json.dumps(line))


def read_metrics(path: pathlib.Path) -> list[dict]:
  """The lines of a `metrics.jsonl`, [] without the file. Half of a killed run's last line, or one
  not of ours, is left out.
  """
  return [values for _, values in _whole_lines(path)]


def _whole_lines(path: pathlib.Path) -> list[tuple[str, dict]]:
  """Each line that is whole, with its values."""
  read = [(line, _values(line)) for line in Lines(path).read()]
  return [(line, values) for line, values in read if values is not None]


def _values(line: str) -> dict | None:
  try:
    values = json.loads(line)
  except (ValueError, RecursionError):
    return None
  ours = (
    isinstance(values, dict)
    and isinstance(values.get("kind"), str)
    and all(isinstance(values.get(key), (int, float)) for key in ("step", "epoch"))
  )
  return values if ours else None
