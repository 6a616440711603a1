"""The published numbers against a second transcription, row by row, and the means that the papers
print.
"""

import importlib
import pathlib
import re

import pytest

from apr_jax import models, published as published_numbers
from apr_jax.published import (
  OOD_SETS,
  OTHER_RECIPES,
  Figure,
  data_set,
  figures,
  other_recipe,
  published,
)

CONFIGS = {path.stem for path in (pathlib.Path(__file__).parents[1] / "configs").glob("*.py")}
NETWORKS = ("allconv", "densenet_40_12", "wide_resnet_40_2", "resnext29_32x4", "resnet18_cifar")
# Row by row, as APR's Table 1 is printed; the source of `published` is by column.
METHODS = (
  "standard",
  "cutout",
  "mixup",
  "cutmix",
  "adversarial",
  "apr_p",
  "autoaugment",
  "augmix",
  "apr_s",
  "apr_sp",
)
APR_TABLE_1 = {
  ("allconv", "cifar10"): "30.8 32.9 24.6 31.3 28.1 21.5 29.2 15.0 14.8 11.5",
  ("densenet_40_12", "cifar10"): "30.7 32.1 24.6 33.5 27.6 20.3 26.6 12.7 12.3 10.3",
  ("wide_resnet_40_2", "cifar10"): "26.9 26.8 22.3 27.1 26.2 18.3 23.9 11.2 10.6 9.1",
  ("resnext29_32x4", "cifar10"): "27.5 28.9 22.6 29.5 27.0 18.5 24.2 10.9 11.0 9.1",
  ("allconv", "cifar100"): "56.4 56.8 53.4 56.0 56.0 47.5 55.1 42.7 39.8 35.9",
  ("densenet_40_12", "cifar100"): "59.3 59.6 55.4 59.2 55.2 49.8 53.9 39.6 38.3 35.8",
  ("wide_resnet_40_2", "cifar100"): "53.3 53.5 50.4 52.9 55.1 44.7 49.6 35.9 35.5 32.9",
  ("resnext29_32x4", "cifar100"): "53.4 54.6 51.4 54.1 54.4 44.2 51.3 34.9 33.7 31.0",
}
# The row "Mean" of HybridAugment++'s Tables 1 and 2: mean corruption error and clean accuracy over
# five networks, on CIFAR-10 and CIFAR-100. The paper rounds and truncates: within 0.1.
HYBRID_MEANS = {
  "standard": (28.3, 94.2, 54.7, 72.9),
  "apr_s": (11.7, 94.9, 36.0, 76.6),
  "apr_p": (19.1, 95.0, 47.0, 70.3),
  "apr_sp": (9.8, 95.2, 33.4, 76.5),
  "hybrid_s": (14.1, 94.9, 38.7, 76.9),
  "hybrid_p": (18.3, 92.9, 44.0, 71.1),
  "hybrid_ps": (10.4, 95.1, 34.0, 75.7),
  "hybrid_plus_s": (10.9, 95.1, 34.6, 76.8),
  "hybrid_plus_p": (14.5, 92.3, 40.7, 70.8),
  "hybrid_plus_ps": (8.9, 95.1, 31.5, 76.4),
}
# Mean AUROC of ResNet-18 on CIFAR-10: APR's Table 2, and HybridAugment++'s Table 5.
OOD_MEANS = {
  "standard": 88.1,
  "cutout": 91.0,
  "mixup": 77.8,
  "apr_p": 93.1,
  "supclr": 92.0,
  "supclr_head": 92.0,
  "csi": 94.0,
  "apr_s": 91.3,
  "apr_sp": 94.7,
  "hybrid_s": 92.0,
  "hybrid_p": 89.0,
  "hybrid_ps": 93.2,
  "hybrid_plus_p": 90.2,
  "hybrid_plus_s": 92.8,
  "hybrid_plus_ps": 94.2,
}

# Published, without a configuration here.
AWAITED = {
  *(
    f"cifar10_fgsm_{method}"
    for method in (
      "hybrid_s",
      "hybrid_p",
      "hybrid_ps",
      "hybrid_plus_s",
      "hybrid_plus_p",
      "hybrid_plus_ps",
    )
  ),
}


@pytest.mark.parametrize("network, data", APR_TABLE_1)
def test_corruption_errors_of_apr_s_table_1(network, data):
  for method, value in zip(METHODS, APR_TABLE_1[network, data].split(), strict=True):
    assert published(f"{data}_{method}", network, "mean_error") == Figure(
      float(value), "APR (ICCV 2021), Table 1"
    )


@pytest.mark.parametrize("method", HYBRID_MEANS)
def test_the_five_networks_average_to_the_means_that_hybrid_augment_prints(method):
  found = []
  for data in ("cifar10", "cifar100"):
    errors = [published(f"{data}_{method}", network, "mean_error").value for network in NETWORKS]
    clean = [published(f"{data}_{method}", network, "clean_error").value for network in NETWORKS]
    if (data, method) == ("cifar10", "apr_sp"):
      assert clean[-1] == 4.4  # APR's own ResNet-18; HybridAugment++'s has 5.0
      clean[-1] = 5.0
    found += [sum(errors) / 5, 100 - sum(clean) / 5]
  assert found == pytest.approx(HYBRID_MEANS[method], abs=0.1)


@pytest.mark.parametrize(
  "config, network, metric, value, source",
  [
    (
      "cifar10_hybrid_plus_ps",
      "allconv",
      "mean_error",
      10.7,
      "HybridAugment++ (ICCV 2023), Table 1",
    ),
    (
      "cifar10_hybrid_plus_ps",
      "resnet18_cifar",
      "mean_error",
      8.2,
      "HybridAugment++ (ICCV 2023), Table 1",
    ),
    (
      "cifar100_hybrid_plus_ps",
      "resnext29_32x4",
      "mean_error",
      28.8,
      "HybridAugment++ (ICCV 2023), Table 1",
    ),
    (
      "cifar10_hybrid_ps",
      "densenet_40_12",
      "mean_error",
      10.9,
      "HybridAugment++ (ICCV 2023), Table 1",
    ),
    (
      "cifar100_hybrid_plus_p",
      "wide_resnet_40_2",
      "mean_error",
      39.3,
      "HybridAugment++ (ICCV 2023), Table 1",
    ),
    (
      "cifar10_standard",
      "resnet18_cifar",
      "mean_error",
      25.4,
      "HybridAugment++ (ICCV 2023), Table 1",
    ),
    (
      "cifar10_hybrid_plus_s",
      "wide_resnet_40_2",
      "clean_error",
      4.6,
      "HybridAugment++ (ICCV 2023), Table 2",
    ),
    ("cifar10_apr_sp", "resnet18_cifar", "ood_auroc", 94.7, "APR (ICCV 2021), Table 2"),
    (
      "cifar10_apr_sp",
      "resnet18_cifar",
      "ood_auroc/svhn",
      97.7,
      "HybridAugment++ (ICCV 2023), Table 5",
    ),
    (
      "cifar10_apr_sp",
      "resnet18_cifar",
      "ood_auroc/lsun_fix",
      93.7,
      "HybridAugment++ (ICCV 2023), Table 5",
    ),
    ("cifar10_fgsm_apr_sp", "preact_resnet18", "robust_accuracy", 45.7, "APR (ICCV 2021), Table 3"),
    ("cifar10_fgsm_apr_p", "preact_resnet18", "clean_error", 14.7, "APR (ICCV 2021), Table 3"),
    (
      "cifar10_fgsm_hybrid_plus_ps",
      "preact_resnet18",
      "robust_accuracy",
      46.0,
      "HybridAugment++ (ICCV 2023), Table 4",
    ),
    ("imagenet_apr_sp", "resnet50", "mce", 65.0, "APR (ICCV 2021), Table 4"),
    ("imagenet_apr_sp", "resnet50", "clean_error", 24.4, "APR (ICCV 2021), Table 4"),
    ("imagenet_apr_p", "resnet50", "clean_error", 24.4, "HybridAugment++ (ICCV 2023), Table 3"),
    ("imagenet_max_blur", "resnet50_max_blur", "mce", 73.4, "APR (ICCV 2021), Table 4"),
    ("imagenet_hybrid_plus_ps", "resnet50", "mce", 67.3, "HybridAugment++ (ICCV 2023), Table 3"),
  ],
)
def test_single_figures(config, network, metric, value, source):
  assert published(config, network, metric) == Figure(value, source)


@pytest.mark.parametrize("method", OOD_MEANS)
def test_the_sets_average_to_the_mean_auroc(method):

  def value(metric):
    return published(f"cifar10_{method}", "resnet18_cifar", metric).value

  assert value("ood_auroc") == OOD_MEANS[method]
  mean = sum(value(f"ood_auroc/{name}") for name in OOD_SETS) / len(OOD_SETS)
  assert mean == pytest.approx(OOD_MEANS[method], abs=0.06)  # of numbers that are rounded to 0.1


def covered_configs():
  """Every configuration file of a method that the papers have, with networks and the metric of the
  headline.
  """
  for config in sorted(CONFIGS):
    data, _, method = config.partition("_")
    if data in ("cifar10", "cifar100") and method in {*METHODS, *HYBRID_MEANS}:
      yield from ((config, network, "mean_error") for network in NETWORKS[:4])
    elif data == "cifar10" and method.startswith("fgsm") and not method.endswith("base"):
      for metric in ("clean_error", "robust_accuracy"):
        yield config, "preact_resnet18", metric
    elif data == "imagenet" and method in METHODS:
      yield config, "resnet50", "mce"
    elif config in ("cifar10_supclr", "cifar10_supclr_head", "cifar10_csi"):
      yield config, "resnet18_cifar", "ood_auroc"


def test_every_configuration_of_a_published_method_has_its_numbers():
  wanted = list(covered_configs())
  assert len(wanted) >= 4 * 30
  assert [figure for figure in wanted if published(*figure) is None] == []


def test_every_number_belongs_to_a_configuration_or_awaits_one():
  from configs import base

  assert {config for config, _, _ in figures()} - CONFIGS == AWAITED
  assert (
    data_set("cifar10_apr_sp") == base.get_config().data.name and data_set("digits_apr_sp") is None
  )
  for config in {config for config, _, _ in figures()} & CONFIGS:
    made = importlib.import_module(f"configs.{config}").get_config()
    assert made.data.name == data_set(config)


def test_each_row_of_the_table_says_something_of_its_own():
  rows = (pathlib.Path(published_numbers.__file__).with_suffix(".csv")).read_text().splitlines()[1:]
  assert len(rows) == len(figures()) > 300
  assert rows == [row.strip() for row in rows]
  assert all(
    re.match(
      r"(APR|HybridAugment\+\+|PRIME|AFA) .*, ((Table|Figure) \d|README|result logs)$",
      figure.source,
    )
    for figure in figures().values()
  )


def test_networks_are_those_of_the_zoo_and_what_is_not_published_is_none():
  assert {network for _, network, _ in figures()} <= models.NETWORKS.keys()
  assert all(0 < figure.value < 100 for figure in figures().values())
  # the papers' DenseNet is 40_12
  assert published("cifar10_apr_sp", "densenet_bc_100_12", "mean_error") is None
  assert published("digits_apr_sp", "wide_resnet_10_1", "mean_error") is None
  assert published("cifar10_cutout", "resnet18_cifar", "mean_error") is None
  assert published("cifar100_apr_sp", "resnet18_cifar", "ood_auroc") is None


def test_other_recipes_are_those_of_configurations_with_published_numbers():
  for name in OTHER_RECIPES:
    assert name in CONFIGS and other_recipe(name) == OTHER_RECIPES[name]
    assert any(
      published(name, network, metric)
      for network in models.NETWORKS
      for metric in ("mean_error", "mce", "ood_auroc", "robust_accuracy")
    )
  assert other_recipe("cifar10_apr_sp") is None


def test_the_published_columns_of_the_results_are_these_numbers():
  """Rows "| configuration | network | published clean error | measured | published corruption error
  | ...".
  """
  text = (pathlib.Path(__file__).parents[1] / "RESULTS.md").read_text()
  rows = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in text.splitlines()
    if re.match(r"\| cifar\d+_\w+( \(.*\))? \| \w+ \|", line)
  ]
  assert len(rows) > 20
  for config, network, clean, _, corrupted, *_ in rows:
    expected = [
      published(config.partition(" ")[0], network, metric)
      for metric in ("clean_error", "mean_error")
    ]
    assert [clean, corrupted] == [f"{figure.value}" if figure else "–" for figure in expected], (
      config,
      network,
    )


# APR's Figure 4 as it is printed: accuracy by band of the amplitude (rows) and of the phase.
APR_FIGURE_4 = {
  "all": "93.0 89.5 83.0 77.8",
  "low": "89.2 89.0 66.1 66.5",
  "middle": "83.7 52.8 83.3 51.8",
  "high": "48.6 27.1 26.9 46.5",
}


def test_the_errors_of_aprs_figure_4():
  for amplitude, row in APR_FIGURE_4.items():
    for phase, accuracy in zip(APR_FIGURE_4, row.split(), strict=True):
      metric = f"clean_error/{amplitude}/{phase}"
      figure = published("cifar10_standard", "resnet18_cifar", metric)
      assert figure.source == "APR (ICCV 2021), Figure 4"
      assert figure.value == pytest.approx(100 - float(accuracy), abs=1e-9)
