"""The numbers that the papers publish, for comparison with measured ones; all in percent.

    published("cifar10_apr_sp", "wide_resnet_40_2", "mean_error")    # Figure(9.1, "APR (ICCV 2021),
    Table 1")

Sources: APR (https://arxiv.org/abs/2108.08487), which quotes its rivals; HybridAugment++
(https://arxiv.org/abs/2307.11823), which calls the plain mean error on CIFAR-C "mCE", and also has
clean accuracies and ResNet-18. Where both have a number, it is that of the method's own paper.

"DenseNet" in both papers is `densenet_40_12` here. APR's text says DenseNet-BC (k = 12, d = 100),
but the network of the released code of APR, and of AugMix, which APR quotes, has depth 40, growth
12 and no bottlenecks, and HybridAugment's code builds on APR's. `densenet_bc_100_12` therefore has
no published number.
"""

import dataclasses

OOD_SETS = ("svhn", "lsun_resize", "imagenet_resize", "lsun_fix", "imagenet_fix", "cifar100")
"""The out-of-distribution sets of CIFAR-10 in APR's Table 2, in its order."""


@dataclasses.dataclass(frozen=True)
class Figure:
  """A published number.

  Attributes:
    value: in percent.
    source: paper and table.
  """

  value: float
  source: str


def published(config: str, network: str, metric: str) -> Figure | None:
  """The published number of an experiment, or None.

  Args:
    config: name of its configuration file without ".py", such as "cifar10_apr_sp".
      "cifar10_adversarial" and
      "cifar100_adversarial" are the adversarial training of APR's Table 1. "cifar10_fgsm", alone or
      with the augmentation behind it, "cifar10_fgsm_apr_sp", is that of APR's Table 3 and
      HybridAugment++'s Table 4; these, and "cifar10_csi", await their configurations.
    network: a name of `apr_jax/models/zoo.py`.
    metric: "clean_error"; "mean_error" (CIFAR-10-C, CIFAR-100-C: mean over 15 corruptions and 5
      severities); "mce" (ImageNet-C, relative to AlexNet); "ood_auroc", the mean over `OOD_SETS`,
      or of one of them, "ood_auroc/cifar100"; "robust_accuracy" (AutoAttack, ℓ∞ 8/255).
  """
  return _FIGURES.get((config, network, metric))


def other_recipe(config: str) -> str | None:
  """What is known to differ between a configuration and the training behind its published numbers,
  or None.
  """
  return _OTHER_RECIPES.get(config)


def test_images(data_name: str) -> int | None:
  """How many test images the published numbers of a data set, named as in `data.name`, are of."""
  return {"cifar10": 10_000, "cifar100": 10_000, "imagenet2012": 50_000}.get(data_name)


def data_set(config: str) -> str | None:
  """The data set, as in `data.name`, that the numbers of an experiment are of; None if none is
  published.
  """
  return _DATA_SETS.get(config.partition("_")[0])


# Said in full in the docstring of each configuration.
_OTHER_RECIPES = {
  "cifar10_supclr": "published with a linear head trained afterwards",
  "cifar10_adversarial": "the published attack is not known",
  "cifar100_adversarial": "the published attack is not known",
  "imagenet_augmix": "published with 90 epochs",
  "imagenet_deepaugment": "published with another schedule, from a pretrained network",
  "imagenet_deepaugment_apr_sp": "published with another schedule, from a pretrained network",
  "imagenet_hybrid_plus_ps": "published with another blur and probability",
  "imagenet_patch_uniform": "the published size of the patch is not known",
  "imagenet_random_autoaugment": "the published policy is not known",
}
_DATA_SETS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet": "imagenet2012"}
_NETWORKS = ("allconv", "densenet_40_12", "wide_resnet_40_2", "resnext29_32x4", "resnet18_cifar")
_APR, _HYBRID = "APR (ICCV 2021)", "HybridAugment++ (ICCV 2023)"

# Mean corruption error of the first four networks; APR, Table 1.
_APR_TABLE_1 = {
  "cifar10_standard": (30.8, 30.7, 26.9, 27.5),
  "cifar100_standard": (56.4, 59.3, 53.3, 53.4),
  "cifar10_cutout": (32.9, 32.1, 26.8, 28.9),
  "cifar100_cutout": (56.8, 59.6, 53.5, 54.6),
  "cifar10_mixup": (24.6, 24.6, 22.3, 22.6),
  "cifar100_mixup": (53.4, 55.4, 50.4, 51.4),
  "cifar10_cutmix": (31.3, 33.5, 27.1, 29.5),
  "cifar100_cutmix": (56.0, 59.2, 52.9, 54.1),
  "cifar10_adversarial": (28.1, 27.6, 26.2, 27.0),
  "cifar100_adversarial": (56.0, 55.2, 55.1, 54.4),
  "cifar10_apr_p": (21.5, 20.3, 18.3, 18.5),
  "cifar100_apr_p": (47.5, 49.8, 44.7, 44.2),
  "cifar10_autoaugment": (29.2, 26.6, 23.9, 24.2),
  "cifar100_autoaugment": (55.1, 53.9, 49.6, 51.3),
  "cifar10_augmix": (15.0, 12.7, 11.2, 10.9),
  "cifar100_augmix": (42.7, 39.6, 35.9, 34.9),
  "cifar10_apr_s": (14.8, 12.3, 10.6, 11.0),
  "cifar100_apr_s": (39.8, 38.3, 35.5, 33.7),
  "cifar10_apr_sp": (11.5, 10.3, 9.1, 9.1),
  "cifar100_apr_sp": (35.9, 35.8, 32.9, 31.0),
}
# Mean corruption error of all five; HybridAugment++, Table 1. The first four of the methods above
# are APR's again.
_HYBRID_TABLE_1 = {
  "cifar10_standard": (30.8, 30.7, 26.9, 27.5, 25.4),
  "cifar100_standard": (56.4, 59.3, 53.3, 53.4, 51.2),
  "cifar10_apr_s": (14.8, 12.3, 10.6, 11.0, 9.9),
  "cifar100_apr_s": (39.8, 38.3, 35.5, 33.7, 33.0),
  "cifar10_apr_p": (21.5, 20.3, 18.3, 18.5, 17.0),
  "cifar100_apr_p": (47.5, 49.8, 44.7, 44.2, 49.2),
  "cifar10_apr_sp": (11.5, 10.3, 9.1, 9.1, 9.1),
  "cifar100_apr_sp": (35.9, 35.8, 32.9, 31.0, 31.8),
  "cifar10_hybrid_s": (16.8, 15.0, 13.6, 13.2, 12.2),
  "cifar100_hybrid_s": (43.0, 41.3, 38.1, 35.6, 35.6),
  "cifar10_hybrid_p": (20.8, 18.4, 16.4, 17.6, 18.3),
  "cifar100_hybrid_p": (44.7, 45.6, 43.1, 41.2, 45.5),
  "cifar10_hybrid_ps": (12.0, 10.9, 9.9, 10.3, 9.3),
  "cifar100_hybrid_ps": (36.5, 36.1, 34.2, 31.5, 31.8),
  "cifar10_hybrid_plus_s": (13.9, 11.1, 10.0, 9.99, 9.34),
  "cifar100_hybrid_plus_s": (38.9, 37.3, 33.9, 31.1, 32.1),
  "cifar10_hybrid_plus_p": (16.7, 14.2, 13.2, 13.2, 15.2),
  "cifar100_hybrid_plus_p": (41.7, 41.8, 39.3, 36.4, 44.6),
  "cifar10_hybrid_plus_ps": (10.7, 9.5, 8.3, 7.9, 8.2),
  "cifar100_hybrid_plus_ps": (34.4, 33.4, 31.2, 28.8, 29.9),
}
# Clean accuracy of all five; HybridAugment++, Table 2.
_HYBRID_TABLE_2 = {
  "cifar10_standard": (93.9, 94.2, 94.8, 95.7, 92.2),
  "cifar100_standard": (74.9, 71.4, 72.1, 75.0, 70.9),
  "cifar10_apr_s": (93.5, 94.9, 95.0, 95.5, 95.6),
  "cifar100_apr_s": (75.3, 75.8, 76.2, 78.8, 77.0),
  "cifar10_apr_p": (94.5, 95.0, 95.2, 95.5, 94.9),
  "cifar100_apr_p": (74.8, 71.5, 70.4, 71.1, 63.7),
  "cifar10_apr_sp": (94.3, 95.2, 95.7, 96.1, 95.0),
  "cifar100_apr_sp": (75.2, 75.6, 76.8, 79.1, 76.1),
  "cifar10_hybrid_s": (94.1, 94.7, 95.3, 95.3, 95.5),
  "cifar100_hybrid_s": (75.0, 76.0, 76.8, 79.4, 77.4),
  "cifar10_hybrid_p": (93.9, 93.1, 93.2, 93.5, 90.9),
  "cifar100_hybrid_p": (74.1, 71.4, 71.3, 73.5, 65.3),
  "cifar10_hybrid_ps": (94.5, 95.0, 95.5, 95.2, 95.4),
  "cifar100_hybrid_ps": (75.8, 74.9, 74.8, 77.3, 75.6),
  "cifar10_hybrid_plus_s": (93.9, 95.0, 95.4, 95.7, 95.6),
  "cifar100_hybrid_plus_s": (75.8, 75.6, 76.2, 79.4, 77.1),
  "cifar10_hybrid_plus_p": (94.0, 93.2, 92.0, 92.9, 89.7),
  "cifar100_hybrid_plus_p": (74.7, 71.7, 71.7, 74.3, 61.9),
  "cifar10_hybrid_plus_ps": (94.3, 94.8, 95.3, 95.9, 95.0),
  "cifar100_hybrid_plus_ps": (75.2, 75.9, 76.0, 78.8, 76.5),
}
# AUROC of ResNet-18 trained on CIFAR-10 on each of OOD_SETS, and the mean: HybridAugment++, Table
# 5, whose means of the methods in APR's Table 2 are those of that table.
_OOD = {
  "cifar10_standard": (88.6, 90.7, 88.3, 87.5, 87.4, 85.8, 88.1),
  "cifar10_cutout": (93.6, 94.5, 90.2, 92.2, 89.0, 86.4, 91.0),
  "cifar10_mixup": (78.1, 80.7, 76.5, 80.7, 76.0, 74.9, 77.8),
  "cifar10_supclr": (97.3, 92.8, 91.4, 91.6, 90.5, 88.6, 92.0),
  "cifar10_csi": (96.5, 96.3, 96.2, 92.1, 92.4, 90.5, 94.0),
  "cifar10_apr_s": (90.4, 96.1, 94.2, 90.9, 89.1, 86.8, 91.3),
  "cifar10_apr_p": (98.1, 93.7, 95.2, 91.4, 91.1, 88.9, 93.1),
  "cifar10_apr_sp": (97.7, 97.9, 96.3, 93.7, 92.8, 89.5, 94.7),
  "cifar10_hybrid_s": (93.0, 96.3, 93.6, 91.5, 90.4, 87.4, 92.0),
  "cifar10_hybrid_p": (84.9, 92.8, 90.0, 90.5, 89.1, 86.9, 89.0),
  "cifar10_hybrid_ps": (95.9, 97.8, 95.4, 91.4, 90.9, 87.8, 93.2),
  "cifar10_hybrid_plus_s": (94.7, 97.9, 96.5, 91.3, 89.8, 86.8, 92.8),
  "cifar10_hybrid_plus_p": (92.7, 92.2, 91.0, 89.6, 89.4, 86.2, 90.2),
  "cifar10_hybrid_plus_ps": (96.6, 98.7, 97.7, 93.0, 91.2, 88.1, 94.2),
}
# Clean and robust accuracy; APR, Table 3, and HybridAugment++, Table 4. "ResNet-18" there; the
# released code trains the pre-activation one.
_APR_TABLE_3 = {
  "cifar10_fgsm": (83.3, 43.2),
  "cifar10_fgsm_cutout": (81.3, 41.6),
  "cifar10_fgsm_apr_p": (85.3, 44.1),
  "cifar10_fgsm_apr_s": (83.5, 45.0),
  "cifar10_fgsm_apr_sp": (84.3, 45.7),
}
_HYBRID_TABLE_4 = {
  "cifar10_fgsm_hybrid_s": (86.5, 44.1),
  "cifar10_fgsm_hybrid_plus_s": (85.0, 45.4),
  "cifar10_fgsm_hybrid_p": (85.5, 42.1),
  "cifar10_fgsm_hybrid_plus_p": (85.4, 43.5),
  "cifar10_fgsm_hybrid_ps": (85.0, 44.8),
  "cifar10_fgsm_hybrid_plus_ps": (82.8, 46.0),
}
# mCE of ResNet-50; APR, Table 4. HybridAugment++ measured other mCEs of released weights: APR-SP
# 68.9, DeepAugment 62.0 and DeepAugment with APR-SP 59.1.
_APR_TABLE_4 = {
  "imagenet_standard": 80.6,
  "imagenet_patch_uniform": 74.3,
  "imagenet_autoaugment": 72.7,
  "imagenet_random_autoaugment": 76.1,
  "imagenet_max_blur": 73.4,
  "imagenet_stylized": 73.3,
  "imagenet_augmix": 68.4,
  "imagenet_apr_s": 70.5,
  "imagenet_apr_p": 69.3,
  "imagenet_apr_sp": 65.0,
  "imagenet_deepaugment": 63.1,
  "imagenet_deepaugment_apr_sp": 57.5,
}
# Clean error and mCE of ResNet-50; HybridAugment++, Table 3, with the blur of the CIFAR experiments
# (25.5 and 65.8 with a stronger one).
_HYBRID_TABLE_3 = {"imagenet_hybrid_plus_ps": (23.7, 67.3)}
# Clean error of ResNet-50; HybridAugment++, Table 3. APR's Table 4 prints that of APR-SP.
_IMAGENET_CLEAN = {
  "imagenet_standard": 23.9,
  "imagenet_patch_uniform": 24.5,
  "imagenet_autoaugment": 22.8,
  "imagenet_random_autoaugment": 23.6,
  "imagenet_max_blur": 23.0,
  "imagenet_stylized": 27.2,
  "imagenet_augmix": 22.4,
  "imagenet_apr_s": 24.5,
  "imagenet_apr_p": 24.4,
  "imagenet_apr_sp": 24.4,
}


def _figures() -> dict[tuple[str, str, str], Figure]:
  """All of the above by (configuration, network, metric); what is written later is the method's own
  paper's.
  """
  figures = {}

  def write(config, network, metric, value, source):
    figures[config, network, metric] = Figure(value, source)

  for config, values in _HYBRID_TABLE_1.items():
    for network, value in zip(_NETWORKS, values, strict=True):
      write(config, network, "mean_error", value, f"{_HYBRID}, Table 1")
  for config, values in _APR_TABLE_1.items():
    for network, value in zip(_NETWORKS[:4], values, strict=True):
      write(config, network, "mean_error", value, f"{_APR}, Table 1")
  for config, values in _HYBRID_TABLE_2.items():
    for network, value in zip(_NETWORKS, values, strict=True):
      write(config, network, "clean_error", _error(value), f"{_HYBRID}, Table 2")
  write("cifar10_apr_sp", "resnet18_cifar", "clean_error", _error(95.6), f"{_APR}, Table 2")

  for config, (*values, mean) in _OOD.items():
    source = f"{_HYBRID}, Table 5" if "hybrid" in config else f"{_APR}, Table 2"
    write(config, "resnet18_cifar", "ood_auroc", mean, source)
    for name, value in zip(OOD_SETS, values, strict=True):
      write(config, "resnet18_cifar", f"ood_auroc/{name}", value, f"{_HYBRID}, Table 5")

  for table, source in (
    (_APR_TABLE_3, f"{_APR}, Table 3"),
    (_HYBRID_TABLE_4, f"{_HYBRID}, Table 4"),
  ):
    for config, (clean, robust) in table.items():
      write(config, "preact_resnet18", "clean_error", _error(clean), source)
      write(config, "preact_resnet18", "robust_accuracy", robust, source)

  for config, value in _IMAGENET_CLEAN.items():
    source = f"{_APR}, Table 4" if config == "imagenet_apr_sp" else f"{_HYBRID}, Table 3"
    write(config, _imagenet_network(config), "clean_error", value, source)
  for config, value in _APR_TABLE_4.items():
    write(config, _imagenet_network(config), "mce", value, f"{_APR}, Table 4")
  for config, (clean, mce) in _HYBRID_TABLE_3.items():
    write(config, "resnet50", "clean_error", clean, f"{_HYBRID}, Table 3")
    write(config, "resnet50", "mce", mce, f"{_HYBRID}, Table 3")
  return figures


def _error(accuracy: float) -> float:
  return round(100 - accuracy, 1)


def _imagenet_network(config: str) -> str:
  return "resnet50_max_blur" if config == "imagenet_max_blur" else "resnet50"


_FIGURES = _figures()
