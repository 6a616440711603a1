"""An evaluation that several processes share; here they are threads."""

import json
import threading

import numpy as np
import pytest

from apr_jax.errors import UserError
from apr_jax.evaluation.division import Board, Division


class Threads:
  """What `Companions` is to a division: process 0 answers, and what is sent goes through JSON."""

  def __init__(self, count, parts):
    self.count, self.recorded = count, []
    self.board = Board(
      parts, count, "same", lambda name, results: self.recorded.append((name, results))
    )

  def ask(self, what, data=b""):
    answer, content = self.board.answer(1, json.loads(json.dumps(what)), bytes(data))
    return json.loads(json.dumps(answer)), content

  def run(self, work):
    """Calls `work(division, number)` in each of the threads."""
    failures = []

    def guarded(number):
      try:
        work(Division(self, block=10), number)
      except Exception as error:
        failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(self.count)]
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join(60)
    assert not failures and not any(thread.is_alive() for thread in threads)


def drive(division, compute):
  for _ in division.work("same", compute):
    pass


def test_each_part_is_computed_once_with_the_keys_that_lack_it():
  parts = {f"part {number}": ["a"] if number % 2 else ["a", "b"] for number in range(20)}
  threads, computed = Threads(3, parts), []

  def compute(part, keys):
    computed.append((part, tuple(keys)))
    return {key: [part, 1 / 3] for key in keys}

  threads.run(lambda division, number: drive(division, compute))
  assert sorted(computed) == sorted((part, tuple(keys)) for part, keys in parts.items())
  assert dict(threads.recorded) == {
    part: {key: [part, 1 / 3] for key in keys} for part, keys in parts.items()
  }


def logits_of(images):
  return images.reshape(len(images), -1).astype(np.float32) / 7


IMAGES = np.random.default_rng(0).integers(0, 256, (95, 2, 2, 3), dtype=np.uint8)


@pytest.mark.parametrize("kept", [True, False])
def test_the_last_part_and_the_test_images_are_divided_into_blocks(kept):
  """Each of three processes waits in its first block until all three have one."""
  threads, seen, together = Threads(3, {"the only part": ["a"]}), [], threading.Barrier(3)

  def work(division, number):
    def classify(images):
      if number not in (who for who, _ in seen):
        together.wait(30)
      seen.append((number, len(images)))
      return logits_of(images)

    def compute(part, keys):
      del part
      return {key: division.logits(IMAGES, classify, kept=kept).tolist() for key in keys}

    if kept:  # each of them asks, for parts of their own
      np.testing.assert_array_equal(division.logits(IMAGES, classify, kept=True), logits_of(IMAGES))
    drive(division, compute)

  threads.run(work)
  assert threads.recorded == [("the only part", {"a": logits_of(IMAGES).tolist()})]
  assert sorted(size for _, size in seen) == [5, *[10] * 9]  # each image once
  assert {who for who, _ in seen} == {0, 1, 2}


def test_few_images_and_parts_of_which_there_are_enough_are_not_divided():
  threads = Threads(1, {"a": ["k"], "b": ["k"]})
  seen = []

  def compute(part, keys):
    division.logits(IMAGES, lambda images: seen.append(len(images)) or logits_of(images))
    return dict.fromkeys(keys, part)

  division = Division(threads, block=10)
  drive(division, compute)
  assert seen == [95, 95]
  assert len(division.logits(IMAGES[:9], logits_of, kept=True)) == 9


def test_a_process_that_evaluates_something_else_is_refused():
  threads = Threads(2, {"a": ["k"]})
  with pytest.raises(UserError, match="conditions other here, same there.*same weights, data"):
    next(Division(threads).work("other", lambda part, keys: {}))
