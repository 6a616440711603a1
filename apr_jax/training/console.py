"""What a run shows while it trains: lines, and on a terminal a progress bar below them."""

import sys

import tqdm


class Console:
  """Prints on standard output; where standard error is a terminal, a bar stands there.

  Args:
    images: of the whole run.
    images_done: before.
  """

  def __init__(self, images: int, images_done: int):
    self._bar = None
    if sys.stderr.isatty():
      self._bar = tqdm.tqdm(total=images, initial=images_done, unit="img", unit_scale=True)

  def say(self, line: str) -> None:
    """Prints a line, above the bar if there is one."""
    if self._bar is None:
      print(line, flush=True)
    else:
      self._bar.write(line)

  def progress(self, images_done: int, line: str, short: str) -> None:
    """Moves the bar and puts `short` behind it, or prints the line."""
    if self._bar is None:
      print(line, flush=True)
    else:
      self._bar.update(images_done - self._bar.n)
      self._bar.set_postfix_str(short)

  def close(self) -> None:
    """Leaves the bar as it is."""
    if self._bar is not None:
      self._bar.close()
