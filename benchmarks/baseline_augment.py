"""APR-P in PyTorch and APR-S in Pillow and NumPy, written the straightforward way: what ours is
measured against.

Their semantics are those of the released training code: APR-P is a complex transform over channels,
height and width, angle and exp; APR-S is one Pillow operation per image, in half of the cases a
second one and two NumPy transforms, and a cast to uint8 that wraps.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487).
"""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageOps


def apr_p(images: torch.Tensor, prob: float = 0.6) -> torch.Tensor:
  """APR-P of a batch: float `[B, C, H, W]` in [0, 1] → the same shape, on the same device."""
  if torch.rand(()) >= prob:
    return images.clone()
  spectrum = torch.fft.fftn(images, dim=(1, 2, 3))
  amplitude, phase = spectrum.abs(), spectrum.angle()
  partners = torch.randperm(len(images), device=images.device)
  return torch.fft.ifftn(amplitude[partners] * torch.exp(1j * phase), dim=(1, 2, 3)).real


def apr_s(rng: np.random.Generator, image: Image.Image, severity: float = 3) -> Image.Image:
  """APR-S of one RGB image."""
  first = _random_op(rng)(rng, image, severity)
  if rng.random() < 0.5:
    return first
  second = _random_op(rng)(rng, first, severity)
  amplitude_of, phase_of = (first, second) if rng.random() < 0.5 else (second, first)
  amplitude = np.abs(np.fft.fftn(np.asarray(amplitude_of)))
  phase = np.angle(np.fft.fftn(np.asarray(phase_of)))
  value = np.fft.ifftn(amplitude * np.exp(1j * phase)).real
  return Image.fromarray(value.astype(np.int64).astype(np.uint8))


def _random_op(
  rng: np.random.Generator,
) -> Callable[[np.random.Generator, Image.Image, float], Image.Image]:
  return _OPS[rng.integers(len(_OPS))]


def _level(rng: np.random.Generator, severity: float, largest: float) -> float:
  return rng.uniform(0.1, severity) * largest / 10


def _signed(rng: np.random.Generator, level: float) -> float:
  return level if rng.random() < 0.5 else -level


def _affine(image: Image.Image, *matrix: float) -> Image.Image:
  return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _autocontrast(rng, image, severity):
  del rng, severity
  return ImageOps.autocontrast(image)


def _equalize(rng, image, severity):
  del rng, severity
  return ImageOps.equalize(image)


def _posterize(rng, image, severity):
  return ImageOps.posterize(image, 4 - int(_level(rng, severity, 4)))


def _rotate(rng, image, severity):
  return image.rotate(_signed(rng, int(_level(rng, severity, 30))), Image.Resampling.BILINEAR)


def _solarize(rng, image, severity):
  return ImageOps.solarize(image, 256 - int(_level(rng, severity, 256)))


def _shear_x(rng, image, severity):
  return _affine(image, 1, _signed(rng, _level(rng, severity, 0.3)), 0, 0, 1, 0)


def _shear_y(rng, image, severity):
  return _affine(image, 1, 0, 0, _signed(rng, _level(rng, severity, 0.3)), 1, 0)


def _translate_x(rng, image, severity):
  return _affine(image, 1, 0, _signed(rng, int(_level(rng, severity, image.width / 3))), 0, 1, 0)


def _translate_y(rng, image, severity):
  return _affine(image, 1, 0, 0, 0, 1, _signed(rng, int(_level(rng, severity, image.height / 3))))


_OPS = (
  _autocontrast,
  _equalize,
  _posterize,
  _rotate,
  _solarize,
  _shear_x,
  _shear_y,
  _translate_x,
  _translate_y,
)
