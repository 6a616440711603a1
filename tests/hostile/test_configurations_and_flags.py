"""Configurations, JSON and flags that are not ours: one line, exit code 2, and no
file is another afterwards.
"""

import json
import pathlib
import pickle

import pytest

from apr_jax import experiment
from apr_jax.data import load
from apr_jax.run.configuration import adopt_config
from configs import digits_standard
from tests.hostile.planted import MARK, Code

ROOT = pathlib.Path(__file__).parents[2]
DIGITS = f"--config={ROOT / 'configs/digits_standard.py'}"
OF_A_SWEEP = DIGITS.replace("--config=", "--configs=")
DEEP = b"[" * 200_000


def train(*changes):
  return ["train.py", DIGITS, "--workdir=run", *(f"--config.{change}" for change in changes)]


def module(name, *arguments):
  return [f"apr_jax/{name}", *arguments]


FLAGS = {
  # of a configuration
  "no workdir": (["train.py", DIGITS, "--workdir=/dev/null/x"], ["/dev/null/x"]),
  "a number of epochs below one": (train("epochs=0"), ["epochs must be"]),
  "epochs without end": (train("epochs=inf"), ["epochs"]),
  "a seed below zero": (train("seed=-1"), ["seed"]),
  "a seed beyond 64 bits": (train(f"seed={2**70}"), ["seed"]),
  "a batch of none": (train("batch_size=0"), ["batch_size must be"]),
  "a rate of NaN": (train("optimizer.learning_rate=nan"), ["optimizer.learning_rate"]),
  "a rate without end": (train("optimizer.learning_rate=inf"), ["optimizer.learning_rate"]),
  "a rate of a text": (train("optimizer.learning_rate=fast"), ["fast"]),
  "a momentum of one": (train("optimizer.momentum=1"), ["optimizer.momentum must be"]),
  "a decay below zero": (train("optimizer.weight_decay=-1"), ["optimizer.weight_decay must be"]),
  "another optimizer": (train("optimizer.name=adamm"), ["optimizer.name", "adamm"]),
  "another schedule": (train("schedule.name=../x"), ["schedule.name", "../x"]),
  "boundaries backwards": (
    train("schedule.name=step", "schedule.boundaries_epochs=(9,3)"),
    ["schedule.boundaries_epochs must be"],
  ),
  "another network": (train("model.name=__import__"), ["unknown model.name '__import__'"]),
  "another type of numbers": (train("model.dtype=float8"), ["model.dtype"]),
  "half a class": (train("data.limit=-1"), ["data.limit must be"]),
  "images of a negative size": (train("data.image_size=-3"), ["data.image_size must be"]),
  "another data set": (train("data.name=digitz"), ["digitz"]),
  "a data set of no path": (train("data.name=npz:"), ["npz"]),
  "a data set of another store": (train("data.name=npz:http://x/y.npz"), ["http://x/y.npz"]),
  "a padding larger than the image": (train("augment.crop_padding=-2"), ["augment.crop_padding"]),
  "a level above 255": (train("augment.crop_fill=256"), ["augment.crop_fill must be"]),
  "a share above one": (train("augment.apr_p.prob=1.5"), ["augment.apr_p.prob must be"]),
  "a share of NaN": (train("augment.apr_p.prob=nan"), ["augment.apr_p.prob must be finite"]),
  "a severity of none": (train("augment.apr_s.severity=0"), ["augment.apr_s.severity must be"]),
  "another overflow": (train("augment.apr_s.overflow=burst"), ["overflow", "burst"]),
  "two methods of one stage": (
    train("augment.mixup.alpha=1.0", "augment.cutmix.alpha=1.0"),
    ["mixup", "cutmix"],
  ),
  "an attack of negative steps": (train("adversary.steps=-1"), ["adversary.steps must be"]),
  "no checkpoint to keep": (train("checkpoint.keep=0"), ["checkpoint.keep must be"]),
  "a list for a number": (train("epochs=(1,2)"), ["epochs"]),
  "a section for a number": (train("augment=3"), ["augment"]),
  "code for a number": (train("epochs=__import__('os').getpid()"), ["epochs"]),
  "code for a tuple": (
    train(f"schedule.boundaries_epochs=__import__('os').system('touch {MARK}')"),
    ["boundaries_epochs"],
  ),
  "a private key": (train("__class__=1"), ["__class__"]),
  "one flag twice with sense and without": (train("epochs=2", "epochs=x"), ["epochs"]),
  "an unknown flag": (["train.py", DIGITS, "--workdirr=run"], ["workdirr"]),
  "a flag without a value": (["train.py", DIGITS, "--workdir"], ["workdir"]),
  "a stray word": (["train.py", DIGITS, "run"], ["unexpected argument 'run'"]),
  "processes of no number": (["train.py", DIGITS, "--num_processes=two"], ["num_processes"]),
  # of an evaluation
  "an evaluation of nothing": (["evaluate.py"], ["--workdir"]),
  "an evaluation of no folder": (["evaluate.py", "--workdir=nowhere"], ["nowhere holds no run"]),
  "an evaluation of a file": (["evaluate.py", f"--workdir={__file__}"], ["holds no run"]),
  "another suite": (["evaluate.py", "--workdir=x", "--suites=cleen"], ["did you mean 'clean'"]),
  "no suite": (["evaluate.py", "--workdir=x", "--suites="], ["suite"]),
  "a limit of a text": (["evaluate.py", "--workdir=x", "--limit=all"], ["limit"]),
  "a limit below zero": (["evaluate.py", "--workdir=x", "--limit=-5"], ["limit must be"]),
  "a batch of zero": (["evaluate.py", "--workdir=x", "--batch_size=0"], ["batch_size"]),
  "a size below zero": (["evaluate.py", "--workdir=x", "--resize=-1"], ["resize"]),
  "another source": (["evaluate.py", "--workdir=x", "--corruptions=mine"], ["mine"]),
  "an option without a suite": (
    ["evaluate.py", "--workdir=x", "--option=images=5"],
    ["SUITE.OPTION=VALUE"],
  ),
  "an option of no suite": (
    ["evaluate.py", "--workdir=x", "--option=pgd.images=5"],
    ["pgd"],
  ),
  "another option": (
    ["evaluate.py", "--workdir=x", "--suites=pgd", "--option=pgd.imagess=5"],
    ["did you mean 'images'"],
  ),
  "an option of another type": (
    ["evaluate.py", "--workdir=x", "--suites=pgd", "--option=pgd.images=few"],
    ["pgd.images", "few"],
  ),
  "code for an option": (
    [*("evaluate.py", "--workdir=x", "--suites=pgd"), "--option=pgd.images=__import__('os')"],
    ["pgd.images"],
  ),
  "adversarial images of no attack": (
    ["evaluate.py", "--workdir=x", "--save_adversarial"],
    ["--save_adversarial needs an attack"],
  ),
  "a classifier without a function": (
    ["evaluate.py", "--classifier=mine.py", "--out=o", "--data=digits"],
    ["FILE.py:FUNCTION"],
  ),
  "a classifier of no file": (
    ["evaluate.py", "--classifier=mine.py:f", "--out=o", "--data=digits"],
    ["there is no file mine.py"],
  ),
  # of the other commands
  "a comparison of nothing": (module("compare.py"), ["no runs are named"]),
  "a comparison of no folder": (module("compare.py", "nowhere"), ["nowhere holds no results"]),
  "a sweep of no configuration": (
    module("sweep/__main__.py", "--configs=none*.py", "--workdir=s"),
    ["no configuration matches 'none*.py'"],
  ),
  "a sweep of half a seed": (
    module("sweep/__main__.py", OF_A_SWEEP, "--workdir=s", "--seeds=.5"),
    ["--seeds takes whole numbers"],
  ),
  "a sweep of another network": (
    module("sweep/__main__.py", OF_A_SWEEP, "--workdir=s", "--models=x"),
    ["unknown network in --models 'x'"],
  ),
  "a sweep that sets no key": (
    module("sweep/__main__.py", OF_A_SWEEP, "--workdir=s", "--set=x"),
    ["--set takes KEY=VALUE"],
  ),
  "another study": (module("studies/__main__.py", "swop"), ["did you mean 'swap'"]),
  "two studies": (module("studies/__main__.py", "swap", "bands"), ["one study at a time"]),
  "another option of a study": (
    module("studies/__main__.py", "swap", "--option=limits=3"),
    ["did you mean 'limit'"],
  ),
  "corruptions of no data": (
    module("make_corruptions.py", "--data=npz:none.npz", "--out=o"),
    ["none.npz"],
  ),
}


@pytest.mark.parametrize("case", FLAGS)
def test_a_flag_is_refused(refused, case):
  refused(*FLAGS[case])


# What a configuration file of another user may hold.
CONFIGURATIONS = {
  "nothing": (b"", ["given.py"]),
  "no function": (b"x = 3\n", ["given.py"]),
  "half a line": (b"def get_config(:\n", ["SyntaxError"]),
  "bytes": (b"\x00\xff\xfe", ["given.py"]),
  "another coding": ("x = 'ä'".encode("utf-16"), ["given.py"]),
  "a missing module": (b"import no_such_module_at_all\n", ["no_such_module_at_all"]),
  "an error": (
    b"def get_config():\n  raise RuntimeError('one\\ntwo')\n",
    ["RuntimeError: one two"],
  ),
  "an assertion": (b"def get_config():\n  assert False\n", ["AssertionError"]),
  "nothing returned": (b"def get_config():\n  pass\n", ["--config must have a value"]),
  "a number": (b"def get_config():\n  return 3\n", ["returns 3"]),
  "a dict": (b"def get_config():\n  return {'epochs': 1}\n", ["given.py"]),
  "an argument": (b"def get_config(name):\n  return name\n", ["given.py"]),
  "a page": (b"<!doctype html>\n", ["SyntaxError"]),
  "JSON": (b'{"epochs": null}\n', ["given.py"]),
  "other keys": (
    b"import ml_collections\ndef get_config():\n  return ml_collections.ConfigDict({'a': 1})\n",
    ["given.py"],
  ),
  "a key of another type": (
    b"from configs import base\ndef get_config():\n  c = base.get_config()\n"
    b"  c.epochs = 'many'\n  return c\n",
    ["given.py"],
  ),
}


@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_a_configuration_is_refused(refused, tmp_path, case):
  content, words = CONFIGURATIONS[case]
  (tmp_path / "given.py").write_bytes(content)
  refused(["train.py", "--config=given.py", "--workdir=run"], words)


# What may stand in the place of a JSON file.
JSON = {
  "nothing": b"",
  "a brace": b"{",
  "null": b"null",
  "a number": b"1e999",
  "a text": b'"text"',
  "a list": b"[]",
  "no keys": b"{}",
  "bytes": b"\xff\xfe\x00",
  "another coding": '{"seed": 1}'.encode("utf-16"),
  "a page": b"<!doctype html>",
  "a pickle": pickle.dumps(Code()),
  "brackets without end": DEEP,
  "keys of another program": b'{"version": 3, "model": {"name": "x"}}',
}


@pytest.fixture
def stored(tmp_path):
  """The folder of a run without a checkpoint."""
  config = experiment.resolve(digits_standard.get_config(), load("digits", "train"))
  adopt_config(tmp_path / "run", config)
  return tmp_path / "run"


@pytest.mark.parametrize("case", JSON)
@pytest.mark.parametrize("command", ["train.py", "evaluate.py"])
def test_another_config_json_is_refused(refused, stored, command, case):
  (stored / "config.json").write_bytes(JSON[case])
  given = [DIGITS] if command == "train.py" else []
  refused([command, *given, "--workdir=run"], ["run/config.json cannot be read"])


@pytest.mark.parametrize("case", JSON)
def test_another_network_json_is_refused(refused, tmp_path, case):
  (tmp_path / "run").mkdir()
  (tmp_path / "run" / "network.json").write_bytes(JSON[case])
  refused(["evaluate.py", "--workdir=run"], ["run/network.json cannot be read"])


@pytest.mark.parametrize("case", JSON)
def test_other_results_are_refused(refused, tmp_path, case):
  (tmp_path / "eval").mkdir()
  (tmp_path / "eval" / "results.json").write_bytes(JSON[case])
  refused(module("compare.py", "."), ["eval/results.json cannot be read as the results"])


CHANGES = {
  "another network": {"model.name": "resnet9"},
  "a network of a number": {"model.name": 9},
  "no classes": {"model.num_classes": 0},
  "classes of a text": {"model.num_classes": "ten"},
  "classes below zero": {"model.num_classes": -3},
  "no size": {"model.image_size": [0, 0]},
  "one side": {"model.image_size": [8]},
  "a size of a text": {"model.image_size": "large"},
  "two means": {"model.mean": [0.5, 0.5]},
  "a deviation of zero": {"model.std": [0.0, 0.5, 0.5]},
  "means of texts": {"model.mean": ["a", "b", "c"]},
  "another type of numbers": {"model.dtype": "int4"},
  "a seed of a text": {"seed": "x"},
  "a section that is a number": {"model": 3},
  "a method that is a number": {"augment": 3},
  "data that are null": {"data": None},
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_config_json_is_refused(refused, stored, case):
  values = json.loads((stored / "config.json").read_text())
  for key, value in CHANGES[case].items():
    *sections, name = key.split(".")
    place = values
    for section in sections:
      place = place[section]
    place[name] = value
  (stored / "config.json").write_text(json.dumps(values))
  refused(["train.py", DIGITS, "--workdir=run"], ["run"])
