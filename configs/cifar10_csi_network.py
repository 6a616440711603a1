"""The first of CSI's two stages, the network: supervised contrastive training over classes and
rotations, on CIFAR-10.

    python train.py --config configs/cifar10_csi_network.py --workdir runs/cifar10_csi_network
    python evaluate.py --workdir runs/cifar10_csi_network

The published scores are those of the second stage, `cifar10_csi.py`, which trains the heads on this
network; scored by itself it has the heads that learnt along. `cifar10_csi_network_200.py` and
`cifar10_csi_network_100.py` are shorter. Published: none. Measured here, AUROC and cost: not run.

The recipe is that of the released code (https://github.com/alinlab/CSI) of
https://arxiv.org/abs/2007.08176, mode sup_CSI_linear: 700 epochs, 128 images of two views in four
rotations over four devices with synchronised batch norm, temperature 0.07, LARS with momentum 0.9
and weight decay 1e-6, ten epochs of warm-up to 1.0, then a cosine; images normalised with mean and
std 0.5. There the warm-up starts at 0.1, a watching probe learns by Adam, and each view counts
itself among those that it is drawn to.
"""

from configs import cifar10_supclr


def get_config():
  config = cifar10_supclr.get_config()
  config.batch_size = 128
  config.augment.simclr.views = 0
  config.augment.csi.views = 2
  return config
