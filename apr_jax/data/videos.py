"""Short videos in class folders, FOLDER/CLASS/*.mp4, which ImageNet-P is; OpenCV decodes them."""

import concurrent.futures
from typing import Any

import numpy as np

from apr_jax.data.folder import class_names
from apr_jax.errors import UserError
from apr_jax.files import entries, is_address

_THREADS = 8  # OpenCV decodes outside Python's lock


class Videos:
  """Videos of equally many frames, read when they are asked for.

  Args:
    folder: holds class folders.
    image_size: (height, width) of the central crop of each frame in pixels.

  Raises:
    UserError: OpenCV is not installed, or there are no videos.
  """

  def __init__(self, folder: str, image_size: tuple[int, int]):
    self._cv2 = _opencv(folder)
    self._image_size = image_size
    self._paths = [
      f"{folder}/{name}/{file}"
      for name in class_names(folder)
      for file in sorted(entry.name for entry in entries(f"{folder}/{name}"))
      if file.endswith(".mp4") and not file.startswith(".")
    ]
    if not self._paths:
      raise UserError(f"{folder}: has no videos (.mp4) in its class folders; unpack the archive")

  def __len__(self) -> int:
    return len(self._paths)

  def __getitem__(self, rows: slice) -> np.ndarray:
    """The frames of some videos, uint8 `[n, frames, H, W, 3]`.

    Raises:
      UserError: one cannot be read, is too small, or has another number of frames.
    """
    paths = self._paths[rows]
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
      videos = list(pool.map(self._read, paths))
    for path, video in zip(paths, videos):
      if len(video) != len(videos[0]):
        raise UserError(
          f"{path}: has {len(video)} frames, the video before it {len(videos[0])}; unpack the "
          f"archive again"
        )
    return np.stack(videos)

  def _read(self, path: str) -> np.ndarray:
    video, frames = self._cv2.VideoCapture(path), []
    while True:
      good, frame = video.read()
      if not good:
        break
      frames.append(frame[..., ::-1])  # OpenCV's channels are blue, green, red
    video.release()
    if len(frames) < 2:
      raise UserError(f"{path}: cannot be read as a video of two frames or more; unpack it again")
    whole, (height, width) = np.stack(frames), self._image_size
    top, left = (whole.shape[1] - height) // 2, (whole.shape[2] - width) // 2
    if top < 0 or left < 0:
      raise UserError(
        f"{path}: has frames of {whole.shape[1]}×{whole.shape[2]} pixels, fewer than the network "
        f"takes, {height}×{width}"
      )
    return whole[:, top : top + height, left : left + width]


def _opencv(folder: str) -> Any:
  """The module.

  Raises:
    UserError: it is not installed, or the videos lie in a store, where it cannot read.
  """
  if is_address(folder):
    raise UserError(f"{folder}: videos are read from a disk alone; copy them to one")
  try:
    import cv2
  except ImportError as error:
    raise UserError(
      f"{folder} holds videos, which OpenCV reads, and it is not installed: pip install "
      f"opencv-python-headless"
    ) from error
  return cv2
