"""Every configuration file: it loads, is locked, has all keys, and says what it is."""

import ast
import importlib
import pathlib

import numpy as np
import pytest

from apr_jax import experiment, models
from apr_jax.data import ArrayData
from apr_jax.training import optimizer
from apr_jax.training.workdir import flatten

FOLDER = pathlib.Path(__file__).parents[1] / "configs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
RUNS = [name for name in NAMES if not name.endswith("base")]
# What each method changes in base's `augment`, apart from overflow.
HYBRID_P, HYBRID_S = {"hybrid_p.prob": 0.6}, {"hybrid_s.prob": 1.0}
PLUS_P, PLUS_S = HYBRID_P | {"hybrid_p.plus": True}, HYBRID_S | {"hybrid_s.plus": True}
METHODS = {
    "standard": {}, "apr_p": {"apr_p.prob": 0.6}, "apr_s": {"apr_s.prob": 1.0},
    "apr_sp": {"apr_p.prob": 0.6, "apr_s.prob": 1.0}, "cutout": {"cutout.size": 16}, "mixup": {"mixup.alpha": 1.0},
    "cutmix": {"cutmix.alpha": 1.0}, "autoaugment": {"autoaugment": "cifar10_disjoint"},
    "augmix": {"augmix.width": 3}, "adversarial": {}, "hybrid_p": HYBRID_P, "hybrid_s": HYBRID_S,
    "hybrid_ps": HYBRID_P | HYBRID_S, "hybrid_plus_p": PLUS_P, "hybrid_plus_s": PLUS_S,
    "hybrid_plus_ps": PLUS_P | PLUS_S, "supclr": {"simclr.views": 2, "crop_padding": 0, "flip": False}}
# On ImageNet APR-P has another probability and AugMix another severity, and there are methods of its own.
IMAGENET_METHODS = {
    "standard": {}, "apr_p": {"apr_p.prob": 0.5}, "apr_s": METHODS["apr_s"],
    "apr_sp": {"apr_p.prob": 0.5, "apr_s.prob": 1.0}, "augmix": {"augmix.width": 3, "augmix.severity": 1.0},
    "max_blur": {}, "stylized": {}, "deepaugment": {}, "hybrid_plus_ps": METHODS["hybrid_plus_ps"],
    "deepaugment_apr_sp": {"apr_p.prob": 0.5, "apr_s.prob": 1.0},
    "autoaugment": {"autoaugment": "imagenet_disjoint"}, "random_autoaugment": {"random_autoaugment": True},
    "patch_uniform": {"patch_uniform.size": 250}}
KEYS = {
    "seed", "epochs", "batch_size", "log_every_steps", "eval_every_epochs", "data.name", "data.data_dir",
    "data.limit", "model.name", "model.dtype", "model.sync_batch_norm", "optimizer.name", "optimizer.learning_rate",
    "optimizer.momentum", "optimizer.nesterov", "optimizer.weight_decay", "schedule.name",
    "schedule.boundaries_epochs", "schedule.factor", "schedule.warmup_epochs", "augment.apr_p.prob",
    "augment.apr_p.per_image", "augment.apr_s.prob", "augment.apr_s.severity", "augment.apr_s.overflow",
    "augment.crop_padding", "augment.crop_fill", "augment.flip", "augment.hybrid_p.prob", "augment.hybrid_p.plus",
    "augment.hybrid_p.per_image", "augment.hybrid_s.prob", "augment.hybrid_s.severity", "augment.hybrid_s.overflow",
    "augment.hybrid_s.plus", "augment.cutout.size", "augment.mixup.alpha", "augment.cutmix.alpha",
    "augment.cutmix.prob", "augment.autoaugment", "augment.augmix.width", "augment.augmix.depth",
    "augment.augmix.severity", "augment.random_autoaugment", "augment.patch_uniform.size",
    "augment.patch_uniform.scale", "adversary.steps", "adversary.epsilon", "adversary.step_size",
    "adversary.random_start", "augment.simclr.views", "augment.simclr.min_area", "loss.jsd_weight",
    "loss.temperature", "checkpoint.every_steps", "checkpoint.keep"}
# Mean corruption error of AllConvNet, DenseNet, WideResNet-40-2 and ResNeXt-29 (APR, Table 1).
TABLE_1 = {
    "cifar10_standard": (30.8, 30.7, 26.9, 27.5), "cifar10_apr_p": (21.5, 20.3, 18.3, 18.5),
    "cifar10_apr_s": (14.8, 12.3, 10.6, 11.0), "cifar10_apr_sp": (11.5, 10.3, 9.1, 9.1),
    "cifar100_standard": (56.4, 59.3, 53.3, 53.4), "cifar100_apr_p": (47.5, 49.8, 44.7, 44.2),
    "cifar100_apr_s": (39.8, 38.3, 35.5, 33.7), "cifar100_apr_sp": (35.9, 35.8, 32.9, 31.0),
    "cifar10_cutout": (32.9, 32.1, 26.8, 28.9), "cifar100_cutout": (56.8, 59.6, 53.5, 54.6),
    "cifar10_mixup": (24.6, 24.6, 22.3, 22.6), "cifar100_mixup": (53.4, 55.4, 50.4, 51.4),
    "cifar10_cutmix": (31.3, 33.5, 27.1, 29.5), "cifar100_cutmix": (56.0, 59.2, 52.9, 54.1),
    "cifar10_adversarial": (28.1, 27.6, 26.2, 27.0), "cifar100_adversarial": (56.0, 55.2, 55.1, 54.4),
    "cifar10_augmix": (15.0, 12.7, 11.2, 10.9), "cifar100_augmix": (42.7, 39.6, 35.9, 34.9),
    "cifar10_autoaugment": (29.2, 26.6, 23.9, 24.2), "cifar100_autoaugment": (55.1, 53.9, 49.6, 51.3)}
# The same and ResNet-18 (HybridAugment++, ICCV 2023, Table 1).
HYBRID = {
    "cifar10_hybrid_p": (20.8, 18.4, 16.4, 17.6, 18.3),
    "cifar100_hybrid_p": (44.7, 45.6, 43.1, 41.2, 45.5),
    "cifar10_hybrid_s": (16.8, 15.0, 13.6, 13.2, 12.2),
    "cifar100_hybrid_s": (43.0, 41.3, 38.1, 35.6, 35.6),
    "cifar10_hybrid_ps": (12.0, 10.9, 9.9, 10.3, 9.3),
    "cifar100_hybrid_ps": (36.5, 36.1, 34.2, 31.5, 31.8),
    "cifar10_hybrid_plus_p": (16.7, 14.2, 13.2, 13.2, 15.2),
    "cifar100_hybrid_plus_p": (41.7, 41.8, 39.3, 36.4, 44.6),
    "cifar10_hybrid_plus_s": (13.9, 11.1, 10.0, 9.99, 9.34),
    "cifar100_hybrid_plus_s": (38.9, 37.3, 33.9, 31.1, 32.1),
    "cifar10_hybrid_plus_ps": (10.7, 9.5, 8.3, 7.9, 8.2),
    "cifar100_hybrid_plus_ps": (34.4, 33.4, 31.2, 28.8, 29.9)}
# mCE of ResNet-50 on ImageNet-C (APR, Table 4).
TABLE_4 = {
    "standard": 80.6, "max_blur": 73.4, "stylized": 73.3, "augmix": 68.4, "apr_s": 70.5, "apr_p": 69.3,
    "apr_sp": 65.0, "deepaugment": 63.1, "deepaugment_apr_sp": 57.5}
NETWORKS = ("AllConvNet", "DenseNet", "WideResNet-40-2", "ResNeXt-29", "ResNet-18")


def load(name):
  return importlib.import_module(f"configs.{name}").get_config()


def docstring(name):
  return ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text()))


@pytest.mark.parametrize("name", NAMES)
def test_all_keys_are_there_and_no_other_can_be_set(name):
  config = load(name)
  flat = flatten(config.to_dict())
  assert KEYS <= flat.keys()
  assert flat.keys() == flatten(load("base").to_dict()).keys()
  for section in (config, config.augment.apr_s, config.model):
    with pytest.raises(AttributeError):
      section.tpyo = 1
  with pytest.raises(TypeError):
    config.batch_size = "many"


@pytest.mark.parametrize("name", NAMES)
def test_each_call_makes_a_new_configuration(name):
  first = load(name)
  first.seed = 99
  assert load(name).seed == 0


@pytest.mark.parametrize("name", RUNS)
def test_the_docstring_gives_the_commands_of_its_own_file(name):
  lines = [line.strip() for line in docstring(name).splitlines()]
  assert f"python train.py --config configs/{name}.py --workdir runs/{name}" in lines
  assert f"python evaluate.py --workdir runs/{name}" in lines


@pytest.mark.parametrize("name", [*TABLE_1, *HYBRID])
def test_the_docstring_gives_the_published_errors(name):
  text = " ".join(docstring(name).split())
  published = ", ".join(f"{network} {error}" for network, error in zip(NETWORKS, (TABLE_1 | HYBRID)[name]))
  source = "APR, Table 1" if name in TABLE_1 else "HybridAugment++, ICCV 2023"
  assert f"published ({source}): {published}." in text
  assert {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C"}[name.split("_")[0]] in text


@pytest.mark.parametrize("method", TABLE_4)
def test_the_docstring_gives_the_published_mce(method):
  text = " ".join(docstring(f"imagenet_{method}").split())
  assert f"mCE on ImageNet-C in percent, published (APR, Table 4): ResNet-50 {TABLE_4[method]}" in text
  assert "Measured here, error and cost: not run." in text


@pytest.mark.parametrize("name", [name for name in RUNS if name.partition("_")[2] in METHODS | IMAGENET_METHODS])
def test_the_name_says_the_augmentation(name):
  data, method = name.split("_", 1)
  config = load(name)
  assert config.data.name == {"imagenet": "imagenet2012"}.get(data, data)
  augment = flatten(config.augment.to_dict())
  plain = flatten(load(f"{data}_base" if data in ("digits", "imagenet") else "base").augment.to_dict())
  changed = {key: value for key, value in augment.items() if value != plain[key] and not key.endswith("overflow")}
  assert changed == (IMAGENET_METHODS if data == "imagenet" else METHODS)[method]
  for single in ("apr_s", "hybrid_s"):
    if data != "digits" and augment[f"{single}.prob"]:
      assert augment[f"{single}.overflow"] == "wrap"  # as the published numbers were made


@pytest.mark.parametrize("name", RUNS)
def test_the_adversary_is_that_of_madry_where_the_name_says_so(name):
  attacks = {"steps": 10 if name.endswith("adversarial") else 0}
  assert load(name).adversary.to_dict() == attacks | {"epsilon": 8.0, "step_size": 2.0, "random_start": True}


@pytest.mark.parametrize("name", [name for name in RUNS if name.startswith("cifar") and "supclr" not in name])
def test_the_cifar_recipe_is_the_published_one(name):
  config = load(name)
  assert (config.epochs, config.batch_size, config.model.name) == (200, 128, "wide_resnet_40_2")
  assert config.optimizer.to_dict() == {
      "name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
  assert (config.schedule.name, config.schedule.boundaries_epochs, config.schedule.factor,
          config.schedule.warmup_epochs) == ("step", (60, 120, 160, 190), 0.2, 0)
  augment = config.augment
  assert (augment.crop_padding, augment.crop_fill, augment.flip, augment.apr_s.severity,
          augment.apr_p.per_image) == (4, 128, True, 3, False)
  assert (config.model.mean, config.model.std) == ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
  assert config.evaluation.ood_sets == (("cifar100",) if config.data.name == "cifar10" else ("cifar10",))


@pytest.mark.parametrize("name", ["cifar10_supclr", "cifar100_supclr"])
def test_supclrs_recipe_is_that_of_csis_released_code(name):
  config = load(name)
  assert (config.epochs, config.batch_size, config.model.name) == (700, 512, "resnet18_cifar")
  assert config.optimizer.to_dict() == {
      "name": "lars", "learning_rate": 1.0, "momentum": 0.9, "nesterov": False, "weight_decay": 1e-6}
  assert (config.schedule.name, config.schedule.warmup_epochs) == ("cosine", 10)
  assert (config.loss.temperature, config.augment.simclr.min_area) == (0.07, 0.08)
  assert config.model.mean == config.model.std == (0.5, 0.5, 0.5) and config.model.sync_batch_norm
  assert config.evaluation.ood_sets == (("cifar100",) if config.data.name == "cifar10" else ("cifar10",))


def test_supclrs_docstring_gives_the_published_auroc():
  assert "published (APR, Table 2): ResNet-18 92.0" in docstring("cifar10_supclr")


@pytest.mark.parametrize("name", [name for name in RUNS if name.startswith("imagenet")])
def test_the_imagenet_recipe_is_the_published_one(name):
  config, method = load(name), name.partition("_")[2]
  assert (config.epochs, config.batch_size) == (100, 256)
  assert config.model.name == ("resnet50_max_blur" if method == "max_blur" else "resnet50")
  assert config.optimizer.to_dict() == {
      "name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 1e-4}
  assert (config.schedule.name, config.schedule.boundaries_epochs, config.schedule.factor,
          config.schedule.warmup_epochs) == ("step", (30, 60, 90), 0.1, 0)
  assert (config.data.image_size, config.data.resize, config.data.stream, config.data.min_crop_area) == (
      224, 256, True, 0.08)
  augment = config.augment
  assert (augment.crop_padding, augment.flip, augment.apr_p.normalised, augment.apr_s.severity) == (
      0, True, True, 3)
  assert (config.model.mean, config.model.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
  assert config.data.extra_folders == {
      "stylized": ("Stylized-ImageNet",), "deepaugment": ("EDSR", "CAE"),
      "deepaugment_apr_sp": ("EDSR", "CAE")}.get(method, ())


@pytest.mark.parametrize("name", RUNS)
def test_an_experiment_can_be_built_from_it(name):
  train = ArrayData(np.zeros((2, 32, 32, 3), np.uint8), np.zeros(2, np.int32), 10, "zeros")
  config = experiment.resolve(load(name), train)
  assert config.model.name in models.NETWORKS
  experiment.build(config)
  schedule = optimizer.make_schedule(config.schedule, config.optimizer.learning_rate, 10, 10 * config.epochs)
  optimizer.make_optimizer(config.optimizer, schedule)
  warmed_up = round(10 * config.schedule.warmup_epochs)
  assert float(schedule(warmed_up)) == pytest.approx(config.optimizer.learning_rate)
