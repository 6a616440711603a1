"""Tables of runs: configuration × network, scores over seeds, the published number beside each and
the difference.

A score is the mean ± the sample standard deviation over the seeds, in percent; of one seed the
score alone. Seeds that were scored on different images have no mean, and a changed recipe no
difference from a published number.
"""

import csv
import dataclasses
import io
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from apr_jax.published import Figure, data_set, other_recipe, published
from apr_jax.report.results import NOTHING, Scores, all_metrics, deviations

FINISHED, FAILED, NOT_RUN = "finished", "failed", "not run"
UNKNOWN = "changes unknown"
"""The `changes` of a run whose configuration file is not there."""


@dataclasses.dataclass(frozen=True)
class Entry:
  """One run of a table.

  Attributes:
    experiment: name of its configuration file without ".py"; of a classifier that was not trained
      here, its own.
    changes: what it changes in that file, "epochs=1"; "" for nothing; UNKNOWN.
    network: name in the zoo, or a dash.
    seed: of the run; None of a classifier that was not trained here.
    state: FINISHED, FAILED or NOT_RUN.
    scores: of a finished run.
    reason: why it failed, one line.
    data_name: of the data set that a run without scores is for; "" = that of the experiment.
    folder: what tells it from another run of the same seed; "" for nothing.
  """

  experiment: str
  changes: str
  network: str
  seed: int | None
  state: str
  scores: Scores | None = None
  reason: str = ""
  data_name: str = ""
  folder: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
  """A score over the seeds of a row.

  Attributes:
    values: one per finished run that has the score, in percent.
    figure: the published number, if there is one.
    not_comparable: why the two must not be compared, or None.
    mixed: whether the values are of different images, so that they have no mean.
  """

  values: tuple[float, ...]
  figure: Figure | None
  not_comparable: str | None
  mixed: bool = False

  @property
  def mean(self) -> float | None:
    return statistics.fmean(self.values) if self.values and not self.mixed else None

  @property
  def std(self) -> float | None:
    """Sample standard deviation; None below two values."""
    return statistics.stdev(self.values) if len(self.values) > 1 and not self.mixed else None

  @property
  def difference(self) -> float | None:
    """Mean − published number; None where they must not or cannot be compared."""
    if self.mean is None or self.figure is None or self.not_comparable:
      return None
    return self.mean - self.figure.value


class Row:
  """The runs of one configuration and network.

  Attributes:
    entries: they differ in their seeds.
    finished: those with scores.
    cells: {metric: Cell}.
  """

  def __init__(self, entries: Sequence[Entry]):
    self.entries = tuple(entries)
    self.finished = tuple(entry for entry in entries if entry.state == FINISHED)
    self._scores = tuple(entry.scores for entry in self.finished if entry.scores is not None)
    self.cells = {metric: self._cell(metric) for metric in all_metrics()}

  @property
  def label(self) -> str:
    """The configuration, with what is changed in it."""
    first = self.entries[0]
    behind = ", ".join(filter(None, (first.changes, first.folder)))
    return first.experiment + (f" ({behind})" if behind else "")

  @property
  def network(self) -> str:
    return self.entries[0].network

  @property
  def count(self) -> str:
    """How many runs there are: "3", or "2 of 3" when not all are finished."""
    total, finished = len(self.entries), len(self.finished)
    return str(total) if finished == total else f"{finished} of {total}"

  @property
  def state(self) -> str:
    """FINISHED if any run is, else NOT_RUN if any still has to run, else FAILED."""
    states = {entry.state for entry in self.entries}
    return next(state for state in (FINISHED, NOT_RUN, FAILED) if state in states)

  @property
  def notes(self) -> list[str]:
    """Why runs failed, and where the scores of the others come from."""
    notes = [
      f"seed {entry.seed} failed: {entry.reason}" for entry in self.entries if entry.state == FAILED
    ]
    for source in self._all(lambda scores: scores.corruption_source):
      notes.append(
        "corruptions regenerated, not comparable with published scores"
        if source == "regenerated"
        else f"corruptions: {source}"
      )
    notes += [f"OOD: {', '.join(sets)}" for sets in self._all(lambda scores: scores.ood_sets)]
    mixed = [all_metrics()[metric].title for metric, cell in self.cells.items() if cell.mixed]
    if mixed:
      notes.append(f"no mean of seeds that were scored on different images: {', '.join(mixed)}")
    if any(cell.values and cell.figure for cell in self.cells.values()):
      first = self.entries[0]
      reasons = (
        f"changed recipe: {first.changes}" if first.changes else "",
        other_recipe(first.experiment),
      )
      notes += [f"{reason}, not comparable with published scores" for reason in reasons if reason]
    return notes + [
      f"on {limit}, not comparable with published scores"
      for limit in self._all(lambda scores: scores.limit)
    ]

  @property
  def _data_name(self) -> str:
    return self._scores[0].data_name if self._scores else self.entries[0].data_name

  def _cell(self, metric: str) -> Cell:
    first = self.entries[0]
    read = [(scores, scores.value(metric)) for scores in self._scores]
    scored = [scores for scores, value in read if value is not None]
    values = tuple(value for _, value in read if value is not None)
    if scored:
      figures = {scores.published(metric) for scores in scored}
    elif metric == "ood_auroc":
      figures = {None}  # it depends on the sets, which are not known yet
    elif self._data_name not in ("", data_set(first.experiment)):
      figures = {None}
    else:
      figures = {published(first.experiment, self.network, metric)}
    figure = figures.pop() if len(figures) == 1 else None
    changed = (
      [UNKNOWN if first.changes == UNKNOWN else f"changed recipe: {first.changes}"]
      if first.changes
      else []
    )
    reasons = changed + self._all(lambda scores: scores.not_comparable(metric))
    return Cell(
      values,
      figure,
      reasons[0] if reasons else None,
      mixed=len({scores.images(metric) for scores in scored}) > 1,
    )

  def _all(self, read: Callable[[Scores], object]) -> list:
    """The different values that the finished runs have, without empty ones, in order."""
    return [value for value in dict.fromkeys(map(read, self._scores)) if value]


def entry_of(scores: Scores, original: Mapping[str, Any] | None) -> Entry:
  """The entry of an evaluation.

  Args:
    scores: what it wrote.
    original: the nested values of the configuration file of the run's name; None if it is not
      there.
  """
  if scores.config is None or not scores.experiment:  # nothing is published under no name
    changes = ""
  elif original is None:
    changes = UNKNOWN
  else:
    changes = deviations(scores.config, original)
  return Entry(scores.title, changes, scores.network, scores.seed, FINISHED, scores)


def make_rows(entries: Iterable[Entry]) -> list[Row]:
  """One row per configuration, network and folder, in the order of their first runs."""
  groups: dict[tuple[str, ...], list[Entry]] = {}
  for entry in entries:
    groups.setdefault((entry.experiment, entry.changes, entry.network, entry.folder), []).append(
      entry
    )
  return [Row(group) for group in groups.values()]


def to_lines(rows: Sequence[Row]) -> list[list[str]]:
  """The table as texts, the header first. A score that no row has, measured or published, has no
  column.
  """
  metrics = [
    metric
    for metric in all_metrics()
    if any(row.cells[metric].values or row.cells[metric].figure for row in rows)
  ] or list(all_metrics())[:1]
  with_figures = {metric for metric in metrics if any(row.cells[metric].figure for row in rows)}
  header = ["configuration", "network", "n"]
  for metric in metrics:
    header += [
      all_metrics()[metric].title,
      *(["published", "difference"] if metric in with_figures else []),
    ]
  lines = [[*header, "notes"]]
  for row in rows:
    line = [row.label, row.network, row.count]
    for metric in metrics:
      line += _texts(row, metric)[: 3 if metric in with_figures else 1]
    lines.append([*line, "; ".join(row.notes)])
  return lines


def to_markdown(rows: Sequence[Row]) -> str:
  """The table, aligned."""
  lines = [[cell.replace("|", "\\|") for cell in line] for line in to_lines(rows)]
  widths = [max(map(len, column)) for column in zip(*lines)]
  # The last column is as wide as an error message: not padded.
  padded = [
    [cell.ljust(width) for cell, width in zip(line, widths[:-1])] + line[-1:] for line in lines
  ]
  rule = ["-" * width for width in widths[:-1]] + ["---"]
  return "".join(f"| {' | '.join(line)} |\n" for line in (padded[0], rule, *padded[1:]))


def to_csv(rows: Sequence[Row]) -> str:
  """The table for programs: unrounded, every score with its standard deviation, number and
  published source.
  """
  parts = ("mean", "std", "n", "published", "difference", "published_source")
  stream = io.StringIO()
  writer = csv.writer(stream, lineterminator="\n")
  writer.writerow(
    [
      "configuration",
      "changes",
      "network",
      "seeds",
      "finished",
      *(f"{metric}_{part}" for metric in all_metrics() for part in parts),
      "notes",
    ]
  )
  for row in rows:
    line = [
      row.entries[0].experiment,
      row.entries[0].changes,
      row.network,
      " ".join(str(entry.seed) for entry in row.entries if entry.seed is not None),
      len(row.finished),
    ]
    for cell in row.cells.values():
      value, source = (cell.figure.value, cell.figure.source) if cell.figure else (None, None)
      line += [cell.mean, cell.std, len(cell.values), value, cell.difference, source]
    writer.writerow([*line, "; ".join(row.notes)])
  return stream.getvalue()


def _texts(row: Row, metric: str) -> tuple[str, str, str]:
  """The score, the published number and the difference, as they are shown."""
  cell = row.cells[metric]
  if cell.mixed:
    score = "mixed"
  elif cell.mean is None:
    score = NOTHING if row.finished else row.state
  else:
    score = f"{cell.mean:.2f}" + ("" if cell.std is None else f" ± {cell.std:.2f}")
    if len(cell.values) != len(row.finished):
      score += f" (n = {len(cell.values)})"
  if cell.figure is None:
    return score, NOTHING, NOTHING
  if cell.difference is not None:
    difference = f"{cell.difference:+.2f}"
  else:
    difference = NOTHING if cell.mean is None else "not comparable"
  return score, f"{cell.figure.value:.2f}".removesuffix("0"), difference
