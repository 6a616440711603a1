"""ResNet-50 in PyTorch, with torchvision's names; with MaxBlurPool, with those of Zhang's
antialiased-cnns.
"""

import torch
from torch import nn
from torch.nn import functional as F


class BlurPool(nn.Module):
  def __init__(self, channels):
    super().__init__()
    row = torch.tensor([1.0, 3.0, 3.0, 1.0])
    self.register_buffer("filt", (torch.outer(row, row) / 64).repeat(channels, 1, 1, 1))

  def forward(self, x):
    return F.conv2d(F.pad(x, (1, 2, 1, 2), mode="reflect"), self.filt, stride=2, groups=x.shape[1])


def strided(inputs, outputs, stride, blur):
  """The layers of a 1×1 convolution that may subsample its input with a blur."""
  if blur and stride == 2:
    return [BlurPool(inputs), nn.Conv2d(inputs, outputs, 1, bias=False)]
  return [nn.Conv2d(inputs, outputs, 1, 1 if blur else stride, bias=False)]


class Bottleneck(nn.Module):
  def __init__(self, inputs, width, stride, blur):
    super().__init__()
    self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
    self.bn1 = nn.BatchNorm2d(width)
    self.conv2 = nn.Conv2d(width, width, 3, 1 if blur else stride, padding=1, bias=False)
    self.bn2 = nn.BatchNorm2d(width)
    last = strided(width, 4 * width, stride if blur else 1, blur)
    self.conv3 = nn.Sequential(*last) if len(last) > 1 else last[0]
    self.bn3 = nn.BatchNorm2d(4 * width)
    self.downsample = None
    if inputs != 4 * width:
      self.downsample = nn.Sequential(
        *strided(inputs, 4 * width, stride, blur), nn.BatchNorm2d(4 * width)
      )

  def forward(self, x):
    out = F.relu(self.bn1(self.conv1(x)))
    out = F.relu(self.bn2(self.conv2(out)))
    out = self.bn3(self.conv3(out))
    return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
  def __init__(self, num_classes, max_blur_pool=False):
    super().__init__()
    self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
    self.bn1 = nn.BatchNorm2d(64)
    self.maxpool = nn.MaxPool2d(3, 2, padding=1)
    if max_blur_pool:
      self.maxpool = nn.Sequential(nn.MaxPool2d(2, 1), BlurPool(64))
    inputs = 64
    for stage, (blocks, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)], 1):
      layer = [Bottleneck(inputs, width, 1 if stage == 1 else 2, max_blur_pool)]
      layer += [Bottleneck(4 * width, width, 1, max_blur_pool) for _ in range(blocks - 1)]
      setattr(self, f"layer{stage}", nn.Sequential(*layer))
      inputs = 4 * width
    self.fc = nn.Linear(inputs, num_classes)

  def forward(self, x):
    x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
    x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
    return self.fc(x.mean((2, 3)))
