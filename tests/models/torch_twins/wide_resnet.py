"""Wide ResNet in PyTorch, with the names of the released code."""

from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
  def __init__(self, inputs, outputs, stride):
    super().__init__()
    self.bn1 = nn.BatchNorm2d(inputs)
    self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    self.bn2 = nn.BatchNorm2d(outputs)
    self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
    self.conv_shortcut = (
      nn.Conv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None
    )

  def forward(self, x):
    active = F.relu(self.bn1(x))
    shortcut = x if self.conv_shortcut is None else self.conv_shortcut(active)
    return shortcut + self.conv2(F.relu(self.bn2(self.conv1(active))))


class Stage(nn.Module):
  def __init__(self, blocks, inputs, outputs, stride):
    super().__init__()
    self.layer = nn.Sequential(
      Block(inputs, outputs, stride), *(Block(outputs, outputs, 1) for _ in range(blocks - 1))
    )

  def forward(self, x):
    return self.layer(x)


class WideResNet(nn.Module):
  def __init__(self, num_classes, depth, widen):
    super().__init__()
    blocks = (depth - 4) // 6
    self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    self.block1 = Stage(blocks, 16, 16 * widen, 1)
    self.block2 = Stage(blocks, 16 * widen, 32 * widen, 2)
    self.block3 = Stage(blocks, 32 * widen, 64 * widen, 2)
    self.bn1 = nn.BatchNorm2d(64 * widen)
    self.fc = nn.Linear(64 * widen, num_classes)

  def forward(self, x):
    x = self.block3(self.block2(self.block1(self.conv1(x))))
    return self.fc(F.avg_pool2d(F.relu(self.bn1(x)), 8).flatten(1))
