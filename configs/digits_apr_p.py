"""APR-P: amplitudes recombined within the batch, on scikit-learn's digits: the demo's task.

python train.py --config configs/digits_apr_p.py --workdir runs/digits_apr_p
python evaluate.py --workdir runs/digits_apr_p
"""

from configs import digits_base


def get_config():
  config = digits_base.get_config()
  config.augment.apr_p.prob = 0.6
  return config
