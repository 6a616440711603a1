"""What the FGSM configurations of CIFAR-10 share: the recipe of Wong et al., Fast is better than
free (https://arxiv.org/abs/2001.03994), as locuslab/fast_adversarial and APR's
autoattacks/train_fgsm.py have it.

Each step attacks its images once, by 10 of 255 levels from a random start, at most 8 levels away.
The rate rises linearly to its peak at half time and falls back to zero, while the momentum goes
from 0.9 to 0.8 and back.

The released codes also train on the last, incomplete batch of an epoch and in half precision, and
let the pass of the attack move the running statistics of batch normalisation; here none of this.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.epochs = 15
  config.model.name = "preact_resnet18"
  config.model.std = (0.2471, 0.2435, 0.2616)
  config.optimizer.learning_rate = 0.2
  config.optimizer.nesterov = False
  config.schedule.name = "triangular"
  config.schedule.peak_momentum = 0.8
  config.augment.crop_fill = 0
  config.adversary.steps = 1
  config.adversary.epsilon = 8.0
  config.adversary.step_size = 10.0
  config.adversary.random_start = True
  config.adversary.outside = "pull"
  config.adversary.log_pgd = True
  return config
