"""A stand-in for the process of a run, which takes no time: plans and tables are tested with it."""

import json
import sys

import pytest

from apr_jax.sweep import plan
from apr_jax.sweep.run_all import run_all

# Does what orders.json says of the run's folder: "trains" for seven steps and "evaluates" to
# planted scores, or not.
STAND_IN = """
import json, os, pathlib, signal, sys, time
given = [argument for argument in sys.argv[1:] if not argument.startswith("--set=")]
arguments = dict(argument[2:].split("=", 1) for argument in given)
folder = pathlib.Path(arguments["workdir"])
orders = json.loads((pathlib.Path(__file__).parent / "orders.json").read_text())[folder.name]
print("trains", flush=True)
if orders["does"] == "fail":
  print("step 3\\nerror: the disk is | full", file=sys.stderr)
  sys.exit(2)
if orders["does"] == "die":
  os.kill(os.getpid(), signal.SIGKILL)
if orders["does"] == "interrupt the sweep":
  signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), os._exit(143)))
  os.kill(os.getppid(), signal.SIGTERM)
  time.sleep(100)
(folder / "checkpoints" / "7").mkdir(parents=True, exist_ok=True)
(folder / "eval").mkdir(exist_ok=True)
scores = {suite: orders["scores"][suite] for suite in arguments["suites"].split(",")}
meta = {"config": orders["config"], "seed": orders["config"]["seed"], "step": 7, "examples": "all",
        "corruptions": "regenerated", "suites": {},
        "classifier": {"name": orders["config"]["name"]},
        "settings": {"data": orders["config"]["data"]["name"]}}
(folder / "eval" / "results.json").write_text(json.dumps(scores | {"meta": meta}))
(folder / "sweep.json").write_text(json.dumps({"config": orders["config"], "step": 7}))
"""


@pytest.fixture
def stand_in(tmp_path):
  """Makes the processes of these runs do as they are told: {folder name: "fail", ...}; the others
  finish.

  The planted clean error of a run is 10 × its place in the plan + its seed².
  """
  (tmp_path / "stand_in.py").write_text(STAND_IN)

  def order(runs, does=None):
    orders = {
      run.folder.name: {
        "does": (does or {}).get(run.folder.name, "finish"),
        "config": plan.json_config(run.config),
        "scores": {
          "clean": {"error": 10 * place + run.config.seed**2},
          "ood": {"cifar100": {"auroc": 80.0}, "mean_auroc": 80.0},
        },
      }
      for place, run in enumerate(runs)
    }
    (tmp_path / "orders.json").write_text(json.dumps(orders))

  return order


@pytest.fixture
def sweep(tmp_path):
  """Runs all of these runs in `tmp_path`/sweep, with the stand-in for their process."""
  command = (sys.executable, "-S", "-E", str(tmp_path / "stand_in.py"))
  return lambda runs, suites: run_all(runs, suites, tmp_path / "sweep", command)
