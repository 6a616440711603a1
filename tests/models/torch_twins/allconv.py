"""AllConvNet in PyTorch, with the names of the released code."""

import torch
from torch import nn


class Activation(nn.Module):
  def forward(self, x):
    return x * torch.sigmoid(1.702 * x)


def convolution(inputs, outputs, kernel, padding):
  return [
    nn.Conv2d(inputs, outputs, kernel, padding=padding),
    nn.BatchNorm2d(outputs),
    Activation(),
  ]


class AllConvNet(nn.Module):
  def __init__(self, num_classes):
    super().__init__()

    def pool():
      return [nn.MaxPool2d(2), nn.Dropout(0.5)]

    self.features = nn.Sequential(
      *convolution(3, 96, 3, 1),
      *convolution(96, 96, 3, 1),
      *convolution(96, 96, 3, 1),
      *pool(),
      *convolution(96, 192, 3, 1),
      *convolution(192, 192, 3, 1),
      *convolution(192, 192, 3, 1),
      *pool(),
      *convolution(192, 192, 3, 0),
      *convolution(192, 192, 1, 1),
      *convolution(192, 192, 1, 1),
      nn.AvgPool2d(8),
    )
    self.classifier = nn.Linear(192, num_classes)

  def forward(self, x):
    return self.classifier(self.features(x).flatten(1))
