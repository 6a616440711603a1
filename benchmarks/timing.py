"""Times of functions measured in turns, so that what disturbs one disturbs all.

A function is called before each measured call: the first time it compiles, and later the threads of
the one before, which wait for work for a while, would take its cores.
"""

import statistics
import time
from collections.abc import Callable, Mapping


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
