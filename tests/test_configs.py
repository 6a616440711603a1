"""Every configuration file: it loads, is locked, has all keys, and says what it is."""

import ast
import importlib
import pathlib
import re

import numpy as np
import pytest

from apr_jax import defaults, experiment, models, optimizers, schedules
from apr_jax.augment.methods import METHODS, switched_on
from apr_jax.data import ArrayData
from apr_jax.errors import UserError
from apr_jax.published import published
from apr_jax.settings import flatten

FOLDER = pathlib.Path(__file__).parents[1] / "configs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
RUNS = [name for name in NAMES if not name.endswith("base")]
CONTRASTIVE = re.compile("supclr|csi")
# The augmentations that a configuration's name stands for, where it is not itself the name of one.
STANDS_FOR = {
  "standard": (),
  "apr_sp": ("apr_s", "apr_p"),
  "hybrid_ps": ("hybrid_s", "hybrid_p"),
  "hybrid_plus_p": ("hybrid_p",),
  "hybrid_plus_s": ("hybrid_s",),
  "hybrid_plus_ps": ("hybrid_s", "hybrid_p"),
  "supclr": ("simclr",),
  "supclr_head": ("simclr",),
  "csi": ("csi",),
  "csi_network": ("csi",),
  "csi_network_100": ("csi",),
  "csi_network_200": ("csi",),
  # The network, the images or the attack differ.
  "adversarial": (),
  "max_blur": (),
  "stylized": (),
  "deepaugment": (),
  "deepaugment_apr_sp": ("apr_s", "apr_p"),
  "fgsm": (),
  "fgsm_cutout": ("cutout",),
  "fgsm_apr_p": ("apr_p",),
  "fgsm_apr_s": ("apr_s", "apr_p"),  # of which the latter doubles the batch, and no more
  "fgsm_apr_sp": ("apr_s", "apr_p"),
  "afa_plain": ("afa",),
  "afa_jsd": ("afa",),
  "prime_jsd": ("prime",),
  "prime_afa": ("prime", "afa"),
  "augmix_afa": ("augmix", "afa"),
  "vipaug": ("vipaug", "apr_p"),
  "record": ("hybrid_p", "prime", "afa"),
}
# With recipes of their own, which tests/test_configs_past.py holds.
PAST = ("afa", "prime", "vipaug", "record")
# What these papers do not speak of.
NO_BOUNDS = {
  "decay_norms": True,
  "clip_norm": 0,
  "average_decay": 0,
  "skip_nonfinite": False,
}
# Kind, proportion and perturbation of the first layer, and the other augmentations than APR-SP's.
FIRST_LAYER = {
  "filter_low": ("proportion", (1, 0, 0), 0, ()),
  "filter_middle": ("proportion", (0, 1, 0), 0, ()),
  "filter_high": ("proportion", (0, 0, 1), 0, ()),
  "filter_balanced": ("proportion", (1 / 3, 1 / 3, 1 / 3), 0, ()),
  "modulation": ("modulation", (1 / 3, 1 / 3, 1 / 3), 0, ()),
  "modulation_a": ("modulation", (1 / 3, 1 / 3, 1 / 3), 0.5, ()),
  "modulation_b": ("modulation", (1 / 3, 1 / 3, 1 / 3), 0, ("power_perturbation",)),
  "modulation_ab": ("modulation", (1 / 3, 1 / 3, 1 / 3), 0.5, ("power_perturbation",)),
}
for method_name, (*_, also) in FIRST_LAYER.items():
  STANDS_FOR[method_name] = also
  STANDS_FOR[f"{method_name}_apr_sp"] = ("apr_s", "apr_p", *also)
# Epochs, peak rate, probabilities of APR-P and APR-S: APR's autoattacks/README.md; without them the
# defaults of Wong et al.
FGSM = {
  "cifar10_fgsm": (15, 0.2, 0, 0),
  "cifar10_fgsm_cutout": (15, 0.2, 0, 0),
  "cifar10_fgsm_apr_p": (55, 0.22, 0.16, 0),
  "cifar10_fgsm_apr_s": (65, 0.23, 0, 1),
  "cifar10_fgsm_apr_sp": (90, 0.20, 0.16, 0.9),
}
TITLES = {
  "allconv": "AllConvNet",
  "densenet_40_12": "DenseNet",
  "wide_resnet_40_2": "WideResNet-40-2",
  "resnext29_32x4": "ResNeXt-29",
  "resnet18_cifar": "ResNet-18",
  "resnet50": "ResNet-50",
  "resnet50_max_blur": "ResNet-50",
}


def load(name):
  return importlib.import_module(f"configs.{name}").get_config()


def docstring(name):
  return ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text()))


@pytest.mark.parametrize("name", NAMES)
def test_all_keys_are_there_and_no_other_can_be_set(name):
  config = load(name)
  assert flatten(config.to_dict()).keys() == flatten(defaults.get_config().to_dict()).keys()
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
  joined = re.sub(r"\\\n\s*", "", docstring(name))  # long lines go on after a backslash
  lines = [line.strip() for line in joined.splitlines()]
  assert f"python train.py --config configs/{name}.py --workdir runs/{name}" in lines
  suites = " --suites clean,autoattack" if "fgsm" in name else ""
  assert f"python evaluate.py --workdir runs/{name}{suites}" in lines


def is_past(name):
  """Whether a configuration is of a method that is younger than APR."""
  return any(word in name.split("_") for word in PAST)


def first_layer_of(name):
  """What `FIRST_LAYER` says of a configuration; None for those of other experiments."""
  return FIRST_LAYER.get(name.partition("_")[2].removesuffix("_apr_sp"))


def published_by_source(name, metric):
  """ "(APR, Table 1): AllConvNet 30.8, ...; (...): ..." as `published` has them; "" for none."""
  groups = {}
  for network, title in TITLES.items():
    figure = published(name, network, metric)
    if figure is not None:
      groups.setdefault(re.sub(r" \(.*?\)", "", figure.source), []).append(
        f"{title} {figure.value}"
      )
  return "; ".join(f"({source}): {', '.join(figures)}" for source, figures in groups.items())


@pytest.mark.parametrize("name", RUNS)
def test_the_docstring_gives_every_published_number_and_a_place_for_ours(name):
  text = " ".join(docstring(name).split())
  benchmark = {
    "cifar10": "Mean error on CIFAR-10-C",
    "cifar100": "Mean error on CIFAR-100-C",
    "imagenet": "mCE on ImageNet-C",
    "digits": "-",
  }[name.partition("_")[0]]
  metric = "mce" if name.startswith("imagenet") else "mean_error"
  found = [
    (benchmark, published_by_source(name, metric)),
    ("AUROC of out-of-distribution detection", published_by_source(name, "ood_auroc")),
  ]
  found = [(title, figures) for title, figures in found if figures]
  if name in FGSM:
    accuracy, error = (
      published(name, "preact_resnet18", metric) for metric in ("robust_accuracy", "clean_error")
    )
    assert accuracy.source == error.source == "APR (ICCV 2021), Table 3"
    assert (
      f"Accuracy in percent, published (APR, Table 3), PreActResNet-18: clean "
      f"{100 - error.value:.1f}, under AutoAttack {accuracy.value}." in text
    )
  ours = first_layer_of(name) is not None
  if is_past(name) and not found:
    assert "Published: none" in text
  others = name.startswith("digits") or name == "cifar100_supclr" or name in FGSM
  assert found or ours or is_past(name) or others or "csi_network" in name
  if ours:
    published_text = "Published: none." if "filter" in name else "ResNet-18 gains 10.97 points"
    assert published_text in text and "https://arxiv.org/abs/1911.12044" in text
  for title, figures in found:
    assert f"{title} in percent, published {figures}" in text
  assert name.startswith("digits") or re.search(r"Measured here, [a-zA-Z, ]+: not run\.", text)


@pytest.mark.parametrize("name", RUNS)
def test_the_name_says_the_augmentation(name):
  data, method = name.split("_", 1)
  config = load(name)
  assert config.data.name == {"imagenet": "imagenet2012"}.get(data, data)
  on = switched_on(config.augment)
  assert on.keys() == set(STANDS_FOR.get(method, (method,)))
  # What is off is left as it is.
  base = "cifar10_fgsm_base" if name in FGSM else f"{data}_base"
  plain = load(base if base in NAMES else "base").augment
  for other in METHODS.keys() - on.keys():
    assert config.augment[other] == plain[other]
  for paired in on.keys() & {"hybrid_p", "hybrid_s"}:
    assert on[paired].plus == ("plus" in method or method == "record")
  own = method.startswith(("supclr", "csi")) or "prime" in name.split("_")
  if not own:  # whose crops are their own
    for key in ("crop_padding", "crop_fill", "flip"):
      assert config.augment[key] == plain[key]


@pytest.mark.parametrize("name", RUNS)
def test_the_methods_of_the_papers_have_their_published_settings(name):
  imagenet, fgsm = name.startswith("imagenet"), "fgsm" in name
  prob_p, prob_s = 0.5 if imagenet else 0.6, 1
  if fgsm:
    prob_p, prob_s = FGSM[name.replace("digits", "cifar10")][2:]
  published_settings = {
    "apr_p": {
      "prob": prob_p,
      "normalised": imagenet or (fgsm and prob_p > 0),
      "per_image": False,
      "double": fgsm and prob_p == 0,
      "mean_loss": fgsm,
    },
    "apr_s": {"prob": prob_s, "severity": 3, "overflow": "wrap"},
    "hybrid_p": {"prob": 0.6, "per_image": False},
    "hybrid_s": {"prob": 1, "severity": 3, "overflow": "wrap"},
    "cutout": {"size": 16},
    "mixup": {"alpha": 1},
    "cutmix": {"alpha": 1, "prob": 0.5},
    "augmix": {"width": 3, "depth": 3, "severity": 1 if imagenet else 3, "jsd_weight": 12},
    "autoaugment": {"policy": "imagenet_disjoint" if imagenet else "cifar10_disjoint"},
    "random_autoaugment": {"prob": 1},
    "patch_uniform": {"size": 250, "scale": 1},
    "simclr": {"views": 1 if name.endswith("head") else 2, "min_area": 0.08, "temperature": 0.07},
    "power_perturbation": {"prob": 0.5, "tau": 1},
    "csi": {"views": 2 if "network" in name else 1, "min_area": 0.08, "temperature": 0.07},
    "afa": {"strength": 10, "minimum": 0, "weight": 0.5},
    "prime": {
      "width": 3,
      "depth": 3,
      "cut": 500 if imagenet else 100,
      "colours": 500 if imagenet else 100,
      "colour_strength": 0.05 if imagenet else 0.01,
      "colour_band": 20 if imagenet else 0,
      "sigma": 4,
      "corner": False,
      "jsd_weight": 12 if name.endswith("jsd") else 0,
    },
    "vipaug": {"prob": 1, "severity": 3, "overflow": "wrap", "hermitian": False},
  }
  for name_of, method in switched_on(load(name).augment).items():
    expected = published_settings.get(name_of, {})
    assert {key: getattr(method, key) for key in expected} == expected


@pytest.mark.parametrize("name", RUNS)
def test_the_adversary_is_the_one_that_the_name_says(name):
  madry = {"steps": 10, "epsilon": 8.0, "step_size": 2.0, "outside": "stay", "log_pgd": False}
  fast = {"steps": 1, "epsilon": 8.0, "step_size": 10.0, "outside": "pull", "log_pgd": True}
  expected = fast if "fgsm" in name else madry
  if "fgsm" not in name and not name.endswith("adversarial"):
    expected = madry | {"steps": 0}
  assert load(name).adversary.to_dict() == expected | {
    "random_start": True,
    "stop_on_overfitting": False,
  }


@pytest.mark.parametrize("name", FGSM)
def test_the_fgsm_recipe_is_that_of_the_released_codes(name):
  config = load(name)
  assert (config.epochs, config.optimizer.learning_rate) == FGSM[name][:2]
  assert (config.batch_size, config.model.name) == (128, "preact_resnet18")
  optimizer = config.optimizer.to_dict()
  del optimizer["learning_rate"]
  assert optimizer == NO_BOUNDS | {
    "name": "sgd",
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 5e-4,
  }
  schedule = config.schedule
  assert (schedule.name, schedule.warmup_epochs, schedule.peak_momentum) == ("triangular", 0, 0.8)
  augment = config.augment
  assert (augment.crop_padding, augment.crop_fill, augment.flip) == (4, 0, True)
  assert config.model.mean == (0.4914, 0.4822, 0.4465)
  assert config.model.std == (0.2471, 0.2435, 0.2616)


@pytest.mark.parametrize(
  "name",
  [
    name
    for name in RUNS
    if name.startswith("cifar") and not is_past(name) and not CONTRASTIVE.search(name)
    if name not in FGSM
  ],
)
def test_the_cifar_recipe_is_the_published_one(name):
  config = load(name)
  network = "wide_resnet_40_2" if first_layer_of(name) is None else "resnet18_cifar"
  assert (config.epochs, config.batch_size, config.model.name) == (200, 128, network)
  assert config.optimizer.to_dict() == NO_BOUNDS | {
    "name": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 5e-4,
  }
  assert (
    config.schedule.name,
    config.schedule.boundaries_epochs,
    config.schedule.factor,
    config.schedule.warmup_epochs,
  ) == ("step", (60, 120, 160, 190), 0.2, 0)
  augment = config.augment
  assert (
    augment.crop_padding,
    augment.crop_fill,
    augment.flip,
    augment.apr_s.severity,
    augment.apr_p.per_image,
  ) == (4, 128, True, 3, False)
  assert (config.model.mean, config.model.std) == (
    (0.4914, 0.4822, 0.4465),
    (0.2023, 0.1994, 0.2010),
  )
  assert config.evaluation.ood_sets == (
    ("cifar100",) if config.data.name == "cifar10" else ("cifar10",)
  )


@pytest.mark.parametrize("name", NAMES)
def test_the_first_layer_is_the_one_that_the_name_says(name):
  kind, proportion, sigma, _ = first_layer_of(name) or ("plain", (1 / 3, 1 / 3, 1 / 3), 0, ())
  assert load(name).model.first_layer.to_dict() == {
    "kind": kind,
    "kernel_size": 0,
    "proportion": proportion,
    "soft": False,
    "beta": 1,
    "modulation": "per_filter",
    "sigma": sigma,
  }


@pytest.mark.parametrize("name", ["cifar10_supclr", "cifar100_supclr"])
def test_supclrs_recipe_is_that_of_csis_released_code(name):
  config = load(name)
  assert (config.epochs, config.batch_size, config.model.name) == (700, 512, "resnet18_cifar")
  assert config.optimizer.to_dict() == NO_BOUNDS | {
    "name": "lars",
    "learning_rate": 1.0,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 1e-6,
  }
  assert (config.schedule.name, config.schedule.warmup_epochs) == ("cosine", 10)
  assert (config.augment.crop_padding, config.augment.flip) == (0, False)
  assert config.model.mean == config.model.std == (0.5, 0.5, 0.5) and config.model.sync_batch_norm
  assert config.evaluation.ood_sets == (
    ("cifar100",) if config.data.name == "cifar10" else ("cifar10",)
  )


@pytest.mark.parametrize("name", ["cifar10_csi_network", "cifar10_csi"])
def test_csis_recipe_is_that_of_its_released_code(name):
  config, heads = load(name), name == "cifar10_csi"
  assert (config.epochs, config.batch_size) == ((100, 32) if heads else (700, 128))
  optimizer = config.optimizer
  found = (optimizer.name, optimizer.learning_rate, optimizer.momentum, optimizer.weight_decay)
  assert found == (("sgd", 0.1, 0, 1e-6) if heads else ("lars", 1, 0.9, 1e-6))
  schedule = config.schedule
  if heads:
    assert (schedule.name, schedule.boundaries_epochs, schedule.factor) == (
      "step",
      (60, 75, 90),
      0.1,
    )
    assert config.model.frozen and config.model.weights == "runs/cifar10_csi_network"
  else:
    assert (schedule.name, schedule.warmup_epochs) == ("cosine", 10) and not config.model.frozen
  assert config.model.name == "resnet18_cifar" and config.model.mean == (0.5, 0.5, 0.5)


def test_heads_are_trained_on_a_finished_network_alone():
  config = load("cifar10_csi")
  experiment.check(config)
  for changes in ({"model.weights": ""}, {"augment.csi.views": 0}):
    changed = load("cifar10_csi")
    changed.update_from_flattened_dict(changes)
    with pytest.raises(UserError, match="name its folder in model.weights"):
      experiment.check(changed)


@pytest.mark.parametrize(
  "name", [name for name in RUNS if name.startswith("imagenet") and not is_past(name)]
)
def test_the_imagenet_recipe_is_the_published_one(name):
  config, method = load(name), name.partition("_")[2]
  assert (config.epochs, config.batch_size) == (100, 256)
  assert config.model.name == ("resnet50_max_blur" if method == "max_blur" else "resnet50")
  assert config.optimizer.to_dict() == NO_BOUNDS | {
    "name": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 1e-4,
  }
  assert (
    config.schedule.name,
    config.schedule.boundaries_epochs,
    config.schedule.factor,
    config.schedule.warmup_epochs,
  ) == ("step", (30, 60, 90), 0.1, 0)
  assert (
    config.data.image_size,
    config.data.resize,
    config.data.stream,
    config.data.min_crop_area,
  ) == (224, 256, True, 0.08)
  augment = config.augment
  assert (augment.crop_padding, augment.flip, augment.apr_p.normalised, augment.apr_s.severity) == (
    0,
    True,
    True,
    3,
  )
  assert (config.model.mean, config.model.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
  assert config.data.extra_folders == {
    "stylized": ("Stylized-ImageNet",),
    "deepaugment": ("EDSR", "CAE"),
    "deepaugment_apr_sp": ("EDSR", "CAE"),
  }.get(method, ())


@pytest.mark.parametrize("name", RUNS)
def test_an_experiment_can_be_built_from_it(name):
  train = ArrayData(np.zeros((2, 32, 32, 3), np.uint8), np.zeros(2, np.int32), 10, "zeros")
  config = experiment.resolve(load(name), train)
  assert config.model.name in models.NETWORKS
  experiment.build(config)
  schedule = schedules.make_schedule(
    config.schedule, config.optimizer.learning_rate, 10, 10 * config.epochs
  )
  momentum = schedules.make_momentum(
    config.schedule, config.optimizer.momentum, 10, 10 * config.epochs
  )
  optimizers.make_optimizer(config.optimizer, schedule, momentum)
  peak = round(10 * config.schedule.warmup_epochs)
  if config.schedule.name == "triangular":
    peak = 5 * config.epochs
  if config.schedule.name == "one_cycle":
    peak = round(10 * config.epochs * config.schedule.rise) - 1
  assert float(schedule(peak)) == pytest.approx(config.optimizer.learning_rate)
