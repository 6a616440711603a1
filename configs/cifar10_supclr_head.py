"""SupCLR with its published linear head, trained on the network of `cifar10_supclr.py`, which is
finished and stays as it is, on CIFAR-10.

    python train.py --config configs/cifar10_supclr.py --workdir runs/cifar10_supclr
    python train.py --config configs/cifar10_supclr_head.py --workdir runs/cifar10_supclr_head
    python evaluate.py --workdir runs/cifar10_supclr_head

AUROC of out-of-distribution detection in percent, published (APR, Table 2): ResNet-18 92.0, the
mean over six sets (--ood_sets apr). Measured here, AUROC and cost: not run.

The recipe is that of CSI's released code (https://github.com/alinlab/CSI), mode sup_linear: 100
epochs, batches of 32, one view of each image, SGD without momentum, rate 0.1, a tenth of it after
60, 75 and 90 epochs, weight decay 1e-6 on the head. There each view also counts itself among those
that it is drawn to when the network is trained.
"""

from configs import cifar10_supclr


def get_config():
  config = cifar10_supclr.get_config()
  config.model.weights = "runs/cifar10_supclr"
  config.model.frozen = True
  config.epochs = 100
  config.batch_size = 32
  config.optimizer.name = "sgd"
  config.optimizer.learning_rate = 0.1
  config.optimizer.momentum = 0.0
  config.schedule.name = "step"
  config.schedule.boundaries_epochs = (60, 75, 90)
  config.schedule.factor = 0.1
  config.schedule.warmup_epochs = 0.0
  config.augment.simclr.views = 1
  return config
