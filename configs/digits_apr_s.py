"""APR-S: amplitude and phase of two views of each image recombined, on scikit-learn's digits: the
demo's task.

    python train.py --config configs/digits_apr_s.py --workdir runs/digits_apr_s
    python evaluate.py --workdir runs/digits_apr_s

Its scores over three seeds are in docs/explanation/apr.md, under "Wrap or clip".
"""

from configs import digits_base


def get_config():
  config = digits_base.get_config()
  config.augment.apr_s.prob = 1.0
  return config
