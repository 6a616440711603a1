"""AFA: Fourier waves on the images, with nothing beside them, on CIFAR-100.

    python train.py --config configs/cifar100_afa_plain.py --workdir runs/cifar100_afa_plain
    python evaluate.py --workdir runs/cifar100_afa_plain

Published: none that could be read. Measured here, errors and cost: not run.

The strength of the release on CIFAR is not documented; 10 is that of its ImageNet commands.
"""

from configs import cifar100_afa_base


def get_config():
  config = cifar100_afa_base.get_config()
  config.augment.afa.strength = 10.0
  config.augment.afa.mode = "plain"
  return config
