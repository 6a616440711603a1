"""Runs one of the papers' frequency studies:

    python -m apr_jax.studies NAME --workdir DIR [--quick] [--data_dir DIR] [--option KEY=VALUE]

It ends in DIR/study.json (all numbers, options, versions), figure.svg, figure.png and study.html.
The same command goes on where an earlier one stopped: finished parts are skipped, and trainings
continue from their checkpoints. --quick is a size for two CPU cores and minutes.

`python -m apr_jax.studies` without a name lists the studies and their options.
"""

from absl import flags

from apr_jax import cli, files
from apr_jax.errors import UserError, lookup
from apr_jax.studies import options, run
from apr_jax.studies.names import STUDIES
from apr_jax.studies.study import Request

FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Folder of the study; default: runs/studies/NAME.", flag_values=FLAGS
)
_QUICK = flags.DEFINE_bool(
  "quick", False, "A small size, for two CPU cores and minutes.", flag_values=FLAGS
)
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Where data sets lie.", flag_values=FLAGS)
_CONFIG = flags.DEFINE_string(
  "config", None, "Configuration file of the trainings; default: the study's.", flag_values=FLAGS
)
_SET = flags.DEFINE_multi_string(
  "set", [], "KEY=VALUE in that configuration; may be given several times.", flag_values=FLAGS
)
_RUNS = flags.DEFINE_list(
  "runs", [], "Folders of trained networks; default: the demo's.", flag_values=FLAGS
)
_OPTIONS = flags.DEFINE_multi_string(
  "option", [], "OPTION=VALUE of the study; may be given several times.", flag_values=FLAGS
)


def main(*names: str) -> None:
  if not names:
    print("\n".join(listing()))
    return
  if len(names) > 1:
    raise UserError(f"one study at a time: got {', '.join(names)}")
  (name,) = names
  cls = lookup(STUDIES, name, "study")
  study = options.make(name, cls, _QUICK.value, _OPTIONS.value)
  folder = files.path(_WORKDIR.value or f"runs/studies/{name}")
  request = Request(
    folder,
    quick=_QUICK.value,
    data_dir=_DATA_DIR.value,
    config=_CONFIG.value,
    changes=tuple(_SET.value),
    runs=tuple(_RUNS.value),
  )
  written = run.run(name, study, request)
  summary = written["results"]
  print("\n".join([*study.lines(summary), run.agreement(summary)]))
  print(f"numbers  {folder / run.NUMBERS}\nfigure   {folder / run.FIGURE_SVG}")
  print(f"page     {folder / run.PAGE}")


def listing() -> list[str]:
  """Every study with its question and its options, in lines."""
  return [
    line for name, cls in STUDIES.items() for line in (f"{name}: {cls.asks}", *options.explain(cls))
  ]


if __name__ == "__main__":
  cli.run(main, FLAGS, positional=True)
