"""The recipe of AFA's released code on CIFAR-100: as on CIFAR-10, but half as long, with twice the
rate.
"""

from configs import cifar10_afa_base


def get_config():
  config = cifar10_afa_base.get_config()
  config.data.name = "cifar100"
  config.evaluation.ood_sets = ("cifar10",)
  config.epochs = 100
  config.batch_size = 128
  config.model.mean = (0.5071, 0.4865, 0.4409)
  config.model.std = (0.2673, 0.2564, 0.2762)
  config.optimizer.learning_rate = 0.2
  config.optimizer.clip_norm = 0.5
  return config
