"""FGSM training: each step on images attacked once, from a random start, on scikit-learn's digits.

    python train.py --config configs/digits_fgsm.py --workdir runs/digits_fgsm
    python evaluate.py --workdir runs/digits_fgsm --suites clean,autoattack

The recipe of cifar10_fgsm.py for a quick look, with an epsilon of 16 of 255 levels. With 24 this
network overfits catastrophically (seed 0: the accuracy under PGD fell from 67 to 47 percent in
epoch 11).
"""

from configs import digits_base


def get_config():
  config = digits_base.get_config()
  config.optimizer.learning_rate = 0.2
  config.optimizer.nesterov = False
  config.schedule.name = "triangular"
  config.schedule.warmup_epochs = 0.0
  config.adversary.steps = 1
  config.adversary.epsilon = 16.0
  config.adversary.step_size = 20.0
  config.adversary.outside = "pull"
  config.adversary.log_pgd = True
  return config
