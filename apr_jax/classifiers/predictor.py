"""Logits of any number of images: batches of one shape, on all devices, compiled once."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np

from apr_jax import parallel
from apr_jax.errors import UserError

_AHEAD = 4  # batches that wait on the devices or are computed; bounds the memory
# Images per call. Those of 500 leave the caches, at 4,000 images/s where 50 reach 5,000; of 48 no
# pixel is left over, see models/image_by_image.py.
_LARGEST_CPU_BATCH = 48

Tree = TypeVar("Tree")


def from_bytes(apply: Callable[[Any, jax.Array], Any]) -> Callable[[Any, jax.Array], Any]:
  """A function of variables and float images in [0, 1] as one of variables and uint8 images."""
  return lambda variables, images: apply(variables, images.astype(np.float32) / 255)


class Predictor:
  """Logits of any number of images, on all devices of this process, compiled once.

  Batches are padded to one shape and the padding is cut off again, so the results do not depend on
  the batch size: those of the zoo's networks on CPUs to the bit, where `cpu_settings.apply` was
  called, as all commands do.

  Args:
    apply: `(variables, float images [b, H, W, 3] in [0, 1])` → logits `[b, K]`.
    batch_size: images per call over all devices; on CPUs 48 at most, for they compute larger
      batches more slowly.
    devices: default: all devices of this process.

  Attributes:
    batch_size: the images per call, rounded up to a multiple of the number of devices.
  """

  def __init__(
    self,
    apply: Callable[[Any, jax.Array], Any],
    batch_size: int,
    devices: Sequence[jax.Device] | None = None,
  ):
    self._devices = jax.local_devices() if devices is None else list(devices)
    if self._devices[0].platform == "cpu":
      batch_size = min(batch_size, _LARGEST_CPU_BATCH)
    per_device = -(-batch_size // len(self._devices))
    self.batch_size = per_device * len(self._devices)
    self._logits = parallel.parallel_inference(from_bytes(apply), self._devices)

  def place(self, variables: Tree) -> Tree:
    """Puts the variables where `logits` needs them; do it once for many calls."""
    return parallel.replicate(variables, self._devices)

  def logits(self, variables: Any, images: np.ndarray) -> np.ndarray:
    """uint8 `[N, H, W, 3]` → float32 `[N, K]`, for variables that `place` returned.

    Raises:
      UserError: the images have another dtype or shape, or there are none.
    """
    check_images(images)
    size = self.batch_size
    batches = []
    for start in range(0, len(images), size):
      batch = images[start : start + size]
      padded = np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), np.uint8)])
      # Not awaited: the device computes while the host prepares the next batch.
      batches.append(
        self._logits(variables, padded.reshape(len(self._devices), -1, *batch.shape[1:]))
      )
      if len(batches) > _AHEAD:
        jax.block_until_ready(batches[-1 - _AHEAD])
    # The first two axes of an output are the device and the image.
    answers = [np.asarray(batch, np.float32).reshape(size, *batch.shape[2:]) for batch in batches]
    return np.concatenate(answers)[: len(images)]


def check_images(images: np.ndarray, image_size: tuple[int, int] | None = None) -> None:
  """Checks what a classifier is given.

  Args:
    images: should be uint8 `[N, H, W, 3]` with N > 0.
    image_size: (H, W) in pixels that they should have; None allows any.

  Raises:
    UserError: they are not.
  """
  if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or not len(images):
    raise UserError(
      f"images must be uint8 [N, H, W, 3] with N > 0, got {images.dtype} {list(images.shape)}"
    )
  if image_size is not None and images.shape[1:3] != image_size:
    raise UserError(
      f"images must be {image_size[0]}×{image_size[1]} pixels, as the classifier takes them, "
      f"got {list(images.shape)}"
    )
