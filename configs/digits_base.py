"""The settings that the digits configurations share: a small network, few epochs, no files
needed.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.epochs = 8
  config.batch_size = 64
  config.log_every_steps = 22
  config.eval_every_epochs = 4
  config.data.name = "digits"
  config.model.name = "wide_resnet_10_1"
  config.schedule.name = "cosine"
  config.schedule.warmup_epochs = 1.0
  config.augment.crop_padding = 2
  config.augment.crop_fill = 0  # the background
  config.augment.flip = False  # a mirrored digit is another sign
  config.evaluation.ood_sets = ("photo_patches", "uniform_noise")
  return config
