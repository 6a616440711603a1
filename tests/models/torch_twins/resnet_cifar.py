"""ResNet-18 and PreActResNet-18 for 32-pixel images in PyTorch, with the names of the released
code.
"""

from torch import nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
  def __init__(self, inputs, outputs, stride):
    super().__init__()
    self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    self.bn1 = nn.BatchNorm2d(outputs)
    self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
    self.bn2 = nn.BatchNorm2d(outputs)
    self.shortcut = nn.Sequential()
    if stride != 1:
      self.shortcut = nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
      )

  def forward(self, x):
    return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.shortcut(x))


class PreActBlock(nn.Module):
  def __init__(self, inputs, outputs, stride):
    super().__init__()
    self.bn1 = nn.BatchNorm2d(inputs)
    self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    self.bn2 = nn.BatchNorm2d(outputs)
    self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
    self.shortcut = nn.Sequential()
    if stride != 1:
      self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False))

  def forward(self, x):
    return self.conv2(F.relu(self.bn2(self.conv1(F.relu(self.bn1(x)))))) + self.shortcut(x)


class ResNet18(nn.Module):
  block = BasicBlock

  def __init__(self, num_classes):
    super().__init__()
    self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    for stage, (inputs, outputs, stride) in enumerate(
      [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)], 1
    ):
      setattr(
        self,
        f"layer{stage}",
        nn.Sequential(self.block(inputs, outputs, stride), self.block(outputs, outputs, 1)),
      )
    self._add_norm()
    self.linear = nn.Linear(512, num_classes)

  def _add_norm(self):
    self.bn1 = nn.BatchNorm2d(64)

  def forward(self, x):
    x = F.relu(self.bn1(self.conv1(x)))
    x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
    return self.linear(F.avg_pool2d(x, 4).flatten(1))


class PreActResNet18(ResNet18):
  block = PreActBlock

  def _add_norm(self):
    self.bn = nn.BatchNorm2d(512)

  def forward(self, x):
    x = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(x)))))
    return self.linear(F.avg_pool2d(F.relu(self.bn(x)), 4).flatten(1))
