"""A first layer of middle-frequency filters alone, on CIFAR-10.

    python train.py --config configs/cifar10_filter_middle.py --workdir runs/cifar10_filter_middle
    python evaluate.py --workdir runs/cifar10_filter_middle

Published: none. Jia, Bao and Ma (https://arxiv.org/abs/1911.12044) control the proportion of
filters of different frequency in the first layer, and report that it decides much of the robustness
to corruptions; only their abstract is public, and every definition is ours:
`apr_jax/models/first_layer.py`. Measured here, errors and cost: not run.

Filters of 7×7 pixels tell the bands apart better than the network's own of 3×3:
--config.model.first_layer.kernel_size=7.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.model.name = "resnet18_cifar"
  config.model.first_layer.kind = "proportion"
  config.model.first_layer.proportion = (0.0, 1.0, 0.0)
  return config
