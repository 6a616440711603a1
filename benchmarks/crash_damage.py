"""Files that a disk has damaged, for the crash benchmark: what is done to them, and whether it is
noticed.
"""

import pathlib
import shutil
from collections.abc import Callable
from typing import Any

from apr_jax.run import checkpoint


def cut(file: pathlib.Path) -> None:
  file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: pathlib.Path) -> None:
  file.write_bytes(b"")


def flip(file: pathlib.Path) -> None:
  """One bit in the middle; of a record of lines, in the middle of its second line."""
  content = bytearray(file.read_bytes())
  first = content.index(b"\n") + 1 if file.suffix == ".jsonl" else 0
  end = content.index(b"\n", first) if file.suffix == ".jsonl" else len(content)
  content[(first + end) // 2] ^= 1
  file.write_bytes(content)


def remove(file: pathlib.Path) -> None:
  file.unlink()


DAMAGES: dict[str, Callable[[pathlib.Path], None]] = {
  "cut": cut,
  "emptied": empty,
  "with one bit flipped": flip,
  "removed": remove,
}


def damage_all(bench: Any, run: pathlib.Path, times: int) -> None:
  """Damages files of the newest checkpoint in each way, and goes on; then all checkpoints, the
  compilation cache, and the files of an evaluation.

  Args:
    bench: of `benchmarks.crash`, which imports this.
    run: a finished training.
    times: how many files of a checkpoint; `tests/run/test_checkpoint.py` goes through all.
  """
  from benchmarks.crash import evaluate, results, train

  expected = bench.digest(run)
  step = checkpoint.latest_step(run)
  files = sorted(
    file.relative_to(run)
    for part in checkpoint.PARTS
    for file in (run / checkpoint.FOLDER / str(step) / part).rglob("*")
    if file.is_file()
  )
  for name, damage in DAMAGES.items():
    same = True
    files = bench.random.sample(files, min(times, len(files)))
    for file in files:
      copy = bench.new("damaged")
      shutil.copytree(run, copy)
      damage(copy / file)
      ended = bench.finish(train(copy))
      same &= "is damaged (" in ended.err and len(ended.err.splitlines()) == 1
      same &= bench.digest(copy) == expected
      shutil.rmtree(copy)
    bench.row(
      f"training: a file of its newest checkpoint {name}",
      len(files),
      same,
      "the steps since the one before",
      "one line; goes on from the one before, and ends bitwise the same",
    )
  copy = bench.new("damaged")
  shutil.copytree(run, copy)
  for folder in (copy / checkpoint.FOLDER).iterdir():
    cut(next((folder / "model" / "d").iterdir()))
  before = sorted(copy.rglob("*"))
  ended = bench.start(train(copy)).wait()
  same = ended.code == 2 and len(ended.err.splitlines()) == 1 and sorted(copy.rglob("*")) == before
  bench.row("training: all checkpoints cut", 1, same, "nothing is deleted", "one line, exit code 2")

  compiled = sorted((bench.folder / "compiled").glob("*-cache"))
  whole, same = [file.read_bytes() for file in compiled], True
  for damage in (cut, empty, flip):
    for file, content in zip(compiled, whole):
      file.write_bytes(content)
      damage(file)
    copy = bench.new("anew")
    ended = bench.finish(train(copy))
    same &= bench.digest(copy) == expected
    same &= all("compiled anew" in line for line in ended.err.splitlines())
  for file, content in zip(compiled, whole):
    file.write_bytes(content)
  bench.row(
    f"training: {len(compiled)} files of the compilation cache cut, emptied, flipped",
    3,
    same,
    "nothing",
    "compiled anew, with a line for each file that was needed",
  )

  suites = "--suites=clean,ood"
  whole = bench.new("evaluation")
  bench.finish(evaluate(run, whole, suites))
  for pattern in ("results.json", "parts-*.jsonl"):
    same = True
    for damage in (cut, empty, flip):
      copy = bench.new("damaged")
      shutil.copytree(whole, copy)
      (file,) = copy.glob(pattern)
      damage(file)
      ended = bench.finish(evaluate(run, copy, suites))
      same &= results(copy) == results(whole)
      same &= len(ended.err.splitlines()) == (1 if damage is flip or pattern[0] == "r" else 0)
    bench.row(f"evaluation: {pattern} cut, emptied, flipped", 3, same, "no score", "made again")
