"""The CIFAR networks in PyTorch: what our training step is measured against.

They are the twins that tests compare ours with, layer by layer as in the released code; the weights
are drawn as PyTorch does by default, which costs the same.
"""

import functools

from tests.models.torch_twins import wide_resnet
from tests.models.torch_twins.zoo import TWINS

NETWORKS = {name: twin for name, twin in TWINS.items() if not name.startswith("resnet50")} | {
  "wide_resnet_28_10": functools.partial(wide_resnet.WideResNet, depth=28, widen=10)
}
"""{name of our network: a function of the number of classes}."""
