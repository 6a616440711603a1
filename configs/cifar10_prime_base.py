"""The recipe of PRIME's released code on CIFAR: ResNet-18, 100 epochs, one cycle of the rate."""

from configs import base


def get_config():
  config = base.get_config()
  config.epochs = 100
  config.model.name = "resnet18_cifar"
  config.model.std = (0.2471, 0.2435, 0.2616)
  config.optimizer.learning_rate = 0.2
  config.optimizer.momentum = 0.95
  config.optimizer.clip_norm = 0.5
  config.schedule.name = "one_cycle"
  config.schedule.rise = 0.25
  config.schedule.peak_momentum = 0.85
  config.augment.crop_fill = 0
  return config
