"""The recipe of AFA's released code on CIFAR-10: ResNet-18, 200 epochs, a cosine and a bounded
gradient.

The release splits some of the norms in instance and batch normalisation; here all are batch
normalisation.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.epochs = 200
  config.batch_size = 256
  config.model.name = "resnet18_cifar"
  config.model.mean = (0.4915, 0.4823, 0.4468)
  config.model.std = (0.2470, 0.2435, 0.2616)
  config.optimizer.decay_norms = False
  config.optimizer.clip_norm = 1.0
  config.schedule.name = "cosine"
  config.schedule.end_rate = 1e-5
  return config
