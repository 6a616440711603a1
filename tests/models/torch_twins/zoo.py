"""The twins by the names of our networks."""

import functools

import torch

from tests.models.torch_twins import allconv, densenet, resnet50, resnet_cifar, resnext, wide_resnet

TWINS = {
  "allconv": allconv.AllConvNet,
  "densenet_40_12": functools.partial(densenet.DenseNet, depth=40, growth=12),
  "densenet_bc_100_12": functools.partial(
    densenet.DenseNet, depth=100, growth=12, bottleneck=True, compression=0.5
  ),
  "preact_resnet18": resnet_cifar.PreActResNet18,
  "resnet18_cifar": resnet_cifar.ResNet18,
  "resnet50": resnet50.ResNet50,
  "resnet50_max_blur": functools.partial(resnet50.ResNet50, max_blur_pool=True),
  "resnext29_32x4": resnext.ResNeXt29,
  "wide_resnet_10_1": functools.partial(wide_resnet.WideResNet, depth=10, widen=1),
  "wide_resnet_40_2": functools.partial(wide_resnet.WideResNet, depth=40, widen=2),
}


def make_twin(name, num_classes, seed=0):
  """A PyTorch network in evaluation mode in which no parameter and no statistic has a special
  value.
  """
  torch.manual_seed(seed)
  twin = TWINS[name](num_classes).eval()
  with torch.no_grad():
    for key, value in twin.state_dict().items():
      if key.endswith("running_var"):
        value.uniform_(0.5, 2)
      elif value.ndim == 1:
        value.add_(0.3 * torch.randn(value.shape))
  return twin


def normalised(images, mean, std):
  """Float images [B, H, W, 3] in [0, 1] → what a twin takes, [B, 3, H, W]."""

  def column(values):
    return torch.tensor(values).reshape(1, 3, 1, 1)

  return (torch.from_numpy(images).permute(0, 3, 1, 2) - column(mean)) / column(std)
