"""APR-SP: APR-S on the images, APR-P in the batch, on scikit-learn's digits: the demo's task.

    python train.py --config configs/digits_apr_sp.py --workdir runs/digits_apr_sp
    python evaluate.py --workdir runs/digits_apr_sp

Its scores and what it costs are in RESULTS.md: it is the second network of `make demo`.
"""

from configs import digits_base


def get_config():
  config = digits_base.get_config()
  config.augment.apr_p.prob = 0.6
  config.augment.apr_s.prob = 1.0
  return config
