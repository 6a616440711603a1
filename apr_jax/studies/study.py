'''What every study is: parts that can be computed one by one, a summary of them, and a figure.

A study is an instance of a frozen dataclass whose fields are its options, made by
`settings.setting`. A whole one:

    """Whether digits are brighter than photographs."""

    @dataclasses.dataclass(frozen=True)
    class Brightness(Study):
      data: str = setting("digits", "name of the data set")

      title: ClassVar[str] = "Brightness"
      asks: ClassVar[str] = "Which images are brighter?"
      published: ClassVar[str] = "Nothing is published."
      takes: ClassVar[frozenset[str]] = frozenset({"data_dir"})

      def parts(self, request):
        for name in (self.data, "photo_patches"):
          yield name, functools.partial(mean_of, name, request.data_dir)

      def summarise(self, results):
        return {"brightness": results, "agrees": None}

      def lines(self, summary):
        return [f"{name}: {mean:.2f}" for name, mean in summary["brightness"].items()]

      def figure(self, summary):
        ...

To add one: write such a file and add a line to `names.STUDIES`.
'''

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

Part = tuple[str, Callable[[], Any]]
"""Its name, and a function that computes its result, a JSON value."""


@dataclasses.dataclass(frozen=True)
class Request:
  """What the user asked for beside the options of the study.

  Attributes:
    workdir: folder of the study.
    quick: whether it is run at its small size.
    data_dir: where data sets lie; "" = TFDS's default.
    config: the configuration file of the trainings; None = the study's own.
    changes: "KEY=VALUE" each, in that configuration.
    runs: folders of trained networks; () = the study's own choice.
    quiet: show no progress.
  """

  workdir: pathlib.Path
  quick: bool = False
  data_dir: str = ""
  config: str | None = None
  changes: tuple[str, ...] = ()
  runs: tuple[str, ...] = ()
  quiet: bool = False


@dataclasses.dataclass(frozen=True)
class Study:
  """See above. The methods that have a body here are optional.

  Attributes:
    title: of its page.
    asks: its question, in a sentence.
    published: what its source found, and where.
    takes: which parts of the request it reads, of "data_dir", "config", "changes" and "runs".
    quick: options of the small size.
  """

  title: ClassVar[str]
  asks: ClassVar[str]
  published: ClassVar[str]
  takes: ClassVar[frozenset[str]] = frozenset()
  quick: ClassVar[Mapping[str, Any]] = {}

  def conditions(self, request: Request) -> Mapping[str, Any]:
    """What the parts depend on beside the options, the code and the versions, for JSON: which data,
    which networks, which configuration.

    Raises:
      UserError: something that is asked for is not there; nothing has been computed yet.
    """
    del request
    return {}

  def parts(self, request: Request) -> Iterator[Part]:
    """(name, compute) of each part."""
    raise NotImplementedError

  def summarise(self, results: Mapping[str, Any]) -> dict[str, Any]:
    """What `study.json` holds, of {name: result} of all parts, in order. "agrees" says whether the
    sign of the published finding is that of ours: true, false, or null where it cannot be told.
    """
    raise NotImplementedError

  def lines(self, summary: Mapping[str, Any]) -> list[str]:
    """The finding, for a terminal and the page."""
    raise NotImplementedError

  def figure(self, summary: Mapping[str, Any]) -> Any:
    """The figure, as matplotlib's `Figure`."""
    raise NotImplementedError

  def blocks(self, summary: Mapping[str, Any]) -> list[str]:
    """Tables for the page, of `report.html`, below the figure."""
    del summary
    return []
