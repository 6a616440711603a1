"""The recipes of the configurations that go past APR, as the released codes have them."""

import importlib
import pathlib

import pytest

from apr_jax.augment.methods import switched_on

FOLDER = pathlib.Path(__file__).parents[1] / "configs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.endswith("base"))
AFA = [name for name in NAMES if "afa" in name.split("_")]
PRIME = [name for name in NAMES if "prime" in name.split("_") and name not in AFA]
VIPAUG = [name for name in NAMES if "vipaug" in name]

# Epochs, batch, rate, Nesterov, bound of the gradient, decay, decay of norms.
AFA_RECIPES = {
  "cifar10": (200, 256, 0.1, True, 1.0, 5e-4, False),
  "cifar100": (100, 128, 0.2, True, 0.5, 5e-4, False),
  "imagenet": (90, 512, 0.2, False, 1.0, 1e-4, True),
}
PRIME_RECIPES = {
  "cifar10": (100, 128, 0.2, True, 0.5, 5e-4, True),
  "cifar100": (100, 128, 0.2, True, 0.5, 5e-4, True),
  "imagenet": (100, 512, 0.02, True, 0, 1e-4, True),
}
NORMALISATION = {
  "cifar10": ((0.4915, 0.4823, 0.4468), (0.2470, 0.2435, 0.2616)),
  "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
  "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def load(name):
  return importlib.import_module(f"configs.{name}").get_config()


def recipe(config):
  optimizer = config.optimizer
  return (
    config.epochs,
    config.batch_size,
    optimizer.learning_rate,
    optimizer.nesterov,
    optimizer.clip_norm,
    optimizer.weight_decay,
    optimizer.decay_norms,
  )


def test_each_data_set_has_each_method():
  assert [len(names) for names in (AFA, PRIME, VIPAUG)] == [15, 6, 3]


@pytest.mark.parametrize("name", AFA)
def test_the_recipe_of_afa(name):
  data, config = name.partition("_")[0], load(name)
  assert recipe(config) == AFA_RECIPES[data]
  assert config.optimizer.momentum == 0.9
  assert (config.model.mean, config.model.std) == NORMALISATION[data]
  schedule = config.schedule
  if data == "imagenet":
    assert config.model.name == "resnet50"
    assert (schedule.name, schedule.boundaries_epochs, schedule.factor) == ("step", (30, 60), 0.1)
    assert (schedule.warmup_epochs, schedule.warmup_start) == (5, 0.5)
  else:
    assert config.model.name == "resnet18_cifar"
    assert (schedule.name, schedule.end_rate, schedule.warmup_epochs) == ("cosine", 1e-5, 0)
  afa = switched_on(config.augment)["afa"]
  modes = {"afa_plain": "plain", "afa_jsd": "jsd"}
  assert afa.mode == modes.get(name.partition("_")[2], "auxiliary")
  if afa.mode == "jsd":
    assert afa.jsd_weight == {"cifar10": 10, "cifar100": 1, "imagenet": 12}[data]
  assert config.augment.augmix.single == ("augmix" in name)


@pytest.mark.parametrize("name", PRIME)
def test_the_recipe_of_prime(name):
  data, config = name.partition("_")[0], load(name)
  assert recipe(config) == PRIME_RECIPES[data]
  schedule = config.schedule
  assert (schedule.name, schedule.peak_momentum) == ("one_cycle", 0.85)
  assert config.optimizer.momentum == 0.95
  if data == "imagenet":
    assert (config.model.name, config.model.weights) == ("resnet50", "runs/resnet50")
    assert schedule.rise == 0.1
  else:
    assert (config.model.name, config.model.weights) == ("resnet18_cifar", "")
    assert schedule.rise == 0.25 and config.model.std == (0.2471, 0.2435, 0.2616)
    assert (config.augment.crop_padding, config.augment.crop_fill) == (4, 0)


@pytest.mark.parametrize("name", VIPAUG)
def test_the_recipe_of_vipaug(name):
  data, config = name.partition("_")[0], load(name)
  vipaug = switched_on(config.augment)["vipaug"]
  variances = {"cifar10": (0.001, 0.014), "cifar100": (0.005, 0.012), "imagenet": (0.001, 0.005)}
  assert (vipaug.vital, vipaug.other) == variances[data]
  if data != "imagenet":
    assert recipe(config) == (250, 128, 0.1, True, 0, 5e-4, True)
    assert (config.schedule.boundaries_epochs, config.schedule.factor) == ((60, 120, 160, 190), 0.2)
    assert config.model.name == "resnet18_cifar"


def test_the_record_attempt_is_one_small_network_of_200_epochs():
  config = load("cifar10_record")
  assert (config.epochs, config.batch_size, config.model.name) == (200, 128, "wide_resnet_40_2")
  assert (config.model.weights, config.data.extra_folders) == ("", ())
  assert config.optimizer.average_decay > 0
