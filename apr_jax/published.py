"""The numbers that the papers publish, for comparison with measured ones; all in percent.

    published("cifar10_apr_sp", "wide_resnet_40_2", "mean_error")
    # Figure(value=9.1, source="APR (ICCV 2021), Table 1")

The numbers are the rows of `published.csv` beside this file: config, network, metric, value and
source, as `published` describes them.

Sources: APR (https://arxiv.org/abs/2108.08487), which quotes its rivals; HybridAugment++
(https://arxiv.org/abs/2307.11823), which calls the plain mean error on CIFAR-C "mCE", and also has
clean accuracies and ResNet-18; the README of PRIME's released code
(https://github.com/amodas/PRIME-augmentations); and the logs of errors per corruption and severity
in that of AFA (https://github.com/nis-research/afa-augment), of which the mCE is taken here. Where
both have a number, it is that of the method's own paper. A clean error is 100 minus the accuracy
that a paper prints.

What the papers' tables do not say by themselves:

- "DenseNet" in both papers is `densenet_40_12` here. APR's text says DenseNet-BC (k = 12, d = 100).
  But the network of the released code of APR, and of AugMix, which APR quotes, has depth 40, growth
  12 and no bottlenecks, and HybridAugment's code builds on APR's. `densenet_bc_100_12` therefore
  has no published number.
- The AUROC of a single out-of-distribution set is that of HybridAugment++'s Table 5. Its means of
  the methods in APR's Table 2 are those of that table.
- "ResNet-18" trained against attacks is `preact_resnet18`, which the released code trains.
- mCE: HybridAugment++ measured others than APR prints with released weights, APR-SP 68.9,
  DeepAugment 62.0 and DeepAugment with APR-SP 59.1. Its own is that with the blur of the CIFAR
  experiments (with a stronger one: clean error 25.5, mCE 65.8).
"""

import csv
import dataclasses
import functools
import pathlib
import types
from collections.abc import Mapping

OOD_SETS = ("svhn", "lsun_resize", "imagenet_resize", "lsun_fix", "imagenet_fix", "cifar100")
"""The out-of-distribution sets of CIFAR-10 in APR's Table 2, in its order."""

_BEST_EPOCH = "published of the best epoch on the test set"

OTHER_RECIPES = types.MappingProxyType(
  {
    "cifar10_csi": "published with each view among its own positives",
    "cifar10_supclr": "published with a linear head trained afterwards",
    "cifar10_supclr_head": "published with each view among its own positives",
    "cifar10_adversarial": "the published attack is not known",
    "cifar100_adversarial": "the published attack is not known",
    "cifar10_fgsm": "the published epochs and rate are not known",
    "cifar10_fgsm_cutout": "the published epochs and rate are not known",
    "imagenet_augmix": "published with 90 epochs",
    "imagenet_deepaugment": "published with another schedule, from a pretrained network",
    "imagenet_deepaugment_apr_sp": "published with another schedule, from a pretrained network",
    "imagenet_hybrid_plus_ps": "published with another blur and probability",
    "imagenet_patch_uniform": "the published size of the patch is not known",
    "cifar10_prime_jsd": _BEST_EPOCH,
    "cifar100_prime_jsd": _BEST_EPOCH,
    "imagenet_prime": _BEST_EPOCH,
    "imagenet_prime_jsd": _BEST_EPOCH,
    "imagenet_afa": _BEST_EPOCH,
    "imagenet_afa_jsd": f"{_BEST_EPOCH} and with another method's view",
    "imagenet_prime_afa": _BEST_EPOCH,
    "imagenet_augmix_afa": _BEST_EPOCH,
    "imagenet_random_autoaugment": "the published policy is not known",
  }
)
"""{configuration: how it differs}; said in full in the docstring of each configuration."""

_DATA_SETS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet": "imagenet2012"}
_TEST_IMAGES = {"cifar10": 10_000, "cifar100": 10_000, "imagenet2012": 50_000}


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
      "cifar10_adversarial" and "cifar100_adversarial" are the adversarial training of APR's
      Table 1. "cifar10_fgsm", alone or with the augmentation behind it, as in
      "cifar10_fgsm_apr_sp", is that of APR's Table 3 and HybridAugment++'s Table 4; those of
      HybridAugment++ await their configurations. Their tables have accuracies: the clean one is
      here as its error, 100 less it.
    network: a name of `apr_jax/models/zoo.py`.
    metric: one of
      "clean_error";
      "clean_error/AMPLITUDE/PHASE", of networks that are trained and tested on a band of the
      amplitude and a band of the phase, each of all, low, middle, high (APR, Figure 4);
      "mean_error", of CIFAR-10-C and CIFAR-100-C: the mean over 15 corruptions and 5 severities;
      "mce", of ImageNet-C, relative to AlexNet;
      "ood_auroc", the mean over `OOD_SETS`, or of one of them, "ood_auroc/cifar100";
      "robust_accuracy", under AutoAttack, ℓ∞ 8/255.
  """
  return figures().get((config, network, metric))


@functools.cache
def figures() -> Mapping[tuple[str, str, str], Figure]:
  """All published numbers by (config, network, metric)."""
  with pathlib.Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
    return types.MappingProxyType(
      {
        (row["config"], row["network"], row["metric"]): Figure(float(row["value"]), row["source"])
        for row in csv.DictReader(file)
      }
    )


def other_recipe(config: str) -> str | None:
  """What is known to differ between a configuration and the training behind its published numbers,
  or None.
  """
  return OTHER_RECIPES.get(config)


def test_images(data_name: str) -> int | None:
  """How many test images the published numbers of a data set, named as in `data.name`, are of."""
  return _TEST_IMAGES.get(data_name)


def data_set(config: str) -> str | None:
  """The data set, as in `data.name`, that the numbers of an experiment are of; None if none is
  published.
  """
  return _DATA_SETS.get(config.partition("_")[0])
