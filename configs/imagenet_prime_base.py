"""The recipe of PRIME's released code on ImageNet: 100 epochs more of a trained ResNet-50.

Its weights are looked for in runs/resnet50, where an import makes them of a file of PyTorch's.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.batch_size = 512
  config.model.weights = "runs/resnet50"
  config.optimizer.learning_rate = 0.02
  config.optimizer.momentum = 0.95
  config.optimizer.nesterov = True
  config.schedule.name = "one_cycle"
  config.schedule.rise = 0.1
  config.schedule.peak_momentum = 0.85
  config.augment.prime.cut = 500  # where it is on
  config.augment.prime.colours = 500
  config.augment.prime.colour_strength = 0.05
  config.augment.prime.colour_band = 20
  return config
