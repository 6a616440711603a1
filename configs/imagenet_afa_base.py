"""The recipe of AFA's released code on ImageNet: 90 epochs, batches of 512, a warm-up and a bounded
gradient.
"""

from configs import imagenet_base


def get_config():
  config = imagenet_base.get_config()
  config.epochs = 90
  config.batch_size = 512  # released: four times 128, accumulated
  config.optimizer.learning_rate = 0.2
  config.optimizer.clip_norm = 1.0
  config.schedule.boundaries_epochs = (30, 60)
  config.schedule.warmup_epochs = 5.0
  config.schedule.warmup_start = 0.5
  return config
