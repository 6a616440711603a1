"""The settings that the CIFAR-100 configurations share: the recipe of base.py on the other data
set.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.data.name = "cifar100"
  config.evaluation.ood_sets = ("cifar10",)
  return config
