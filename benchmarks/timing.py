"""Times of functions measured in turns, so that what disturbs one disturbs all; a table of them.

A function is called before each measured call: the first time it compiles, and later the threads of
the one before, which wait for work for a while, would take its cores.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping


def seconds(
  functions: Mapping[str, Callable[[], object]],
  repeats: int,
  clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
  """Median seconds per call.

  Args:
    functions: name → a call that returns when its work is done.
    repeats: rounds; every round calls each function twice and measures the second call.
    clock: `time.perf_counter`, or `time.process_time` to leave out what other processes take of a
      core.
  """
  times = {name: [] for name in functions}
  for _ in range(repeats):
    for name, function in functions.items():
      function()
      start = clock()
      function()
      times[name].append(clock() - start)
  return {name: statistics.median(values) for name, values in times.items()}


def pairs(
  functions: Mapping[str, tuple[Callable[[], object], Callable[[], object]]], repeats: int
) -> Iterator[tuple[str, float, float]]:
  """(name, CPU seconds of the first function, of the second) of each pair; see `seconds`."""
  for name, (first, second) in functions.items():
    times = seconds({"first": first, "second": second}, repeats, time.process_time)
    yield name, times["first"], times["second"]


def print_shares(
  subject: str,
  before: str,
  after: str,
  rows: Iterable[tuple[str, float, float]],
  bar: float,
  digits: int = 2,
) -> bool:
  """Prints a Markdown table of what takes a share of the CPU time that it took, row by row.

  Args:
    subject, before, after: titles: what is compared, and the two ways of it.
    rows: (name, CPU seconds before, CPU seconds after) each, computed while the table is printed.
    bar: the largest share that passes.
    digits: of the seconds, behind the point.

  Returns:
    whether a row missed the bar.
  """
  print(f"| {subject} | {before}, CPU s | {after}, CPU s | ratio | bar |")
  print("|---|---|---|---|---|")
  missed = False
  for name, old, new in rows:
    ratio = new / old
    missed |= ratio > bar
    verdict = "PASS" if ratio <= bar else "FAIL"
    print(
      f"| {name} | {old:.{digits}f} | {new:.{digits}f} | {ratio:.2f} | {bar}, {verdict} |",
      flush=True,
    )
  return missed
