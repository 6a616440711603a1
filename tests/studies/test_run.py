"""How a study is run: what it writes, what a second start skips, and what a user can do wrong."""

import json
import pathlib

import pytest

from apr_jax.errors import UserError
from apr_jax.studies import __main__ as command, options
from apr_jax.studies.names import STUDIES
from apr_jax.studies.run import FIGURE_PNG, FIGURE_SVG, NUMBERS, PAGE, run
from apr_jax.studies.study import Study

ROOT = pathlib.Path(__file__).parents[2]


def test_numbers_figure_and_page_are_written(squares, request_in):
  request = request_in()
  written = run("squares", squares(), request)
  assert written == json.loads((request.workdir / NUMBERS).read_text())
  assert written["results"] == {"squares": [0, 1, 4], "agrees": True}
  assert written["options"]["count"] == 3 and written["study"] == "squares"
  assert {"jax", "scikit-learn", "apr_jax", "python"} <= written["meta"]["versions"].keys()
  assert (request.workdir / FIGURE_SVG).read_text().startswith("<?xml")
  assert (request.workdir / FIGURE_PNG).read_bytes().startswith(b"\x89PNG")
  page = (request.workdir / PAGE).read_text()
  for text in (
    "Squares &lt;of numbers&gt;",
    "Do they grow?",
    "They do.",
    "largest 4",
    "agrees with",
  ):
    assert text in page


def test_a_second_start_skips_what_is_finished_and_computes_the_rest(squares, request_in):
  request = request_in()
  squares.broken.add(2)
  with pytest.raises(RuntimeError, match="killed"):
    run("squares", squares(), request)
  assert squares.computed == [0, 1]
  squares.broken.clear()
  assert run("squares", squares(), request)["results"]["squares"] == [0, 1, 4]
  assert squares.computed == [0, 1, 2]
  run("squares", squares(), request)
  assert squares.computed == [0, 1, 2]
  # With other options it is another study: nothing is taken from this one.
  run("squares", squares(label="m"), request)
  assert squares.computed == [0, 1, 2, 0, 1, 2]


def test_a_second_study_in_the_folder_is_refused(squares, request_in):
  request = request_in()

  class Nested(squares):
    def _square(self, number):
      with pytest.raises(UserError, match="another study is at work in"):
        run("squares", squares(), request)
      return super()._square(number)

  assert run("squares", Nested(), request)["results"]["squares"] == [0, 1, 4]
  run("squares", squares(label="m"), request)  # let go of


def test_a_flag_that_the_study_does_not_read_is_refused(squares, request_in):
  with pytest.raises(UserError, match="the study squares takes no --runs; leave it out"):
    run("squares", squares(), request_in(runs=("runs/a",)))


def test_a_folder_that_cannot_be_made_is_one_line(squares, request_in, tmp_path):
  (tmp_path / "study").write_text("a file")
  with pytest.raises(UserError, match="cannot be written"):
    run("squares", squares(), request_in())


def test_options_have_the_types_of_their_defaults(squares):
  made = options.make("squares", squares, False, ["count=5", "radii=4,12", "names=a,b", "label=7"])
  assert (made.count, made.radii, made.names, made.label) == (5, (4.0, 12.0), ("a", "b"), "7")
  assert options.make("squares", squares, True, []).count == 2
  assert options.make("squares", squares, True, ["count=9"]).count == 9


@pytest.mark.parametrize(
  "text, message",
  [
    ("count", "an option is OPTION=VALUE"),
    ("cuont=1", "unknown option of the study squares 'cuont'; did you mean 'count'?"),
    ("count=many", "the option count is of type int, such as 3; got 'many'"),
    ("count=0", "count must be above 0, got 0"),
    ("radii=4,far", "the option radii is of type float"),
  ],
)
def test_a_wrong_option_is_one_line(squares, text, message):
  with pytest.raises(UserError) as error:
    options.make("squares", squares, False, [text])
  assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("cls", STUDIES.values(), ids=STUDIES)
def test_what_a_study_says_of_itself(cls):
  assert issubclass(cls, Study) and cls.__doc__ and cls.title and cls.asks.endswith("?")
  assert cls.takes <= {"data_dir", "config", "changes", "runs"}
  for quick in (False, True):
    options.make("study", cls, quick, [])
  assert all(line.startswith("  ") for line in options.explain(cls))


def test_the_listing_names_every_study():
  listing = "\n".join(command.listing())
  assert all(f"{name}: {cls.asks}" in listing for name, cls in STUDIES.items())


@pytest.mark.slow
def test_what_the_user_did_wrong_is_one_line_and_exit_code_2(tmp_path, forks):
  done = forks.run(["-m", "apr_jax.studies", "templats"], cwd=tmp_path)
  assert done.returncode == 2 and done.stdout == ""
  assert done.stderr.startswith("error: unknown study 'templats'; did you mean 'templates'?")
  assert done.stderr.count("\n") == 1
