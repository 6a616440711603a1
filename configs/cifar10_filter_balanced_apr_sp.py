r"""A first layer of low, middle and high filters, a third each, with APR-SP, on CIFAR-10.

    python train.py --config configs/cifar10_filter_balanced_apr_sp.py \
        --workdir runs/cifar10_filter_balanced_apr_sp
    python evaluate.py --workdir runs/cifar10_filter_balanced_apr_sp

Published: none. Jia, Bao and Ma (https://arxiv.org/abs/1911.12044) control the proportion of
filters of different frequency in the first layer, and report that it decides much of the robustness
to corruptions; only their abstract is public, and every definition is ours:
`apr_jax/models/first_layer.py`. Measured here, errors and cost: not run.

Filters of 7×7 pixels tell the bands apart better than the network's own of 3×3:
--config.model.first_layer.kernel_size=7. Other proportions are settings too:
--config.model.first_layer.proportion='(0.5, 0.25, 0.25)'. With --config.model.first_layer.soft=True
a penalty takes the place of the masks.
"""

from configs import cifar10_filter_balanced


def get_config():
  config = cifar10_filter_balanced.get_config()
  config.augment.apr_p.prob = 0.6
  config.augment.apr_s.prob = 1.0
  config.augment.apr_s.overflow = "wrap"  # as the released code
  return config
