"""CSI with labels, the first stage in 200 epochs in place of 700, on CIFAR-10.

    python train.py --config configs/cifar10_csi_200.py --workdir runs/cifar10_csi_200
    python train.py --config configs/cifar10_csi_heads.py --workdir runs/cifar10_csi_200_heads \
      --config.model.weights=runs/cifar10_csi_200

A shorter variant of our own of `cifar10_csi.py`; nothing is published for it. Measured here, AUROC
and cost: not run.
"""

from configs import cifar10_csi


def get_config():
  config = cifar10_csi.get_config()
  config.epochs = 200
  return config
