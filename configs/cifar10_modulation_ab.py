"""A modulated first layer; the power of filters and images is perturbed, on CIFAR-10.

    python train.py --config configs/cifar10_modulation_ab.py --workdir runs/cifar10_modulation_ab
    python evaluate.py --workdir runs/cifar10_modulation_ab

Published (abstract of Jia, Bao and Ma, https://arxiv.org/abs/1911.12044): ResNet-18 gains 10.97
points on CIFAR-10-C on average, and hardly changes on clean images. Neither the baseline nor a
definition is public, and a comment in the listing calls the main conclusion ambiguous, so this is
no reproduction: what is modulated and perturbed here is ours, `apr_jax/models/first_layer.py`. This
takes both readings together: filters and images are perturbed. Measured here, errors and cost: not
run.

Filters of 7×7 pixels tell the bands apart better than the network's own of 3×3:
--config.model.first_layer.kernel_size=7.
"""

from configs import cifar10_modulation


def get_config():
  config = cifar10_modulation.get_config()
  config.model.first_layer.sigma = 0.5
  config.augment.power_perturbation.prob = 0.5
  return config
