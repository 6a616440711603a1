"""ResNeXt-29 in PyTorch, with the names of the released code."""

from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
  def __init__(self, inputs, planes, cardinality, base_width, stride):
    super().__init__()
    width = cardinality * (planes * base_width // 64)
    self.conv_reduce = nn.Conv2d(inputs, width, 1, bias=False)
    self.bn_reduce = nn.BatchNorm2d(width)
    self.conv_conv = nn.Conv2d(width, width, 3, stride, padding=1, groups=cardinality, bias=False)
    self.bn = nn.BatchNorm2d(width)
    self.conv_expand = nn.Conv2d(width, 4 * planes, 1, bias=False)
    self.bn_expand = nn.BatchNorm2d(4 * planes)
    self.downsample = None
    if inputs != 4 * planes:
      self.downsample = nn.Sequential(
        nn.Conv2d(inputs, 4 * planes, 1, stride, bias=False), nn.BatchNorm2d(4 * planes)
      )

  def forward(self, x):
    out = F.relu(self.bn_reduce(self.conv_reduce(x)))
    out = F.relu(self.bn(self.conv_conv(out)))
    out = self.bn_expand(self.conv_expand(out))
    return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNeXt29(nn.Module):
  def __init__(self, num_classes, cardinality=4, base_width=32):
    super().__init__()
    self.conv_1_3x3 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    self.bn_1 = nn.BatchNorm2d(64)
    for stage, (inputs, planes, stride) in enumerate(
      [(64, 64, 1), (256, 128, 2), (512, 256, 2)], 1
    ):
      setattr(
        self,
        f"stage_{stage}",
        nn.Sequential(
          Block(inputs, planes, cardinality, base_width, stride),
          *(Block(4 * planes, planes, cardinality, base_width, 1) for _ in range(2)),
        ),
      )
    self.classifier = nn.Linear(1024, num_classes)

  def forward(self, x):
    x = F.relu(self.bn_1(self.conv_1_3x3(x)))
    x = self.stage_3(self.stage_2(self.stage_1(x)))
    return self.classifier(F.avg_pool2d(x, 8).flatten(1))
