"""A study of the smallest kind, and requests."""

import dataclasses
from typing import Any, ClassVar

import pytest

from apr_jax.report import plots
from apr_jax.settings import above, setting
from apr_jax.studies.study import Request, Study


@dataclasses.dataclass(frozen=True)
class Squares(Study):
  """The squares of the first numbers; `computed` tells which were computed, `broken` which
  cannot be.
  """

  count: int = setting(3, "numbers", above(0))
  label: str = setting("n", "of the axis")
  radii: tuple[float, ...] = setting((8.0, 16.0), "two numbers")
  names: tuple[str, ...] = setting((), "texts")

  title: ClassVar[str] = "Squares <of numbers>"
  asks: ClassVar[str] = "Do they grow?"
  published: ClassVar[str] = "They do."
  quick: ClassVar = {"count": 2}
  computed: ClassVar[list[int]] = []
  broken: ClassVar[set[int]] = set()

  def parts(self, request):
    for number in range(self.count):
      yield f"{number}", lambda number=number: self._square(number)

  def summarise(self, results):
    return {"squares": list(results.values()), "agrees": True}

  def lines(self, summary):
    return [f"largest {max(summary['squares'])}"]

  def figure(self, summary) -> Any:
    figure, frames = plots.frames(1, 1, 2, 2)
    frames[0][0].plot(summary["squares"])
    return figure

  def _square(self, number):
    if number in self.broken:
      raise RuntimeError("killed")
    self.computed.append(number)
    return number**2


@pytest.fixture
def squares():
  Squares.computed.clear()
  Squares.broken.clear()
  return Squares


@pytest.fixture
def request_in(tmp_path):
  """Makes a request in a folder of this test."""

  def make(name="study", **given) -> Request:
    return Request(tmp_path / name, quiet=True, **given)

  return make
