"""AFA: Fourier waves in a view of their own, and the Jensen-Shannon loss, on CIFAR-100.

    python train.py --config configs/cifar100_afa_jsd.py --workdir runs/cifar100_afa_jsd
    python evaluate.py --workdir runs/cifar100_afa_jsd

Published: none that could be read. Measured here, errors and cost: not run.

The strength of the release on CIFAR is not documented; 10 is that of its ImageNet commands. The
step sees three views of each image: the clean one, what another method makes of it, and the waves.
Here no other method is on, so that the first two are the same.
"""

from configs import cifar100_afa_base


def get_config():
  config = cifar100_afa_base.get_config()
  config.augment.afa.strength = 10.0
  config.augment.afa.mode = "jsd"
  config.augment.afa.jsd_weight = 1.0
  return config
