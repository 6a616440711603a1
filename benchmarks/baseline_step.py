"""The training step of the released code in PyTorch, with APR-SP or without, from batches that are
ready on the device.

In the released code the data loader's processes do crop, flip and APR-S; here they cost nothing.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

from benchmarks import baseline_augment, baseline_networks

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def make_step(
  name: str,
  batch_size: int,
  num_classes: int,
  device: str,
  *,
  apr: bool = True,
  optimized: bool = False,
  graphs: bool = False,
  channels_last: bool = False,
  compiled: bool = False,
) -> Callable[[], None]:
  """A call that trains one step on random images, without waiting for it.

  Args:
    name: of the network, a key of `baseline_networks.NETWORKS`.
    batch_size: images per step, before APR-P doubles them.
    num_classes: number of logits.
    device: "cuda" or "cpu".
    apr: whether APR-P adds its views.
    optimized: False: float32 and eager, as released. True: torch.compile, bfloat16 autocast,
      channels_last and the fused optimizer.
    graphs: whether what is compiled runs as CUDA graphs.
    channels_last, compiled: that alone, in float32.
  """
  channels_last, compiled = channels_last or optimized, compiled or optimized
  torch.backends.cudnn.benchmark = True
  network = baseline_networks.NETWORKS[name](num_classes).to(device).train()
  if channels_last:
    network = network.to(memory_format=torch.channels_last)
  optimizer = torch.optim.SGD(
    network.parameters(),
    0.1,
    0.9,
    nesterov=True,
    weight_decay=5e-4,
    fused=True if optimized else None,
  )
  images = torch.rand(batch_size, 3, 32, 32, device=device)
  labels = torch.randint(num_classes, (batch_size,), device=device)
  mean, std = (torch.tensor(values, device=device).reshape(-1, 1, 1) for values in (MEAN, STD))

  def loss_of(views: torch.Tensor) -> torch.Tensor:
    with torch.autocast(device, torch.bfloat16, enabled=optimized):
      views = (views - mean) / std
      if channels_last:
        views = views.contiguous(memory_format=torch.channels_last)
      logits = network(views).float()
    return sum(functional.cross_entropy(part, labels) for part in logits.split(batch_size))

  if compiled:
    # Not dynamic: steps of other batch sizes compile the same lines, after which PyTorch would
    # generalise.
    loss_of = torch.compile(loss_of, mode="reduce-overhead" if graphs else "default", dynamic=False)

  def step() -> None:
    views = torch.cat([images, baseline_augment.apr_p(images)]) if apr else images
    optimizer.zero_grad()
    loss_of(views).backward()
    optimizer.step()

  return step


def synchronize() -> None:
  """Waits until the device has done all steps."""
  if torch.cuda.is_available():
    torch.cuda.synchronize()
