"""A first layer that learns its filters' power in three bands, on CIFAR-10.

    python train.py --config configs/cifar10_modulation.py --workdir runs/cifar10_modulation
    python evaluate.py --workdir runs/cifar10_modulation

Published (abstract of Jia, Bao and Ma, https://arxiv.org/abs/1911.12044): ResNet-18 gains 10.97
points on CIFAR-10-C on average, and hardly changes on clean images. Neither the baseline nor a
definition is public, and a comment in the listing calls the main conclusion ambiguous, so this is
no reproduction: what is modulated and perturbed here is ours, `apr_jax/models/first_layer.py`.
Measured here, errors and cost: not run.

Filters of 7×7 pixels tell the bands apart better than the network's own of 3×3:
--config.model.first_layer.kernel_size=7.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.model.name = "resnet18_cifar"
  config.model.first_layer.kind = "modulation"
  return config
