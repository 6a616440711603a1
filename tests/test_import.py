"""The package without the heavy ones: what imports what, seen from a process of its own."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]

# As if these were not installed.
BLOCK = """
import sys
from importlib.machinery import PathFinder

find_spec = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, *arguments:
        None if name.split(".")[0] in {blocked} else find_spec(name, *arguments))
"""
HEAVY = ("tensorflow", "tensorflow_datasets", "matplotlib", "torch")


def run(code, blocked, cwd):
  environment = {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "HOME": str(cwd), "PATH": ""}
  environment["XLA_FLAGS"] = os.environ["XLA_FLAGS"]  # which compile quickly
  code = BLOCK.format(blocked=list(blocked)) + code
  return subprocess.run(
    [sys.executable, "-c", code],
    cwd=cwd,
    env=environment,
    capture_output=True,
    text=True,
    timeout=300,
  )


def test_the_augmentations_need_jax_and_numpy_only(tmp_path):
  result = run(
    """
import numpy as np
import jax
import apr_jax

images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
single = apr_jax.apr_s(jax.random.key(0), images)
pair = apr_jax.apr_p(jax.random.key(0), images / np.float32(255), 1.0)
noisy = apr_jax.corruptions.corrupt(jax.random.key(0), images, "brightness", 3)
assert single.dtype == noisy.dtype == np.uint8 and pair.dtype == np.float32
assert (np.asarray(single) != images).any() and (np.asarray(noisy) != images).any()
assert abs(np.asarray(pair) - images / 255).max() > 0.01
assert apr_jax.metrics.mean_error({"fog": [1, 2, 3, 4, 5]}) == 3
rooms = ("apr_jax.training", "apr_jax.evaluation", "apr_jax.models")
print([name for name in sys.modules if name.startswith(rooms)])
""",
    (*HEAVY, "flax", "optax", "orbax", "sklearn", "ml_collections", "tensorboardX", "tqdm"),
    tmp_path,
  )
  assert result.returncode == 0, result.stderr
  assert result.stdout.strip() == "[]"


def test_a_function_is_a_classifier_with_jax_and_numpy_only(tmp_path):
  result = run(
    """
import numpy as np
import apr_jax

assert "FromFunction" in dir(apr_jax) and "apr_jax.classifiers" not in sys.modules
for name in apr_jax.__all__:
  assert getattr(apr_jax, name) is not None
try:
  apr_jax.FromFunktion
except AttributeError as error:
  assert "has no attribute 'FromFunktion'" in str(error)
classifier = apr_jax.FromFunction(lambda images: images.mean((1, 2)), 3, 8, name="mean colour")
images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
np.testing.assert_allclose(classifier.logits(images), images.mean((1, 2)), rtol=1e-6)
through_jax = apr_jax.FromFunction(
  None, 3, 8, name="mean colour", jax_logits=lambda images: 255 * images.mean((1, 2)))
np.testing.assert_allclose(through_jax.logits(images), images.mean((1, 2)), rtol=1e-5)
""",
    (*HEAVY, "flax", "optax", "orbax", "sklearn", "ml_collections", "tensorboardX", "tqdm"),
    tmp_path,
  )
  assert result.returncode == 0, result.stderr


def test_training_and_evaluation_in_memory_need_no_tensorflow(tmp_path):
  result = run(
    """
import flax.linen as nn
import apr_jax
from apr_jax import models
from apr_jax.training import loop
from configs import digits_base

class Flat(nn.Module):
  num_classes: int
  dtype: object = None
  axis_name: object = None

  @nn.compact
  def __call__(self, images, train):
    return nn.Dense(self.num_classes)(images.reshape(len(images), -1))

models.NETWORKS["flat"] = Flat
config = digits_base.get_config()
config.update_from_flattened_dict({"model.name": "flat", "data.image_size": 8, "epochs": 1,
                                   "data.limit": 128, "optimizer.learning_rate": 0.01})
loop.train(config, "run", quiet=True)
classifier = apr_jax.load_classifier("run")
results = apr_jax.evaluate(
  classifier, suites=("clean", "ood"), out="run/eval", report=False, quiet=True
)
assert results["clean"]["examples"] == 360 and results["clean"]["error"] < 95
heavy = ("tensorflow", "tensorflow_datasets", "torch", "matplotlib")
print([name for name in heavy if name in sys.modules])
""",
    # PyTorch may be imported, and must not be.
    [name for name in HEAVY if name != "torch"],
    tmp_path,
  )
  assert result.returncode == 0, result.stderr
  assert result.stdout.strip() == "[]"
  assert (tmp_path / "run" / "eval" / "results.json").is_file()
