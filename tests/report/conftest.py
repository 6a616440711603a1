"""results.json files as an evaluation writes them, with planted scores."""

import json

import pytest

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


@pytest.fixture
def write_results(tmp_path):
  """Writes FOLDER/eval/results.json with planted scores and returns the folder of the run."""

  def write(folder, **scores):
    (tmp_path / folder / "eval").mkdir(parents=True)
    (tmp_path / folder / "eval" / "results.json").write_text(json.dumps(planted(**scores)))
    return tmp_path / folder

  return write
