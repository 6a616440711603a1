"""results.json files as an evaluation writes them, with planted scores."""

import json

import pytest

from apr_jax.evaluation.evaluator import options
from apr_jax.evaluation.suites import SUITES
from configs import cifar10_apr_sp


def planted(
  name="cifar10_apr_sp",
  network="wide_resnet_40_2",
  seed=0,
  step=78000,
  clean=None,
  mean_error=None,
  source="published",
  mce=None,
  ood=None,
  examples="all",
  **changes,
):
  """The content of a results.json; a score that is None was not evaluated."""
  config = cifar10_apr_sp.get_config()
  config.update_from_flattened_dict(
    {
      "name": name,
      "model.name": network,
      "seed": seed,
      "model.num_classes": 10,
      "model.image_size": (32, 32),
      **changes,
    }
  )
  results = {
    "meta": {
      "classifier": {"name": name, "kind": "run"},
      "settings": {"data": config.data.name},
      "suites": {suite: options(evaluator) for suite, evaluator in SUITES.items()},
      "config": config.to_dict(),
      "seed": seed,
      "step": step,
      "examples": examples,
      "git": "abc1234",
      "versions": {"apr_jax": "0.1", "jax": "0.10", "flax": "0.12"},
      "device": "cpu",
    }
  }
  if clean is not None:
    results["clean"] = {"error": clean, "accuracy": 100 - clean}
  if mean_error is not None:
    results["corruptions"] = {"mean_error": mean_error, "source": source} | (
      {"mce": mce} if mce else {}
    )
  if ood is not None:
    results["ood"] = {key: {"auroc": value} for key, value in ood.items()} | {
      "mean_auroc": sum(ood.values()) / len(ood),
      "score": "max_softmax",
    }
  return json.loads(json.dumps(results))


def of_function(results):
  """The same, of a classifier that was not trained here."""
  meta = {
    key: value for key, value in results["meta"].items() if key not in ("config", "seed", "step")
  }
  return results | {"meta": meta | {"classifier": meta["classifier"] | {"kind": "function"}}}


@pytest.fixture
def write_results(tmp_path):
  """Writes FOLDER/eval/results.json with planted scores and returns the folder of the run."""

  def write(folder, function=False, **scores):
    (tmp_path / folder / "eval").mkdir(parents=True)
    results = of_function(planted(**scores)) if function else planted(**scores)
    (tmp_path / folder / "eval" / "results.json").write_text(json.dumps(results))
    return tmp_path / folder

  return write
