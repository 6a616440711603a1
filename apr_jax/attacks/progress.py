"""The progress bar of an ensemble: the images that stand, and the time left if they all stand to
the end.
"""

from collections.abc import Sequence

import tqdm


class Progress:
  """A bar on stderr; its length is passes of one image through the network, gradients counted as
  three.

  Args:
    runs: (what it is, cost per image in passes forward) of each run.
    shown: None: if stderr is a terminal.
  """

  def __init__(self, runs: Sequence[tuple[str, float]], shown: bool | None = None):
    self._runs, self._cost = runs, 0.0
    self._bar = tqdm.tqdm(
      total=0,
      disable=None if shown is None else not shown,
      bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}",
    )

  def begin(self, run: int, standing: int) -> None:
    """A run of this number begins, with so many images."""
    name, self._cost = self._runs[run]
    rest = sum(cost for _, cost in self._runs[run:])
    self._bar.total = self._bar.n + max(rest * standing, 1)
    self._bar.set_description_str(name, refresh=False)
    self._bar.set_postfix_str(f"{standing:,} standing")

  def advance(self, images: float) -> None:
    """So many images have gone through a run; parts of an image count."""
    self._bar.update(images * self._cost)

  def __enter__(self) -> "Progress":
    return self

  def __exit__(self, *_: object) -> None:
    self._bar.close()
