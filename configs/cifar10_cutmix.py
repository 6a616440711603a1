"""CutMix: a box of another image pasted into each, and the labels mixed, on CIFAR-10.

    python train.py --config configs/cifar10_cutmix.py --workdir runs/cifar10_cutmix
    python evaluate.py --workdir runs/cifar10_cutmix

Mean error on CIFAR-10-C in percent, published (APR, Table 1): AllConvNet 31.3, DenseNet 33.5,
WideResNet-40-2 27.1, ResNeXt-29 29.5. Measured here, error and cost: not run.

Half of the batches are mixed, as in CutMix's released CIFAR-100 recipe (clovaai/CutMix-PyTorch).
"""

from configs import base


def get_config():
  config = base.get_config()
  config.augment.cutmix.alpha = 1.0
  return config
