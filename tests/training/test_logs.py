"""The logs of a run: files and lines, or neither."""

import json

import numpy as np
import pytest

from apr_jax.training.logs import Logs

VALUES = {"loss": 1.25, "accuracy": 50.0, "learning_rate": 0.1, "images_per_second": 20.0}


def log(folder, **keywords):
  with Logs(folder, step=0, total_steps=100, batch_size=10, **keywords) as logs:
    logs.say("starts")
    logs.image(0, "picture", np.zeros((4, 4, 3), np.uint8))
    logs.train(9, 1.0, VALUES)
    logs.train(10, 1.1, VALUES | {"images_per_second": 0.0})
    logs.evaluation(10, 1.11119, {"clean_error": 12.5})
    logs.pgd(10, 1.1, 43.25)


def test_lines_on_the_console(tmp_path, capsys):
  log(tmp_path)
  assert capsys.readouterr().out.splitlines() == [
    "starts",
    "step 9/100, epoch 1.0: loss 1.250, accuracy 50.0 %, 20 images/s, 46 s left",
    "step 10/100, epoch 1.1: loss 1.250, accuracy 50.0 %, 0 images/s",
    "step 10/100, epoch 1.1: clean error 12.50 %",
    "step 10/100, epoch 1.1: accuracy under PGD 43.2 %",
  ]


def test_quiet_logs_write_and_print_nothing(tmp_path, capsys):
  log(tmp_path, quiet=True)
  assert capsys.readouterr().out == ""
  first, _, evaluation, last = map(
    json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines()
  )
  assert first == {"kind": "train", "step": 9, "epoch": 1.0} | VALUES
  assert evaluation == {"kind": "eval", "step": 10, "epoch": 1.1112, "clean_error": 12.5}
  assert last == {"kind": "pgd", "step": 10, "epoch": 1.1, "pgd_accuracy": 43.25}
  assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1


@pytest.mark.parametrize("quiet", [False, True])
def test_a_process_that_is_not_the_primary_writes_and_prints_nothing(tmp_path, capsys, quiet):
  log(tmp_path, primary=False, quiet=quiet)
  assert capsys.readouterr().out == "" and not list(tmp_path.iterdir())
