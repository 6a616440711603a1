"""VIPAug-G: noise on phases in the place of APR-S, beside APR-P, on CIFAR-100.

    python train.py --config configs/cifar100_vipaug.py --workdir runs/cifar100_vipaug
    python evaluate.py --workdir runs/cifar100_vipaug

Published: none that could be read. Measured here, errors and cost: not run.

The release keeps the best epoch on the test set after the 150th; here the last one is scored.
VIPAug-F, which takes phases of fractals, is not here.
"""

from configs import cifar100_base


def get_config():
  config = cifar100_base.get_config()
  config.epochs = 250
  config.model.name = "resnet18_cifar"
  config.augment.vipaug.prob = 1.0
  config.augment.vipaug.vital = 0.005
  config.augment.vipaug.other = 0.012
  config.augment.apr_p.prob = 0.6
  return config
