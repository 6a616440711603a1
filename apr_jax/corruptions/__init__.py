"""The common corruptions of Hendrycks & Dietterich, made on the accelerator.

    corrupted = corrupt(jax.random.key(0), images, "fog", 3)

15 corruptions make the benchmarks CIFAR-10-C, CIFAR-100-C and ImageNet-C; 4 extra ones are kept for
validation. Images are uint8 `[B, H, W, 3]` of any size from 8 pixels; the parameters are the
published ones for 32 and for 224 pixels and are interpolated between, see `parameters`. Scores on
corruptions made here are scores on regenerated corruptions, and should be called so: the random
draws, and the frost, differ from the published files'.

Source: "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019;
repository hendrycks/robustness. Departures from its generator are listed in docs/corruptions.md.
"""

from apr_jax.corruptions.by_name import (
  CORRUPTIONS,
  EXTRA_CORRUPTIONS,
  SEVERITIES,
  SMALLEST,
  corrupt,
)

__all__ = ["CORRUPTIONS", "EXTRA_CORRUPTIONS", "SEVERITIES", "SMALLEST", "corrupt"]
