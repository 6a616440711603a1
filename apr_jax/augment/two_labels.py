"""APR-P with a label for the phase and a label for the amplitude (APR, Equation 7).

The network has two linear heads on the same features. One predicts the class of the image that
gives the phase, the other that of the image that gives the amplitude; a share λ weighs them in the
loss and, in the finished network, in the logits.

Reference: Chen et al., Amplitude-Phase Recombination, ICCV 2021 (https://arxiv.org/abs/2108.08487),
Equation 7 and Figure 9.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from apr_jax import losses, settings
from apr_jax.augment.apr import swap_amplitudes
from apr_jax.augment.method import Batch, Method
from apr_jax.augment.partners import random_partners


@dataclasses.dataclass(frozen=True)
class TwoLabels(Method):
  """The views of APR-P, each with two labels, and a network with two heads."""

  prob: float = settings.setting(
    0.0, "of recombining amplitudes within the batch; 0 = off; the paper: 0.6", settings.share()
  )
  share: float = settings.setting(
    0.5, "λ: of the phase's head in the loss and in the logits; 1 is APR-P", settings.share()
  )

  stage: ClassVar[str] = "batch"
  batch_coin: ClassVar[str] = "prob"

  @property
  def on(self) -> bool:
    return self.prob > 0

  def __call__(self, batch: Batch) -> Batch:
    """The clean view and the recombined one; targets float32 `[B, 2, K]`, of phase and amplitude
    of the recombined view.
    """
    key, images, targets = batch.draw("two_labels"), batch.images, batch.targets
    permutation, chosen = random_partners(
      key,
      images,
      self.prob,
      per_image=False,
      positions=batch.positions,
      shard=batch.shard,
      group=batch.group,
    )
    view = swap_amplitudes(images, permutation, chosen, group=batch.group)
    of_amplitude = jnp.where(chosen, batch.group.gather(targets)[permutation], targets)
    return batch.change(
      views=jnp.stack([images, view]), targets=jnp.stack([targets, of_amplitude], axis=1)
    )

  def loss(
    self, outputs: losses.Outputs, targets: jax.Array, axis_name: str | None = None
  ) -> jax.Array:
    del axis_name
    if outputs.amplitude_logits is None:
      raise ValueError("the loss of two labels needs a network with two heads")
    return losses.two_label_loss(outputs.logits, outputs.amplitude_logits, targets, self.share)
