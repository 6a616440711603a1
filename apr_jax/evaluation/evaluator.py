'''What every evaluator is: parts that can be computed one by one, and a summary of their results.

An evaluator is an instance of a frozen dataclass. Its fields are its options: they are written to
`results.json`, and with other options nothing of an earlier evaluation is taken. So they are what
JSON can hold: numbers, texts, None, and tuples of them. A whole one:

    """How often the classifier is surer than a threshold."""

    @dataclasses.dataclass(frozen=True)
    class Sure(Evaluator):
      """The share of the test images whose largest probability is above a threshold.

      Attributes:
        threshold: in 0..1.
      """

      threshold: float = 0.9

      def parts(self, task):
        yield "clean", lambda: self._share(task)

      def summarise(self, results):
        """The "share" in percent, and the number of "examples"."""
        return results["clean"]

      def lines(self, summary):
        return [f"sure                   {summary['share']:6.2f} %"]

      def _share(self, task):
        sure = max_softmax(task.test_logits) > self.threshold
        return {"share": 100 * float(sure.mean()), "examples": len(sure)}

    apr_jax.evaluate(classifier, suites={"sure": Sure(0.5)}, out="runs/mine")

To add one to the package: write such a file and add a line to `suites.SUITES`; for a section in the
report, a function in `report/sections.py`.

The runner skips the parts that an earlier, interrupted evaluation has finished; not those whose
result is a dict with the key "missing", which says what could not be had. Parts of several
evaluators with the same name are computed one after the other, so that what they want of the same
images is computed once (`Task.once`).
'''

import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from apr_jax.errors import UserError
from apr_jax.evaluation.task import Task

Part = tuple[str, Callable[[], Any]]
"""Its name, and a function that computes its result, a JSON value."""
Parts = Iterator[Part]


@dataclasses.dataclass(frozen=True)
class Headline:
  """A score of a summary that tables show.

  Attributes:
    title: of its column, with the unit: "clean error %".
    read: the summary → the score; None, or a KeyError, where it is not defined.
  """

  title: str
  read: Callable[[dict], float | None]


class Evaluator(Protocol):
  """Scores a classifier; see above. The methods that have a body here are optional.

  Attributes:
    needs: names of the abilities that the classifier must have, of
      `classifiers.interface.ABILITIES`.
    reads: names of fields of `Settings` that choose its parts, such as "ood_sets": with another
      value there, an earlier summary no longer holds.
    beside: names of its options that add scores and change none of the others.
    headlines: {name: score that tables show}; a name is that of `apr_jax.published`, where the
      score is published.
  """

  # Read-only, so that a class may give them as class variables or compute them from its options.

  @property
  def needs(self) -> tuple[str, ...]:
    return ()

  @property
  def reads(self) -> tuple[str, ...]:
    return ()

  @property
  def beside(self) -> tuple[str, ...]:
    return ()

  @property
  def headlines(self) -> Mapping[str, Headline]:
    return {}

  def parts(self, task: Task) -> Parts:
    """(name, compute) of each part.

    What is missing must be said here, in a UserError, for all parts of all evaluators are listed
    before the first is computed. The name holds everything beyond the options and the images of the
    task that the result depends on.
    """
    ...

  def summarise(self, results: dict[str, Any]) -> dict:
    """What `results.json` holds, of {name: result} of all parts, in order."""
    ...

  def lines(self, summary: dict) -> list[str]:
    """The headline of the summary, for a terminal."""
    ...

  def write(self, folder: pathlib.Path, summary: dict | None) -> None:
    """Writes files beside the results.

    Args:
      folder: of the results.
      summary: as in `results.json`; None: the results no longer hold this suite, and files of an
        earlier evaluation are to go.
    """
    del folder, summary


def options(evaluator: Evaluator) -> dict[str, Any]:
  """The fields of an evaluator as JSON keeps them, behind "evaluator", the name of its class.

  Raises:
    UserError: it is no instance of a dataclass, or an option is none that JSON can hold.
  """
  name = type(evaluator).__name__
  derived = Evaluator in type(evaluator).__mro__
  if not (derived and dataclasses.is_dataclass(evaluator)) or isinstance(evaluator, type):
    raise UserError(
      f"an evaluator is an instance of a frozen dataclass derived from Evaluator, such as Clean(), "
      f"got {evaluator!r}"
    )
  try:
    return json.loads(json.dumps({"evaluator": name} | dataclasses.asdict(evaluator)))
  except TypeError as error:
    raise UserError(
      f"the options of the evaluator {name} must be what JSON can hold: {error}"
    ) from error
