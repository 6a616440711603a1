"""The training that `benchmarks.crash` kills: a linear network on 256 digits, a checkpoint every
five steps.
"""

from benchmarks import crash_processes  # whose import makes the network known
from configs import digits_base


def get_config():
  config = digits_base.get_config()
  config.name = "crash"
  config.model.name = crash_processes.NETWORK
  config.data.limit = 256
  config.batch_size = 32
  config.epochs = 12
  config.schedule.warmup_epochs = 0.0
  config.log_every_steps = 1
  config.eval_every_epochs = 0
  config.checkpoint.every_steps = 5
  return config
