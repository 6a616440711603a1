"""Losses of the training step. All take logits and return a float32 scalar, the mean over the
batch.

Targets are probabilities, float `[B, K]` whose rows sum to 1: one-hot labels, or mixtures of them.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np


class Outputs(NamedTuple):
  """What a network makes of images in training, and a loss of several views takes.

  Attributes:
    logits: float32 `[B, K]`; of V views `[V, B, K]`.
    projection: float32 `[B, D]`, of length 1, or `[V, B, D]`; None without a projection head.
    amplitude_logits: as `logits`, of a second head for the class of the image that gives the
      amplitude; None without such a head.
    rotation_logits, joint_logits: float32 `[B, 4]` and `[B, 4 K]`, or of V views, of heads for the
      rotation r of an image and for class + K·r; None without such heads.
  """

  logits: jax.Array
  projection: jax.Array | None = None
  amplitude_logits: jax.Array | None = None
  rotation_logits: jax.Array | None = None
  joint_logits: jax.Array | None = None


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
  """Mean cross-entropy, −mean_i Σ_k targets_ik log softmax(logits_i)_k.

  Args:
    logits: float `[B, K]`, finite.
    targets: float `[B, K]`.
  """
  chex.assert_rank([logits, targets], 2)
  chex.assert_equal_shape([logits, targets])
  # As the targets sum to 1, the normaliser is subtracted once and not from every logit: more
  # precise.
  logits = logits.astype(jnp.float32)
  return (jax.nn.logsumexp(logits, axis=-1) - (targets * logits).sum(-1)).mean()


def smoothed(targets: jax.Array, share: float) -> jax.Array:
  """Targets float `[B, K]` of which a share is spread over all classes (label smoothing).

  (1 − share)·targets + share/K, as PyTorch's `label_smoothing`; with a share of 0 the targets
  themselves.

  Reference: Szegedy et al., Rethinking the Inception Architecture, CVPR 2016
  (https://arxiv.org/abs/1512.00567), Section 7.
  """
  return (1 - share) * targets + share / targets.shape[-1] if share else targets


def apr_loss(logits: jax.Array, targets: jax.Array) -> jax.Array:
  """Sum over the views of their cross-entropies with the same targets.

  With two views this is the loss of APR-P: CE(clean, y) + CE(mixed, y), where y labels the image
  that gives the phase. It is a sum, not a mean, as in the released code. With one view it is the
  plain cross-entropy.

  Args:
    logits: float `[V, B, K]`, one row of logits per view and example.
    targets: float `[B, K]`.

  Reference: APR (https://arxiv.org/abs/2108.08487), Section 3.2 and the released training script.
  """
  chex.assert_rank(logits, 3)
  return functools.reduce(jnp.add, (cross_entropy(view, targets) for view in logits))


def two_label_loss(
  logits: jax.Array, amplitude_logits: jax.Array, targets: jax.Array, share: float
) -> jax.Array:
  """APR-P's loss with a label for the phase and one for the amplitude.

  Sum over the clean and the recombined view of λ·CE(f_P, y_P) + (1 − λ)·CE(f_A, y_A). In the clean
  view both labels are the image's own; in the recombined one y_A is that of the image that gave the
  amplitude. With λ = 1 it is `apr_loss`.

  Args:
    logits: float `[2, B, K]`, f_P of the clean and the recombined view.
    amplitude_logits: float `[2, B, K]`, f_A likewise.
    targets: float `[B, 2, K]`, of phase and amplitude of the recombined view.
    share: λ in 0..1.

  Reference: APR (https://arxiv.org/abs/2108.08487), Equation 7, which is the recombined view's
  part; that the clean view has both labels too is our choice.
  """
  chex.assert_rank([logits, targets], 3)
  chex.assert_equal_shape([logits, amplitude_logits])
  of_phase, of_amplitude = targets[:, 0], targets[:, 1]
  amplitude_part = cross_entropy(amplitude_logits[0], of_phase) + cross_entropy(
    amplitude_logits[1], of_amplitude
  )
  return share * apr_loss(logits, of_phase) + (1 - share) * amplitude_part


def augmix_loss(logits: jax.Array, targets: jax.Array, weight: float = 12.0) -> jax.Array:
  """Cross-entropy of the clean view plus `weight` times the Jensen-Shannon divergence of all views.

  Args:
    logits: float `[V, B, K]`, the clean view first; AugMix has three.
    targets: float `[B, K]`.
    weight: 12 in the paper.

  Reference: AugMix (https://arxiv.org/abs/1912.02781), Equation 3 and the released training script.
  """
  return cross_entropy(logits[0], targets) + weight * jensen_shannon(logits)


def jensen_shannon(logits: jax.Array) -> jax.Array:
  """Mean over the batch of the Jensen-Shannon divergence of V predictions p_v, in nats.

  (1/V) Σ_v KL(p_v ‖ m) with m = (1/V) Σ_v p_v. As in AugMix's released code m is at least 1e-7
  under the logarithm.

  Args:
    logits: float `[V, B, K]`.
  """
  chex.assert_rank(logits, 3)
  log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
  p = jnp.exp(log_p)
  log_mixture = jnp.log(jnp.clip(p.mean(0), 1e-7, 1))
  return (p * (log_p - log_mixture)).sum(-1).mean()


def supclr_loss(
  logits: jax.Array,
  projection: jax.Array,
  targets: jax.Array,
  temperature: float = 0.07,
  axis_name: str | None = None,
) -> jax.Array:
  """Supervised contrastive loss of the projections plus the mean cross-entropy of the linear probe
  over the views.

  The two train different parameters, as `models.contrastive` stops the probe's gradient before the
  network.

  Args:
    logits: float `[V, B, K]`, of the probe.
    projection: float `[V, B, D]`, of length 1.
    targets: float `[B, K]`, one-hot.
    temperature, axis_name: see `supervised_contrastive`.
  """
  probe = probe_loss(logits, targets)
  return probe + supervised_contrastive(projection, targets, temperature, axis_name)


def probe_loss(logits: jax.Array, targets: jax.Array) -> jax.Array:
  """Mean over the views of their cross-entropies.

  Args:
    logits: float `[V, B, K]`.
    targets: float `[B, K]`.
  """
  return apr_loss(logits, targets) / len(logits)


def csi_loss(
  outputs: Outputs,
  targets: jax.Array,
  rotations: Sequence[int],
  temperature: float = 0.07,
  axis_name: str | None = None,
) -> jax.Array:
  """Supervised contrastive loss of the projections, where a class is one of image and rotation,
  plus the mean cross-entropies of the three heads: of the class over the views that are not turned,
  of the rotation and of both together over all views.

  Args:
    outputs: of V views, with rotation and joint logits; without a projection the heads learn alone.
    targets: float `[B, K]`.
    rotations: r in 0..3 of each view, `[V]`.
    temperature, axis_name: see `supervised_contrastive`.

  Reference: CSI (https://arxiv.org/abs/2007.08176), released code.
  """
  assert outputs.rotation_logits is not None and outputs.joint_logits is not None
  upright = np.flatnonzero(np.asarray(rotations) == 0)
  total = probe_loss(outputs.logits[upright], targets)
  of_rotation = jax.nn.one_hot(jnp.asarray(rotations), outputs.rotation_logits.shape[-1])
  for view in range(len(rotations)):
    turned = jnp.broadcast_to(of_rotation[view], (len(targets), of_rotation.shape[1]))
    # class + K·rotation: all classes of one rotation stand together
    both = (turned[:, :, None] * targets[:, None, :]).reshape(len(targets), -1)
    total += cross_entropy(outputs.rotation_logits[view], turned) / len(rotations)
    total += cross_entropy(outputs.joint_logits[view], both) / len(rotations)
  if outputs.projection is None:
    return total
  return total + supervised_contrastive(
    outputs.projection, targets, temperature, axis_name, rotations
  )


def supervised_contrastive(
  embeddings: jax.Array,
  targets: jax.Array,
  temperature: float = 0.07,
  axis_name: str | None = None,
  groups: Sequence[int] | None = None,
) -> jax.Array:
  """Draws views of the same class together and the others apart:

      mean_i −1/|P(i)| Σ_{p∈P(i)} log (exp(z_i·z_p/τ) / Σ_{a≠i} exp(z_i·z_a/τ))

  over all views i, with P(i) the other views of i's class. A view without any counts with loss 0.

  Args:
    embeddings: float `[V, B, D]` of length 1.
    targets: float `[B, K]`, one-hot.
    temperature: τ; 0.07 in CSI's released code, 0.1 in the paper.
    axis_name: mapped axis whose devices' views are all compared with each other; None compares this
      device's. The mean stays that over this device's views.
    groups: of each view, `[V]`; a view of another group counts as one of another class. None: all
      are of one group.

  Reference: Khosla et al., Supervised Contrastive Learning, NeurIPS 2020
  (https://arxiv.org/abs/2004.11362), Equation 2. CSI's released code
  (https://github.com/alinlab/CSI) counts i itself into P(i), with a constant logarithm; that makes
  the gradient smaller by |P| / (|P| + 1).
  """
  chex.assert_rank([embeddings, targets], [3, 2])
  chex.assert_equal(embeddings.shape[1], targets.shape[0])
  anchors = embeddings.reshape(-1, embeddings.shape[-1]).astype(jnp.float32)
  group = jnp.zeros(len(embeddings), jnp.int32) if groups is None else jnp.asarray(groups)
  labels = (targets.argmax(-1) + targets.shape[-1] * group[:, None]).reshape(-1)
  others, other_labels = anchors, labels
  first: int | jax.Array = 0
  if axis_name is not None:
    others, other_labels = jax.lax.all_gather((anchors, labels), axis_name, tiled=True)
    first = jax.lax.axis_index(axis_name) * len(anchors)
  different = jnp.arange(len(others)) != first + jnp.arange(len(anchors))[:, None]
  positive = (labels[:, None] == other_labels) & different
  similarity = jnp.matmul(anchors, others.T, precision=jax.lax.Precision.HIGHEST) / temperature
  log_share = similarity - jax.nn.logsumexp(similarity, axis=1, where=different, keepdims=True)
  of_anchor = jnp.where(positive, log_share, 0).sum(1) / jnp.maximum(positive.sum(1), 1)
  return -of_anchor.mean()
