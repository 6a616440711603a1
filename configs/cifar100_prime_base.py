"""The recipe of PRIME's released code on the other data set."""

from configs import cifar10_prime_base


def get_config():
  config = cifar10_prime_base.get_config()
  config.data.name = "cifar100"
  config.evaluation.ood_sets = ("cifar10",)
  return config
