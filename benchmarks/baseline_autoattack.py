"""AutoAttack by the package of the paper's authors, which ours is measured against.

It is `pyautoattack` or, by its older name, `autoattack`; neither is needed for anything else.
"""

import importlib
import importlib.util
import inspect
from typing import Any

import numpy as np
import torch

PACKAGES = ("pyautoattack", "autoattack")


def package() -> Any | None:
  """The first of `PACKAGES` that is installed."""
  installed = [name for name in PACKAGES if importlib.util.find_spec(name) is not None]
  return importlib.import_module(installed[0]) if installed else None


class Original:
  """The package's attacks, of the version "standard", on one network in one thread of a CPU.

  Args:
    network: float `[B, 3, H, W]` in [0, 1] → logits `[B, K]`, in evaluation mode.
    epsilon: the largest change of a value.
    batch_size: images per call of the network at most.
    seed: of the attacks.
    length: iterations of each attack, or queries; default: those of the version.
    targets: classes that a targeted attack aims at; default: those of the version.
  """

  def __init__(
    self,
    network: Any,
    epsilon: float,
    *,
    batch_size: int = 100,
    seed: int = 0,
    length: int | None = None,
    targets: int | None = None,
  ):
    torch.set_num_threads(1)
    found = package()
    assert found is not None, f"none of {', '.join(PACKAGES)} is installed"
    self._ensemble = found.AutoAttack(
      network, norm="Linf", eps=epsilon, seed=seed, version="standard", device="cpu"
    )
    self._ensemble.verbose = False
    ours = self._ensemble.apgd, self._ensemble.apgd_targeted, self._ensemble.fab
    if length is not None:
      for attack in ours:
        attack.n_iter = length
      self._ensemble.square.n_queries = length
    if targets is not None:
      for attack in ours[1:]:
        attack.n_target_classes = targets
    # One argument has another name in the older package.
    run = self._ensemble.run_standard_evaluation
    size = "batch_size" if "batch_size" in inspect.signature(run).parameters else "bs"
    self._run = lambda *arguments: run(*arguments, **{size: batch_size})

  def __call__(self, attack: str, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Runs one attack.

    Args:
      attack: "apgd-ce", "apgd-t", "fab-t" or "square".
      images: float32 `[N, H, W, 3]` in [0, 1].
      labels: int `[N]`.

    Returns:
      float32 `[N, H, W, 3]`: the attacked image where the network errs on it, else the original.
    """
    self._ensemble.attacks_to_run = [attack]
    channels_first = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    found = self._run(channels_first, torch.from_numpy(labels.astype(np.int64)))
    attacked = found[0] if isinstance(found, tuple) else found
    return attacked.numpy().transpose(0, 2, 3, 1)
