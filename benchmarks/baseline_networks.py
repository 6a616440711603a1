"""WideResNet and the CIFAR ResNet-18 in PyTorch: what our training step is measured against.

The layers and their order are those of the released APR code (`apr_jax/models/` has ours); the
weights are drawn as PyTorch does by default, which costs the same.
"""

import functools

import torch
from torch import nn
from torch.nn import functional


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
  return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)


class WideBlock(nn.Module):
  """Pre-activation block; where the width changes, the shortcut takes the activated input."""

  def __init__(self, inputs: int, outputs: int, stride: int):
    super().__init__()
    self.bn1, self.conv1 = nn.BatchNorm2d(inputs), _conv(inputs, outputs, 3, stride)
    self.bn2, self.conv2 = nn.BatchNorm2d(outputs), _conv(outputs, outputs, 3)
    self.shortcut = _conv(inputs, outputs, 1, stride) if inputs != outputs else None

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    activated = functional.relu(self.bn1(x))
    shortcut = x if self.shortcut is None else self.shortcut(activated)
    return shortcut + self.conv2(functional.relu(self.bn2(self.conv1(activated))))


class BasicBlock(nn.Module):
  """Post-activation block of ResNet-18."""

  def __init__(self, inputs: int, outputs: int, stride: int):
    super().__init__()
    self.conv1, self.bn1 = _conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
    self.conv2, self.bn2 = _conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)
    self.shortcut = nn.Sequential()
    if stride != 1 or inputs != outputs:
      self.shortcut = nn.Sequential(_conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
    return functional.relu(y + self.shortcut(x))


def _stages(
  block: type[nn.Module], inputs: int, widths: tuple[int, ...], blocks: int
) -> nn.Sequential:
  layers = []
  for stage, width in enumerate(widths):
    for index in range(blocks):
      layers.append(block(inputs, width, 2 if stage > 0 and index == 0 else 1))
      inputs = width
  return nn.Sequential(*layers)


def _head(features: int, num_classes: int) -> list[nn.Module]:
  return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, num_classes)]


def wide_resnet(num_classes: int, depth: int, widen: int) -> nn.Module:
  widths = (16 * widen, 32 * widen, 64 * widen)
  return nn.Sequential(
    _conv(3, 16, 3),
    _stages(WideBlock, 16, widths, (depth - 4) // 6),
    nn.BatchNorm2d(widths[-1]),
    nn.ReLU(),
    *_head(widths[-1], num_classes),
  )


def resnet18_cifar(num_classes: int) -> nn.Module:
  return nn.Sequential(
    _conv(3, 64, 3),
    nn.BatchNorm2d(64),
    nn.ReLU(),
    _stages(BasicBlock, 64, (64, 128, 256, 512), 2),
    *_head(512, num_classes),
  )


NETWORKS = {
  "wide_resnet_40_2": functools.partial(wide_resnet, depth=40, widen=2),
  "wide_resnet_10_1": functools.partial(wide_resnet, depth=10, widen=1),
  "resnet18_cifar": resnet18_cifar,
}
