"""The first of CSI's two stages in 100 epochs in place of 700, on CIFAR-10.

    python train.py --config configs/cifar10_csi_network_100.py \\
      --workdir runs/cifar10_csi_network_100
    python evaluate.py --workdir runs/cifar10_csi_network_100

A shorter variant of our own of `cifar10_csi_network.py`. Published: none. Measured here, AUROC and
cost: not run. The second stage on it:

    python train.py --config configs/cifar10_csi.py --workdir runs/cifar10_csi_100 \\
      --config.model.weights=runs/cifar10_csi_network_100
"""

from configs import cifar10_csi_network


def get_config():
  config = cifar10_csi_network.get_config()
  config.epochs = 100
  return config
