"""Standard training, random crops alone, on scikit-learn's digits: the demo's task.

    python train.py --config configs/digits_standard.py --workdir runs/digits_standard
    python evaluate.py --workdir runs/digits_standard

Its scores and what it costs are in RESULTS.md: it is the first network of `make demo`.
"""

from configs import digits_base


def get_config():
  config = digits_base.get_config()
  return config
