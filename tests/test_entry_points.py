"""train.py and evaluate.py: what the user did wrong is one line and exit code 2; a killed run goes
on.
"""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
from concurrent import futures

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from absl import flags
from PIL import Image

import evaluate as evaluate_command
import train as train_command
from apr_jax import cli, config_files, help_text
from apr_jax.data import load
from apr_jax.errors import Stopped, UserError
from apr_jax.run.configuration import adopt_config
from apr_jax.settings import flatten

ROOT = pathlib.Path(__file__).parents[1]


def environment(folder, devices=1):
  """That of the suite, which compiles quickly, with another number of devices."""
  flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
  return os.environ | {"JAX_PLATFORMS": "cpu", "HOME": str(folder), "XLA_FLAGS": flags}


def train(*arguments, config="configs/digits_standard.py"):
  return ["train.py", f"--config={ROOT / config}", "--workdir=run", *arguments]


def evaluate(*arguments):
  return ["evaluate.py", *arguments]


# {case: (command, what the line must say)}; all but the marked ones in a folder that stays empty.
BAD = {
  "unknown key": (
    train("--config.optimizer.learning_rat=1"),
    ["digits_standard.py: unknown key 'learning_rat'; did you mean 'learning_rate'?"],
  ),
  "unlike any key": (train("--config.zzz=1"), ["digits_standard.py: unknown key 'zzz'"]),
  "wrong type": (train("--config.batch_size=many"), ["batch_size", "many"]),
  "fraction for a whole number": (train("--config.batch_size=1.5"), ["batch_size", "1.5"]),
  "missing config file": (
    train("--config.epochs=1", config="configs/none.py"),
    [
      "configs/none.py: no such file or directory; give --config another file.",
      "configs holds cifar100_{adversarial, ",
      "digits_{apr_p, apr_s, apr_sp, ",
    ],
  ),
  "no config": (["train.py", "--workdir=run"], ["--config"]),
  "no config in front of a key": (["train.py", "--config.epochs=3"], ["config.epochs"]),
  "unknown flag": (train("--epochs=3"), ["epochs"]),
  "sets without quotes": (
    train("--config.evaluation.ood_sets=svhn,cifar100"),
    [
      "evaluation.ood_sets must be names of data sets, ('A', 'B'), without commas, "
      "got ('svhn,cifar100',)"
    ],
  ),
  "a number for a folder": (
    train("--config.data.extra_folders=(1,)"),
    ["data.extra_folders must be folders"],
  ),
  "unexpected argument": (train("config.epochs=3"), ["unexpected argument 'config.epochs=3'"]),
  "broken config file": (train(config="setup.cfg"), ["setup.cfg: SyntaxError"]),
  "unknown model": (
    train("--config.model.name=wide_resnet_40_20"),
    ["unknown model.name 'wide_resnet_40_20'; did you mean 'wide_resnet_40_2'?"],
  ),
  "batch size and devices": (
    train("--config.batch_size=30"),
    ["batch_size 30 is not divisible", "number of devices, 4"],
  ),
  "batch size and data": (train("--config.batch_size=2000"), ["batch_size 2000", "1437"]),
  "missing data": (train("--config.data.name=npy", "--config.data.data_dir=nowhere"), ["nowhere"]),
  "workdir is a file": (train("--workdir=/dev/null/run"), ["/dev/null/run"]),
  "workdir in another store": (
    train("--workdir=s3://bucket/run"),
    ["s3://bucket/run: only addresses of Google Cloud Storage, gs://BUCKET/..., can be used"],
  ),
  "workdir of another config": (
    train("--workdir=stored", "--config.seed=5"),
    ["stored", "seed (0 there, 5 now)"],
  ),
  "evaluate without a workdir flag": (evaluate(), ["--workdir"]),
  "a run and a function": (
    evaluate("--workdir=stored", "--classifier=mine.py:resnet"),
    ["give one of --workdir", "--classifier"],
  ),
  "a function without a folder for its results": (
    evaluate("--classifier=mine.py:resnet", "--data=digits"),
    ["give --out"],
  ),
  "evaluate nothing": (evaluate("--workdir=nowhere"), ["nowhere holds no run"]),
  "evaluate without checkpoint": (evaluate("--workdir=stored"), ["stored holds no checkpoint yet"]),
  "unknown suite": (
    evaluate("--workdir=stored", "--suites=clean,odd"),
    ["unknown suite 'odd'; did you mean 'ood'?"],
  ),
  "unknown source": (
    evaluate("--workdir=stored", "--corruptions=publishd"),
    ["did you mean 'published'?"],
  ),
  "evaluate with an unexpected argument": (
    evaluate("--workdir=stored", "clean"),
    ["unexpected argument 'clean'"],
  ),
  "a number for a configuration": (
    ["train.py", "--config=given/three.py"],
    ["given/three.py", "returns 3"],
  ),
  "empty configuration": (
    ["train.py", "--config=given/empty.py"],
    ["given/empty.py", "of the keys of configs/base.py"],
  ),
  "typo in a configuration file": (
    ["train.py", "--config=given/typo.py"],
    ["unknown key 'epohcs'; did you mean 'epochs'?"],
  ),
  "auto without a cluster": (train("--coordinator=auto"), ["--coordinator=auto finds no cluster"]),
  "TFDS without data": (
    train("--config.data.data_dir=stored", config="configs/cifar10_standard.py"),
    ["stored/cifar10", "is not prepared there"],
  ),
  "damaged image in a stream": (
    train(
      "--workdir=given/run",
      "--config.data.name=folder:given/pictures",
      "--config.data.limit=0",
      "--config.data.stream=True",
      "--config.data.image_size=16",
      "--config.batch_size=4",
    ),
    ["given/pictures/train/", ".png: cannot be read as an image"],
  ),
  "negative limit": (evaluate("--workdir=stored", "--limit=-1"), ["limit must be 0"]),
}


NEED_TENSORFLOW = ("TFDS without data", "damaged image in a stream")


def write_given(folder):
  """Configuration files of other users, and class folders with damaged training images."""
  for name, content in (
    ("three", "get_config = lambda: 3"),
    ("empty", "import ml_collections\nget_config = ml_collections.ConfigDict"),
    (
      "typo",
      "from configs import base\ndef get_config():\n  config = base.get_config()\n"
      "  config.update({'epohcs': 3})\n  return config\n",
    ),
  ):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(content)
  for number in range(12):
    split = "train" if number < 8 else "test"
    path = folder / "pictures" / split / ("ant", "bee")[number % 2] / f"{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16)).save(path)
    if split == "train":
      path.write_bytes(path.read_bytes()[:40])


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, forks):
  """What each of the bad commands did, and the names of the files there are afterwards."""
  from apr_jax import experiment
  from configs import digits_standard

  folder, home = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("home")
  adopt_config(
    folder / "stored", experiment.resolve(digits_standard.get_config(), load("digits", "train"))
  )
  write_given(folder / "given")

  def outcome(case):
    (script, *arguments), _ = BAD[case]
    return forks.run([str(ROOT / script), *arguments], cwd=folder, env=environment(home, devices=4))

  with futures.ThreadPoolExecutor(2) as two_at_a_time:
    results = dict(zip(BAD, two_at_a_time.map(outcome, BAD), strict=True))
  return results, {
    str(path.relative_to(folder)) for path in folder.rglob("*") if "given" not in path.parts
  }


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(outcomes, case):
  if case in NEED_TENSORFLOW:
    pytest.importorskip("tensorflow_datasets")
  outcome = outcomes[0][case]
  assert outcome.returncode == 2, outcome.stderr
  (line,) = outcome.stderr.splitlines()
  assert line.startswith("error: ")
  for words in BAD[case][1]:
    assert words in line
  assert outcome.stdout == "" or case == "damaged image in a stream"  # found on the way


def test_bad_input_writes_nothing(outcomes):
  assert outcomes[1] == {"stored", "stored/config.json"}


def test_a_defect_of_ours_keeps_its_traceback_and_a_user_error_does_not(monkeypatch, capsys):
  monkeypatch.setattr(sys, "argv", ["command"])

  def fails(error):
    def main():
      raise error

    return main

  with pytest.raises(ZeroDivisionError):
    cli.run(fails(ZeroDivisionError()))
  for error, code, said in [
    (UserError("no"), 2, "error: no\n"),
    (Stopped(15, " after step 7"), 143, "stopped by SIGTERM"),
    (
      jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory\nallocating 9 GiB"),
      2,
      "error: the memory of the device is full (RESOURCE_EXHAUSTED: Out of memory allocating 9",
    ),
    (Stopped(2, " after step 7"), 130, "stopped by SIGINT after step 7"),
  ]:
    with pytest.raises(SystemExit) as exit_:
      cli.run(fails(error))
    assert exit_.value.code == code
    assert capsys.readouterr().err.startswith(said)


def own_flags():
  values = flags.FlagValues()
  flags.DEFINE_integer("number", 1, "A number.", flag_values=values)
  return values


def test_a_command_sees_its_own_flags_and_arguments(monkeypatch):
  values, seen = own_flags(), []
  monkeypatch.setattr(sys, "argv", ["command", "a", "--number=3", "b"])
  cli.run(lambda *folders: seen.append((folders, values.number)), values, positional=True)
  assert seen == [(("a", "b"), 3)]


@pytest.mark.parametrize(
  "arguments, words",
  [
    (["--numbr=3"], "Unknown command line flag 'numbr'. Did you mean: number ?"),
    (["--number=x"], "flag --number=x"),
    (["more"], "unexpected argument 'more'"),
  ],
)
def test_flags_that_cannot_be_used_are_one_line(monkeypatch, capsys, arguments, words):
  monkeypatch.setattr(sys, "argv", ["command", *arguments])
  with pytest.raises(SystemExit) as exit_:
    cli.run(lambda: pytest.fail("the command was run"), own_flags())
  (line,) = capsys.readouterr().err.splitlines()
  assert exit_.value.code == 2 and line.startswith("error: ") and words in line


def test_the_environment_says_which_compiled_programs_are_kept(monkeypatch):
  name = "jax_persistent_cache_min_compile_time_secs"
  before = getattr(jax.config, name)
  try:
    jax.config.update(name, 3.0)  # as JAX reads it
    monkeypatch.setenv(name.upper(), "3")
    cli.use_compilation_cache()
    assert getattr(jax.config, name) == 3
    monkeypatch.delenv(name.upper())
    cli.use_compilation_cache()
    assert getattr(jax.config, name) == 0.2
  finally:
    jax.config.update(name, before)


COMMANDS = """
import sys
import train, evaluate, demo, apr_jax.compare, apr_jax.make_corruptions, apr_jax.import_torch
import apr_jax.export_torch, apr_jax.sweep.__main__, apr_jax.sweep.one_run
from absl import flags
assert "workdir" in train.FLAGS and "workdir" in evaluate.FLAGS
assert not {"workdir", "config", "out"} & set(flags.FLAGS)
"""


def test_commands_can_be_imported_together_and_define_no_flags_for_others():
  subprocess.run([sys.executable, "-c", COMMANDS], cwd=ROOT, check=True, timeout=100)


def test_a_table_of_results_needs_no_checkpoints():
  script = "import sys, apr_jax.compare; sys.exit('orbax.checkpoint' in sys.modules)"
  subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=100)


def test_help_is_the_docstring_and_the_flags():
  result = subprocess.run(
    [sys.executable, "train.py", "--help"], cwd=ROOT, text=True, capture_output=True, timeout=100
  )
  assert result.returncode == 0 and result.stderr == ""
  assert result.stdout.startswith("Trains a network:\n\n    python train.py --config")
  groups = ["What is trained:\n  --config FILE.py", "  --workdir DIR", "Several processes:\n"]
  places = [result.stdout.index(words) for words in groups]
  assert places == sorted(places)
  assert "digits_{apr_p, apr_s, apr_sp, " in result.stdout and "Other flags" not in result.stdout
  assert max(map(len, result.stdout.splitlines())) <= 96


@pytest.mark.parametrize("command", [train_command, evaluate_command])
def test_every_flag_is_in_one_group(command):
  named = [name for names in command._GROUPS.values() for name in names]
  assert len(named) == len(set(named))
  assert "Other flags" not in help_text.help_text("", command.FLAGS, command._GROUPS)


def test_the_help_of_a_configuration_shows_its_values(monkeypatch):
  file = str(ROOT / "configs/digits_apr_sp.py")
  text = config_files.about(["train.py", "--help", "--config", file, "--config.epochs=3"])
  assert f"Keys of {file}" in text and "--config.epochs=3" in text
  assert "  --config.augment.apr_p.prob=0.6\n" in text and "passes over the training images" in text
  flat = flatten(config_files.load_config(file).to_dict())
  assert text.count("--config.") == len(flat)


def test_names_that_are_near_are_offered():
  with pytest.raises(UserError, match=r"did you mean .*configs/digits_apr_sp\.py\?"):
    config_files.load_config(str(ROOT / "configs/digits_aprsp.py"))


def test_a_configuration_file_gets_nothing_from_the_one_before(tmp_path):
  config_files.load_config(str(ROOT / "configs/digits_apr_sp.py"))
  (tmp_path / "empty.py").write_text("")
  with pytest.raises(UserError, match=r"empty.py: AttributeError: .*get_config"):
    config_files.load_config(str(tmp_path / "empty.py"))


@pytest.mark.parametrize(
  "path, expected", [("configs/digits_apr_sp.py", "runs/digits_apr_sp"), ("/a/b.c/x.py", "runs/x")]
)
def test_default_workdir(path, expected):
  assert config_files.default_workdir(path) == expected


def test_a_configuration_is_called_after_its_file_unless_it_has_a_name():
  assert config_files.load_config(str(ROOT / "configs/digits_apr_sp.py")).name == "digits_apr_sp"
  assert (
    config_files.load_config(str(ROOT / "configs/digits_apr_sp.py"), ["name=mine", "epochs=3"]).name
    == "mine"
  )


TRAIN = [
  str(ROOT / "train.py"),
  f"--config={ROOT / 'configs/digits_apr_s.py'}",
  "--config.data.limit=256",
  "--config.data.image_size=8",
  "--config.batch_size=32",
  "--config.epochs=4",
  "--config.eval_every_epochs=0",
  "--config.log_every_steps=1",
  "--config.checkpoint.every_steps=3",
]


def steps(workdir):
  """The number of the last step in metrics.jsonl."""
  try:
    content = (workdir / "metrics.jsonl").read_text()
  except FileNotFoundError:
    return 0
  numbers = re.findall(r'"step": (\d+),.*}$', content, re.MULTILINE)
  return int(numbers[-1]) if numbers else 0


def start_and_stop(start, workdir, step, number):
  """Starts the run, and sends it the signal when it has logged the step; its exit code and
  stderr.
  """
  with start(workdir) as process:
    deadline = time.monotonic() + 200
    while process.poll() is None and steps(workdir) < step:
      assert time.monotonic() < deadline
      time.sleep(0.005)
    process.send_signal(number)
    _, err = process.communicate(timeout=100)
  return process.returncode, err


@pytest.mark.slow
def test_a_killed_run_ends_with_the_parameters_of_one_that_was_not(tmp_path, forks):
  whole, killed = tmp_path / "whole", tmp_path / "killed"

  def start(workdir):
    return forks.start([*TRAIN, f"--workdir={workdir}"], env=environment(tmp_path))

  assert start(whole).wait(300) == 0
  draw = random.SystemRandom()
  first = draw.randint(1, 12)
  assert start_and_stop(start, killed, first, signal.SIGKILL)[0] == -signal.SIGKILL
  second = draw.randint(max(first, 13), 18)
  assert start_and_stop(start, killed, second, signal.SIGKILL)[0] == -signal.SIGKILL
  third = draw.randint(19, 24)
  code, err = start_and_stop(start, killed, third, signal.SIGTERM)
  assert code == 143, err
  assert (
    re.search(
      r"^stopped by SIGTERM after step \d+; its state is saved: the same command continues it$",
      err,
      re.MULTILINE,
    )
    and "Traceback" not in err
  )
  continued = start(killed)
  out, err = continued.communicate(300)
  assert continued.returncode == 0 and "continues at step" in out, err
  stops = (first, second, third)
  content = [
    jax.tree_util.tree_leaves_with_path(
      [
        ocp.StandardCheckpointer().restore(workdir / "checkpoints" / "32" / part)
        for part in ("model", "training")
      ]
    )
    for workdir in (whole, killed)
  ]
  assert len(content[0]) > 50
  for (path, expected), (_, found) in zip(*content, strict=True):
    np.testing.assert_array_equal(
      expected, found, err_msg=f"{jax.tree_util.keystr(path)}, stopped after {stops}"
    )
  logged = [
    [
      {key: value for key, value in json.loads(line).items() if key != "images_per_second"}
      for line in (workdir / "metrics.jsonl").read_text().splitlines()
    ]
    for workdir in (whole, killed)
  ]
  assert logged[0] == logged[1] and len(logged[0]) == 33, stops

  scores = subprocess.run(
    [
      sys.executable,
      str(ROOT / "evaluate.py"),
      f"--workdir={killed}",
      "--suites=clean,ood",
      "--limit=50",
    ],
    env=environment(tmp_path),
    check=True,
    text=True,
    capture_output=True,
    timeout=300,
  )
  results = json.loads((killed / "eval" / "results.json").read_text())
  assert f"clean error            {results['clean']['error']:6.2f} %   (50 images)" in scores.stdout
  assert results["meta"]["step"] == 32


@pytest.mark.slow
def test_train_on_a_stream_of_class_folders(tmp_path):
  pytest.importorskip("tensorflow")
  pixels = np.random.RandomState(0).randint(0, 256, (16, 40, 50, 3)).astype(np.uint8)
  for number, image in enumerate(pixels):
    path = (
      tmp_path
      / "data"
      / ("train" if number < 12 else "test")
      / ("ant", "bee")[number % 2]
      / f"{number}.jpg"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
  result = subprocess.run(
    [
      sys.executable,
      str(ROOT / "train.py"),
      f"--config={ROOT / 'configs/digits_standard.py'}",
      f"--workdir={tmp_path / 'run'}",
      f"--config.data.name=folder:{tmp_path / 'data'}",
      f"--config.data.extra_folders=('{tmp_path / 'data'}',)",
      "--config.data.stream=True",
      "--config.data.image_size=16",
      "--config.data.resize=20",
      "--config.augment.crop_padding=0",
      "--config.batch_size=4",
      "--config.log_every_steps=1",
      "--config.epochs=1",
    ],
    env=environment(tmp_path),
    text=True,
    capture_output=True,
    timeout=300,
  )
  assert result.returncode == 0, result.stderr
  assert "on 24 images of folder:" in result.stdout and "step 6/6" in result.stdout
  assert result.stderr == ""
  logged = [
    json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
  ]
  assert [line["step"] for line in logged if "input_wait" in line] == [1, 2, 3, 4, 5, 6]
  assert logged[-1]["clean_error"] in (0, 25, 50, 75, 100)  # of four
