"""CSI with labels, on CIFAR-10: three linear heads on the network of `cifar10_csi_network.py`,
which is finished and stays as it is.

    python train.py --config configs/cifar10_csi_network.py --workdir runs/cifar10_csi_network
    python train.py --config configs/cifar10_csi.py --workdir runs/cifar10_csi
    python evaluate.py --workdir runs/cifar10_csi
    python evaluate.py --workdir runs/cifar10_csi --ensemble

AUROC of out-of-distribution detection in percent, published (APR, Table 2): ResNet-18 94.0, the
mean over six sets (--ood_sets apr). Measured here, AUROC and cost: not run.

The number is that of the class head and one look at each image. With --ensemble the logits are the
mean over the image's four rotations of the joint head's logits for that rotation. The released code
(https://github.com/alinlab/CSI) reports of CIFAR-10 and the out-of-distribution set CIFAR-100 an
accuracy of 94.8 % and an AUROC of 90.6 % without, and 96.0 % and 92.3 % with it.

The recipe of the heads is that of this code: 100 epochs, batches of 32, one view of each image in
four rotations, SGD without momentum, rate 0.1, a tenth of it after 60, 75 and 90 epochs, weight
decay 1e-6 on the heads. The network's differs as `cifar10_csi_network.py` says.
"""

from configs import cifar10_supclr_head


def get_config():
  config = cifar10_supclr_head.get_config()
  config.model.weights = "runs/cifar10_csi_network"
  config.augment.simclr.views = 0
  config.augment.csi.views = 1
  return config
