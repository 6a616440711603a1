"""A briefly trained network, and tasks whose logits are planted in the images."""

import pathlib

import jax
import numpy as np
import pytest

from apr_jax.data import ArrayData
from apr_jax.evaluation.suite import Task


def planted_logits(images: np.ndarray) -> np.ndarray:
  """The first pixel names the predicted class of five (larger ones count as the last) and ten times its logit."""
  logits = np.zeros((len(images), 5), np.float32)
  logits[np.arange(len(images)), np.minimum(images[:, 0, 0, 0], 4)] = images[:, 0, 0, 1] / 10
  return logits


@pytest.fixture
def planted():
  """Makes a task from its data sets {name: ArrayData}; the first one is the in-distribution set."""

  def make(sets: dict[str, ArrayData], *, data_dir="", limit=0, ood_sets=(), source="auto", logits=planted_logits):
    cut = lambda data: data.take(min(limit, len(data.labels)))
    return Task(logits=logits, data_name=next(iter(sets)), data_dir=str(data_dir), num_classes=5,
                image_size=next(iter(sets.values())).image_size, load_test=lambda name: cut(sets[name]), limit=limit, ood_sets=tuple(ood_sets),
                corruption_source=source)

  return make


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> pathlib.Path:
  """The workdir of a network trained for a moment on the digits: better than chance, far from perfect."""
  from apr_jax.training import loop
  from configs import digits_base

  config = digits_base.get_config()
  config.update_from_flattened_dict({
      "epochs": 5, "batch_size": 32, "data.limit": 320, "eval_every_epochs": 0, "log_every_steps": 100,
      "augment.crop_padding": 0, "schedule.warmup_epochs": 0.0})
  workdir = tmp_path_factory.mktemp("run")
  loop.train(config, str(workdir), quiet=True)
  return workdir


@pytest.fixture(scope="package", autouse=True)
def compiled_programs(tmp_path_factory):
  """Keeps compiled programs on disk: a network that is loaded again is not compiled again."""
  names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
  before = [getattr(jax.config, name) for name in names]
  for name, value in zip(names, (str(tmp_path_factory.mktemp("compiled")), 0.1)):
    jax.config.update(name, value)
  yield
  for name, value in zip(names, before):
    jax.config.update(name, value)
