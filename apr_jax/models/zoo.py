"""Networks by name, each behind its input normalisation.

To add a network: write its module in a file of its own, taking `num_classes`, `dtype` and
`axis_name`, ending in `layers.head` of `layers.mark_last_map`, and add a line to `NETWORKS`.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from apr_jax.errors import lookup
from apr_jax.losses import Outputs
from apr_jax.models import image_by_image, norm_route
from apr_jax.models.allconv import AllConv
from apr_jax.models.band_input import BandInput
from apr_jax.models.contrastive import Contrastive
from apr_jax.models.densenet import DenseNet
from apr_jax.models.first_layer import PLAIN, FirstLayer
from apr_jax.models.layers import Axis
from apr_jax.models.preact_resnet import PreActResNet
from apr_jax.models.resnet import ResNet
from apr_jax.models.resnet_imagenet import ImageNetResNet
from apr_jax.models.resnext import ResNeXt
from apr_jax.models.stand_in import stand_in
from apr_jax.models.two_labels import TwoLabels, fold as fold_heads
from apr_jax.models.wide_resnet import WideResNet

NETWORKS: dict[str, Callable[..., nn.Module]] = {
  "allconv": AllConv,
  "densenet_40_12": functools.partial(DenseNet, depth=40, growth=12),
  "densenet_bc_100_12": functools.partial(
    DenseNet, depth=100, growth=12, bottleneck=True, compression=0.5
  ),
  "preact_resnet18": functools.partial(PreActResNet, stage_sizes=(2, 2, 2, 2)),
  "resnet18_cifar": functools.partial(ResNet, stage_sizes=(2, 2, 2, 2)),
  "resnet50": functools.partial(ImageNetResNet, stage_sizes=(3, 4, 6, 3)),
  "resnet50_max_blur": functools.partial(
    ImageNetResNet, stage_sizes=(3, 4, 6, 3), max_blur_pool=True
  ),
  "resnext29_32x4": functools.partial(ResNeXt, depth=29, cardinality=4, base_width=32),
  "wide_resnet_10_1": functools.partial(WideResNet, depth=10, widen=1),
  "wide_resnet_28_10": functools.partial(WideResNet, depth=28, widen=10),
  "wide_resnet_40_2": functools.partial(WideResNet, depth=40, widen=2),
}


class NormalisedNetwork(nn.Module):
  """A network that takes images as they are: normalisation is its first layer.

  Attributes:
    network: takes normalised images.
    mean, std: per channel, in units of [0, 1].
    precision: of its products, as `jax.default_matmul_precision` names it; None leaves it to JAX,
      which on GPU and TPU multiplies float32 numbers with the mantissas of shorter ones.
    bands: what is left of the images before all else; not in training, where the augmentation has
      done it. None: the images as they are.
    first_layer: stands in for the network's first convolution.
    auxiliary_norm: whether there is an auxiliary route beside the network's batch normalisation.
  """

  network: nn.Module
  mean: Sequence[float]
  std: Sequence[float]
  precision: str | None = None
  bands: BandInput | None = None
  first_layer: FirstLayer = PLAIN
  auxiliary_norm: bool = False

  def __call__(
    self, images: jax.Array, train: bool = False, route: str = norm_route.MAIN
  ) -> jax.Array | Outputs:
    """Float images `[B, H, W, 3]`, in [0, 1] up to what an augmentation adds → logits.

    Args:
      images: float `[B, H, W, 3]`.
      train: whether batch statistics are those of the batch.
      route: the batch normalisation that they pass through; see `norm_route`.

    Returns:
      logits float32 `[B, num_classes]`; in training `Outputs`, where a contrastive network's
      projection stands beside them.
    """
    if self.bands is not None and not train:
      images = self.bands(images)
    images = (images - jnp.asarray(self.mean)) / jnp.asarray(self.std)
    if self.auxiliary_norm and self.is_initializing():
      self._run(images, train, norm_route.MAIN)  # first, so that it draws what it draws alone
      route = norm_route.AUXILIARY
    out = self._run(images, train, route)
    return Outputs(out) if train and not isinstance(out, Outputs) else out

  def _run(self, images: jax.Array, train: bool, route: str) -> Any:
    with (
      jax.default_matmul_precision(self.precision) if self.precision else contextlib.nullcontext(),
      stand_in(self.first_layer, train),
      norm_route.through(route),
      image_by_image.on(not train),
    ):
      return self.network(images, train)


def make(
  name: str,
  num_classes: int,
  *,
  mean: Sequence[float],
  std: Sequence[float],
  dtype: Any = jnp.float32,
  axis_name: Axis = None,
  contrastive: bool = False,
  bands: BandInput | None = None,
  label_share: float | None = None,
  first_layer: FirstLayer = PLAIN,
  auxiliary_norm: bool = False,
  rotations: bool = False,
  frozen: bool = False,
  ensemble: bool = False,
) -> NormalisedNetwork:
  """The named network with its input normalisation.

  Args:
    name: a key of `NETWORKS`.
    num_classes: number of logits; 0 leaves the linear layer out: the features `[B, C]` come
      instead.
    mean, std: of the training images per channel, in units of [0, 1].
    dtype: of the convolutions; parameters, statistics and logits are float32. Where it is float32
      too, all products are computed in it.
    axis_name: mapped axis, or group of its devices, over which batch statistics are averaged in
      training; None keeps them per device.
    contrastive: give the network a projection beside the logits in training; see
      `contrastive.Contrastive`.
    bands: what is left of the images outside of training.
    label_share: give the network two heads, of which the phase's has this share of the logits; see
      `two_labels.TwoLabels`. None: one head.
    first_layer: stands in for the network's first convolution.
    auxiliary_norm: give its batch normalisation an auxiliary route; see `norm_route`.
    rotations, frozen, ensemble: of a contrastive network; see `contrastive.Contrastive`.

  Raises:
    UserError: the name is unknown.
  """
  network = lookup(NETWORKS, name, "model.name")(
    num_classes=num_classes if label_share is None and not contrastive else 0,
    dtype=dtype,
    axis_name=axis_name,
  )
  if contrastive:
    network = Contrastive(
      network, num_classes, rotations=rotations, frozen=frozen, ensemble=ensemble
    )
  if label_share is not None:
    network = TwoLabels(network, num_classes, label_share)
  precision = "highest" if dtype == jnp.float32 else None
  return NormalisedNetwork(
    network, tuple(mean), tuple(std), precision, bands, first_layer, auxiliary_norm
  )


@dataclasses.dataclass(frozen=True)
class NetworkSpec:
  """Everything that says which network it is: what a run, or an import, stores of it.

  Attributes:
    name: a key of `NETWORKS`.
    num_classes: number of logits.
    image_size: (H, W) in pixels of the images it is trained on.
    mean, std: of the input normalisation per channel, in units of [0, 1].
    dtype: of the convolutions, a key of `DTYPES`.
    contrastive: whether it has a projection; see `contrastive.Contrastive`.
    bands: what is left of the images outside of training; None: all.
    label_share: share of the phase's head in the logits of a network with two heads; None: it has
      one.
    first_layer: stands in for its first convolution.
    auxiliary_norm: whether its batch normalisation has an auxiliary route; see `norm_route`.
    rotations: whether a contrastive network has probes of the rotation too.
    frozen: whether such probes alone learn.
    ensemble: whether its logits are those of CSI's ensemble over four rotations.
  """

  name: str
  num_classes: int
  image_size: tuple[int, int]
  mean: tuple[float, float, float]
  std: tuple[float, float, float]
  dtype: str = "auto"
  contrastive: bool = False
  bands: BandInput | None = None
  label_share: float | None = None
  first_layer: FirstLayer = PLAIN
  auxiliary_norm: bool = False
  rotations: bool = False
  frozen: bool = False
  ensemble: bool = False

  def build(self, axis_name: Axis = None) -> NormalisedNetwork:
    """The network.

    Args:
      axis_name: mapped axis, or group of its devices, over which batch statistics are averaged in
        training; None keeps them per device.

    Raises:
      UserError: the name or the dtype is unknown.
    """
    return make(
      self.name,
      self.num_classes,
      mean=self.mean,
      std=self.std,
      dtype=dtype_of(self.dtype),
      axis_name=axis_name,
      contrastive=self.contrastive,
      bands=self.bands,
      label_share=self.label_share,
      first_layer=self.first_layer,
      auxiliary_norm=self.auxiliary_norm,
      rotations=self.rotations,
      frozen=self.frozen,
      ensemble=self.ensemble,
    )

  def fold(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """The variables of the plain network with the same outputs: one first kernel, one head, one
    route.

    Args:
      variables: "params" and "batch_stats" of the network of `build`.
    """
    plain = self.first_layer.fold(variables)
    if self.auxiliary_norm:
      plain = norm_route.without_auxiliary(plain)
    return plain if self.label_share is None else fold_heads(plain, self.label_share)

  def folded(self) -> "NetworkSpec":
    """The network whose variables `fold` gives."""
    return dataclasses.replace(
      self, first_layer=self.first_layer.folded(), label_share=None, auxiliary_norm=False
    )


DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "auto": None}
"""{name: of the convolutions; None chooses by the platform}."""


def dtype_of(name: str) -> Any:
  """The dtype of that name; "auto" is bfloat16 on GPU and TPU, float32 on CPU.

  Raises:
    UserError: the name is unknown.
  """
  dtype = lookup(DTYPES, name, "model.dtype")
  if dtype is None:
    return jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
  return dtype
