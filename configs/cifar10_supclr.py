"""SupCLR: supervised contrastive training with a linear probe, on CIFAR-10.

    python train.py --config configs/cifar10_supclr.py --workdir runs/cifar10_supclr
    python evaluate.py --workdir runs/cifar10_supclr

AUROC of out-of-distribution detection in percent, published (APR, Table 2): ResNet-18 92.0, the
mean over six sets (--ood_sets apr). Measured here, AUROC and cost: not run.

The number is that of CSI (https://arxiv.org/abs/2007.08176), and the recipe is that of its released
code (https://github.com/alinlab/CSI): mode sup_simclr, temperature 0.07, 700 epochs, 512 images of
two views over four devices with synchronised batch norm, LARS with momentum 0.9 and weight decay
1e-6, ten epochs of warm-up to 1.0, then a cosine; images normalised with mean and std 0.5; the
score is the largest softmax probability. There the linear head is trained afterwards, for 100
epochs on the finished network, which `cifar10_supclr_head.py` does; here it is the probe that
learns along. There the warm-up starts at 0.1, and the cosine ends ten epochs before it would reach
zero.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.model.name = "resnet18_cifar"
  config.model.sync_batch_norm = True
  config.model.mean = (0.5, 0.5, 0.5)
  config.model.std = (0.5, 0.5, 0.5)
  config.epochs = 700
  config.batch_size = 512
  config.optimizer.name = "lars"
  config.optimizer.learning_rate = 1.0
  config.optimizer.nesterov = False
  config.optimizer.weight_decay = 1e-6
  config.schedule.name = "cosine"
  config.schedule.warmup_epochs = 10.0
  config.augment.crop_padding = 0  # the views are cropped and mirrored on their own
  config.augment.flip = False
  config.augment.simclr.views = 2
  return config
