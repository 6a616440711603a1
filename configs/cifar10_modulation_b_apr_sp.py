r"""A modulated first layer; the images' power is perturbed in training, with APR-SP, on CIFAR-10.

    python train.py --config configs/cifar10_modulation_b_apr_sp.py \
        --workdir runs/cifar10_modulation_b_apr_sp
    python evaluate.py --workdir runs/cifar10_modulation_b_apr_sp

Published (abstract of Jia, Bao and Ma, https://arxiv.org/abs/1911.12044): ResNet-18 gains 10.97
points on CIFAR-10-C on average, and hardly changes on clean images. Neither the baseline nor a
definition is public, and a comment in the listing calls the main conclusion ambiguous, so this is
no reproduction: what is modulated and perturbed here is ours, `apr_jax/models/first_layer.py`. This
is the reading by which the perturbed spectrum is that of the images. Measured here, errors and
cost: not run.

Filters of 7×7 pixels tell the bands apart better than the network's own of 3×3:
--config.model.first_layer.kernel_size=7. Without modulation: --config.model.first_layer.kind=plain.
"""

from configs import cifar10_modulation_b


def get_config():
  config = cifar10_modulation_b.get_config()
  config.augment.apr_p.prob = 0.6
  config.augment.apr_s.prob = 1.0
  config.augment.apr_s.overflow = "wrap"  # as the released code
  return config
