"""The device of the PyTorch baselines: that of JAX, so that no GPU is compared with a CPU."""

import argparse

import jax
import torch


def baseline_device(parser: argparse.ArgumentParser) -> str:
  """ "cpu" or "cuda"; ends the command with one line if JAX has a GPU that PyTorch does not see."""
  if jax.default_backend() == "cpu":
    return "cpu"
  if not torch.cuda.is_available():
    parser.error(
      f"JAX computes on {jax.devices()[0].device_kind} and PyTorch {torch.__version__} on the CPU: "
      f"install PyTorch for CUDA, or set JAX_PLATFORMS=cpu"
    )
  return "cuda"
