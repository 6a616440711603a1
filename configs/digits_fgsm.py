"""FGSM training: each step on images attacked once, from a random start, on scikit-learn's digits.

    python train.py --config configs/digits_fgsm.py --workdir runs/digits_fgsm
    python evaluate.py --workdir runs/digits_fgsm --suites clean,autoattack

The recipe of cifar10_fgsm.py for a quick look, in smaller batches and at a lower rate.

Catastrophic overfitting can be seen with --config.adversary.epsilon=24.0
--config.adversary.step_size=30.0 --config.batch_size=64 --config.optimizer.learning_rate=0.2
--config.epochs=16: in epoch 11 the accuracy under PGD fell from 67 to 47 percent, while that under
FGSM rose to 99.7 at the end (seed 0, 2 CPU cores).
"""

from configs import digits_base


def get_config():
  config = digits_base.get_config()
  config.epochs = 20
  config.batch_size = 32
  config.log_every_steps = 44
  config.optimizer.learning_rate = 0.1
  config.optimizer.nesterov = False
  config.schedule.name = "triangular"
  config.schedule.warmup_epochs = 0.0
  config.adversary.steps = 1
  config.adversary.epsilon = 8.0
  config.adversary.step_size = 10.0
  config.adversary.outside = "pull"
  config.adversary.log_pgd = True
  return config
