"""The real training and evaluation of a run, and what is done again when something else is asked
for.
"""

import json
import pathlib

import pytest

from apr_jax.errors import UserError
from apr_jax.sweep import one_run, run_all
from apr_jax.sweep.plan import make_plan

CONFIG = pathlib.Path(__file__).parents[2] / "configs" / "digits_standard.py"
SUITES = ("clean", "ood")
TINY = (
  "batch_size=64",
  "data.limit=64",
  "eval_every_epochs=0",
  "augment.crop_padding=0",
  "schedule.name=constant",
  "schedule.warmup_epochs=0.0",
)


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
  """Completes the run, with these settings, in one and the same folder; returns it."""
  folder = tmp_path_factory.mktemp("sweep")

  def complete(*overrides):
    (run,) = make_plan([str(CONFIG)], [], ["0"], [*TINY, *overrides], str(folder))
    assert run.finished(SUITES) is None
    one_run.complete(run.config, str(run.folder), SUITES)
    return run

  return complete


def results(run):
  return json.loads((run.folder / "eval" / "results.json").read_text())


def test_a_trained_run_is_evaluated_as_it_is_asked_for(complete, tmp_path, capsys):
  first = complete("epochs=2", "evaluation.ood_sets=('uniform_noise',)")
  assert first.finished(SUITES).ood_sets == ("uniform_noise",)
  other = complete(
    "epochs=2", "evaluation.ood_sets=('photo_patches',)", f"data.data_dir={tmp_path}"
  )
  assert "nothing left to do" in capsys.readouterr().out
  assert other.finished(SUITES).ood_sets == ("photo_patches",) and first.finished(SUITES) is None
  assert results(other)["meta"]["data_dir"] == str(tmp_path)

  with pytest.raises(
    UserError, match="is trained for 2 steps already, more than the 1 of epochs=1"
  ) as error:
    complete("epochs=1", "evaluation.ood_sets=('photo_patches',)")
  assert str(other.folder) in str(error.value) and "at least epochs=2" in str(error.value)
  assert other.finished(SUITES)  # nothing has changed


def test_the_averaged_weights_have_results_and_a_row_of_their_own(tmp_path):
  overrides = [*TINY, "epochs=1", "optimizer.average_decay=0.5"]
  overrides.append("evaluation.ood_sets=('uniform_noise',)")
  (run,) = make_plan([str(CONFIG)], [], ["0"], overrides, str(tmp_path))
  one_run.complete(run.config, str(run.folder), ("clean",))
  entries = run_all.run_all([run], ("clean",), tmp_path)
  assert [entry.state for entry in entries] == ["finished"]
  own, average = (tmp_path / run_all.TABLE).read_text().splitlines()[2:]
  assert own.startswith("| digits_standard (") and average.startswith(
    "| digits_standard, averaged weights ("
  )
