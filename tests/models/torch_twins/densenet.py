"""DenseNet in PyTorch, with the names of the released code."""

import torch
from torch import nn
from torch.nn import functional as F


class Layer(nn.Module):
  def __init__(self, inputs, growth, bottleneck):
    super().__init__()
    self.bottleneck = bottleneck
    self.bn1 = nn.BatchNorm2d(inputs)
    if bottleneck:
      self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
      self.bn2 = nn.BatchNorm2d(4 * growth)
      self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
    else:
      self.conv1 = nn.Conv2d(inputs, growth, 3, padding=1, bias=False)

  def forward(self, x):
    new = self.conv1(F.relu(self.bn1(x)))
    if self.bottleneck:
      new = self.conv2(F.relu(self.bn2(new)))
    return torch.cat([x, new], 1)


class Transition(nn.Module):
  def __init__(self, inputs, outputs):
    super().__init__()
    self.bn1 = nn.BatchNorm2d(inputs)
    self.conv1 = nn.Conv2d(inputs, outputs, 1, bias=False)

  def forward(self, x):
    return F.avg_pool2d(self.conv1(F.relu(self.bn1(x))), 2)


class DenseNet(nn.Module):
  def __init__(self, num_classes, depth, growth, bottleneck=False, compression=1.0):
    super().__init__()
    layers = (depth - 4) // (6 if bottleneck else 3)
    channels = 2 * growth
    self.conv1 = nn.Conv2d(3, channels, 3, padding=1, bias=False)
    for stage in (1, 2, 3):
      dense = nn.Sequential(
        *(Layer(channels + i * growth, growth, bottleneck) for i in range(layers))
      )
      setattr(self, f"dense{stage}", dense)
      channels += layers * growth
      if stage < 3:
        setattr(self, f"trans{stage}", Transition(channels, int(channels * compression)))
        channels = int(channels * compression)
    self.bn1 = nn.BatchNorm2d(channels)
    self.fc = nn.Linear(channels, num_classes)

  def forward(self, x):
    x = self.trans1(self.dense1(self.conv1(x)))
    x = self.dense3(self.trans2(self.dense2(x)))
    return self.fc(F.avg_pool2d(F.relu(self.bn1(x)), 8).flatten(1))
