"""Any function of images as a classifier: a network in PyTorch, behind a server, or in JAX."""

import functools
import hashlib
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax.classifiers.predictor import Predictor, check_images
from apr_jax.errors import UserError, one_line

_PROBES = 8  # images whose answers name a function


class FromFunction:
  """A function of images, with a name.

      classifier = apr_jax.FromFunction(answers, 10, (32, 32), name="my resnet")

  It is a `classifiers.interface.Classifier`, which can be evaluated as a trained run can.

  Attributes:
    name, num_classes, image_size: as given; `image_size` is (H, W).
    kind: "function".
    jax_logits: as given, or None.
    features: None, or a function, uint8 images `[N, H, W, 3]` → float32 `[N, D]` for any N.
    last_layer: None, or (W float32 `[D, K]`, b float32 `[K]`), as given.
    adapted_logits: None, or a function of one batch, uint8 images `[N, H, W, 3]` and a number →
      float32 `[N, K]`.
    first_kernel: None, or the kernel of the first convolution, float32 `[k, k, C, O]`.
    first_gain: None, or the gain on power behind each of its filters, float32 `[O]`.
    defaults: what an evaluation of it begins with, by the names of its settings: nothing.

  Args:
    logits: uint8 images `[n, H, W, 3]` → float `[n, K]`, for any n up to `batch_size`. The images
      are a NumPy array of its own, which it may change. What it returns may be anything that
      `np.asarray` takes: an array of NumPy or JAX, or a tensor of PyTorch on the CPU that needs no
      gradient. None if `jax_logits` is given, which is then compiled for one shape of batches and
      asked in its place.
    num_classes: number of logits, K.
    image_size: (H, W) in pixels of the images it takes; one number means a square.
    name: for tables and reports.
    jax_logits: a differentiable JAX function, float images `[B, H, W, 3]` in [0, 1] → logits
      `[B, K]`, of the same network; suites that attack it need it.
    features: uint8 images `[n, H, W, 3]` → float `[n, D]`, as `logits` is called: what the last
      linear layer is given. Some scores of the suite `ood_scores` need them.
    last_layer: (W float `[D, K]`, b float `[K]`) of that layer, so that logits are
      `features @ W + b`; of PyTorch's weight `weight.T`.
    adapted_logits: uint8 images `[n, H, W, 3]`, one whole batch of any n, and how many images the
      batch statistics of the training count as → float `[n, K]`, with batch statistics of these
      images. `corruptions.adapt` needs it.
    first_kernel: of the first convolution, float `[k, k, C, O]`: of PyTorch's weight
      `weight.permute(2, 3, 1, 0)`. The suite `filters` needs it.
    first_gain: of the batch normalisation behind it, scale² / (variance + ε), float `[O]`. Without
      it filters are weighted by their energy alone.
    fingerprint: names the weights: results are kept under it, and those of another network are
      never taken for its own. Default: a digest of the answers to eight fixed images of noise, of
      grains from one pixel to eight, which `np.random.RandomState(0)` draws. It is computed when it
      is first asked for. A function whose answers change from one call to the next, in the last
      digit even, has another one each time; give it one, or an interrupted evaluation starts anew.
    batch_size: largest number of images per call. It changes no result.

  Raises:
    UserError: an argument cannot be used.

  Examples:
    >>> def brightness(images):  # two classes: dark, bright
    ...   light = images.mean((1, 2, 3)) / 255
    ...   return np.stack([1 - light, light], axis=1)
    >>> classifier = FromFunction(brightness, 2, (8, 8), name="brightness")
    >>> classifier.logits(np.full((1, 8, 8, 3), 255, np.uint8)).tolist()
    [[0.0, 1.0]]
  """

  kind = "function"

  def __init__(
    self,
    logits: Callable[[np.ndarray], Any] | None,
    num_classes: int,
    image_size: int | tuple[int, int],
    *,
    name: str,
    jax_logits: Callable[[jax.Array], jax.Array] | None = None,
    features: Callable[[np.ndarray], Any] | None = None,
    last_layer: tuple[Any, Any] | None = None,
    adapted_logits: Callable[[np.ndarray, float], Any] | None = None,
    first_kernel: Any = None,
    first_gain: Any = None,
    fingerprint: str | None = None,
    batch_size: int = 500,
  ):
    functions = {
      "logits": logits,
      "jax_logits": jax_logits,
      "features": features,
      "adapted_logits": adapted_logits,
    }
    for argument, function in functions.items():
      if function is not None and not callable(function):
        raise UserError(
          f"FromFunction: {argument} must be a function of images, or None, got {function!r}"
        )
    if logits is None and jax_logits is None:
      raise UserError("FromFunction: logits and jax_logits are both None; give one of them")
    for argument, text in {"name": name, "fingerprint": fingerprint}.items():
      optional = argument == "fingerprint" and text is None
      if not optional and not (isinstance(text, str) and text):
        raise UserError(f"FromFunction: {argument} must be a text that is not empty, got {text!r}")
    self.name = name
    self.num_classes = _count("num_classes", num_classes)
    self.image_size = _image_size(image_size)
    self.jax_logits = jax_logits
    self.features: Callable[[np.ndarray], np.ndarray] | None = (
      None if features is None else functools.partial(self._features, features)
    )
    self.last_layer = _last_layer(last_layer, self.num_classes)
    self.adapted_logits: Callable[[np.ndarray, float], np.ndarray] | None = (
      None if adapted_logits is None else functools.partial(self._adapted, adapted_logits)
    )
    self.first_kernel, self.first_gain = _first_layer(first_kernel, first_gain)
    self.defaults: dict[str, Any] = {}
    self._batch_size = _count("batch_size", batch_size)
    self._given_logits, self._given_fingerprint = logits, fingerprint

  def __repr__(self) -> str:
    return f"FromFunction({self.name!r}, {self.num_classes}, {self.image_size})"

  @functools.cached_property
  def fingerprint(self) -> str:
    """Of the weights: as given, or a digest of the answers to fixed images."""
    if self._given_fingerprint is not None:
      return self._given_fingerprint
    answers = self.logits(_probes(self.image_size))
    digest = hashlib.sha256(f"{self.image_size} {answers.shape}\n".encode())
    digest.update(answers.tobytes())
    return digest.hexdigest()[:16]

  def logits(self, images: np.ndarray) -> np.ndarray:
    """Images uint8 `[N, H, W, 3]` → float32 `[N, K]`, for any N above 0.

    Raises:
      UserError: the images have another dtype or shape, or the function returns something else
        than finite logits. What the function raises itself is passed on.
    """
    check_images(images, self.image_size)
    if self._given_logits is None:
      predictor, function = self._predictor
      answers = self._checked(predictor.logits(function, images), len(images), "jax_logits")
    else:
      answers = self._in_chunks(self._given_logits, images, "logits")
    return answers

  @functools.cached_property
  def _predictor(self) -> tuple[Predictor, Callable[[jax.Array], jax.Array]]:
    """The compiled `jax_logits`, and what it takes beside images: the function itself, of which a
    `Partial` has leaves, such as parameters, that belong on the devices.

    Raises:
      UserError: `jax_logits` returns no logits.
    """
    images = jax.ShapeDtypeStruct((2, *self.image_size, 3), jnp.float32)
    function = self.jax_logits
    assert function is not None  # one of the two was given, and `logits` asks here for want of it
    answer = jax.eval_shape(function, images)
    shape, dtype = getattr(answer, "shape", None), getattr(answer, "dtype", None)
    is_float = dtype is not None and jnp.issubdtype(dtype, jnp.floating)
    if shape != (2, self.num_classes) or not is_float:
      raise UserError(
        f"jax_logits of {self.name!r} must return float [2, {self.num_classes}] for 2 images, got "
        f"{type(answer).__name__ if shape is None else f'{dtype} {list(shape)}'}; "
        f"let it return one row of {self.num_classes} logits per image"
      )
    partial = jax.tree_util.Partial
    function = function if isinstance(function, partial) else partial(function)
    predictor = Predictor(lambda function, images: function(images), self._batch_size)
    return predictor, predictor.place(function)

  def _features(self, function: Callable[[np.ndarray], Any], images: np.ndarray) -> np.ndarray:
    check_images(images, self.image_size)
    return self._in_chunks(function, images, "features")

  def _adapted(
    self, function: Callable[[np.ndarray, float], Any], images: np.ndarray, prior: float = 0
  ) -> np.ndarray:
    check_images(images, self.image_size)
    return self._checked(function(images.copy(), prior), len(images), "adapted_logits")

  def _in_chunks(
    self, function: Callable[[np.ndarray], Any], images: np.ndarray, what: str
  ) -> np.ndarray:
    chunks: list[np.ndarray] = []
    for start in range(0, len(images), self._batch_size):
      # A copy is the function's own: it may write there, and PyTorch takes it without a warning.
      chunk = images[start : start + self._batch_size].copy()
      answer = self._checked(function(chunk), len(chunk), what)
      if chunks and answer.shape[1:] != chunks[0].shape[1:]:
        raise UserError(
          f"{what} of {self.name!r} returned {list(answer.shape)} and, for other images, "
          f"{list(chunks[0].shape)}; let it return as many numbers for each image"
        )
      chunks.append(answer)
    return np.concatenate(chunks)

  def _checked(self, answer: Any, count: int, what: str) -> np.ndarray:
    """The answer for `count` images as float32, if it is one.

    Raises:
      UserError: it is something else.
    """
    kind = type(answer).__name__
    try:
      array = np.asarray(answer)
    # Libraries raise exceptions of any kind where their arrays are not NumPy's: TypeError of
    # PyTorch for a tensor on a GPU, RuntimeError for one that needs a gradient.
    except Exception as error:
      raise UserError(
        f"{what} of {self.name!r} returned a {kind} that NumPy cannot take ({one_line(error)}); "
        f"let it return a NumPy array, of a tensor of PyTorch its .detach().cpu().numpy()"
      ) from error
    width = self.num_classes if what != "features" else "D"
    fits = array.ndim == 2 and len(array) == count and width in ("D", array.shape[1])
    # JAX's question, since bfloat16 is no floating number to NumPy.
    if not fits or not jnp.issubdtype(array.dtype, jnp.floating):
      raise UserError(
        f"{what} of {self.name!r} must return float [{count}, {width}] for {count} images, got "
        f"{array.dtype} {list(array.shape)}; let it return one row of {width} numbers per image"
      )
    # Overflow gives infinities, which are refused below.
    with np.errstate(over="ignore"):
      array = array.astype(np.float32)
    if not np.isfinite(array).all():
      raise UserError(
        f"{what} of {self.name!r} returned numbers that are not finite for "
        f"{np.sum(~np.isfinite(array).all(1))} of {count} images; let it return finite float32 "
        f"numbers, and check the network's weights and its normalisation"
      )
    return array


def _count(argument: str, value: Any) -> int:
  try:
    count = -1 if isinstance(value, bool) else operator.index(value)
  except TypeError:
    count = -1
  if count < 1:
    raise UserError(f"FromFunction: {argument} must be a whole number above 0, got {value!r}")
  return count


def _image_size(value: Any) -> tuple[int, int]:
  sides = tuple(value) if isinstance(value, tuple | list) else (value, value)
  try:
    height, width = (_count("image_size", side) for side in sides)
  except ValueError as error:  # of which a UserError is one
    raise UserError(
      f"FromFunction: image_size must be (height, width) in pixels, or one number for a square, "
      f"got {value!r}"
    ) from error
  return height, width


def _first_layer(kernel: Any, gain: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
  """The kernel of the first convolution and the gain behind it as float32, if they are given."""
  found = _numbers("first_kernel", kernel)
  if found is not None and (found.ndim != 4 or found.shape[0] != found.shape[1] or not found.size):
    raise UserError(
      f"FromFunction: first_kernel must be float [k, k, C, O], got {list(found.shape)}; of "
      f"PyTorch's weight give weight.permute(2, 3, 1, 0)"
    )
  gains = _numbers("first_gain", gain)
  if gains is not None and (found is None or gains.shape != found.shape[3:] or gains.min() < 0):
    count = "O" if found is None else found.shape[3]
    raise UserError(
      f"FromFunction: first_gain must be float [{count}], one number of 0 or more for each filter "
      f"of first_kernel, got {list(gains.shape)}"
    )
  return found, gains


def _last_layer(layer: Any, num_classes: int) -> tuple[np.ndarray, np.ndarray] | None:
  """Weights and bias of the last linear layer as float32, if they are given."""
  if layer is None:
    return None
  if not isinstance(layer, tuple | list) or len(layer) != 2:
    raise UserError("FromFunction: last_layer must be (W [D, K], b [K])")
  weights, bias = (_numbers("last_layer", values) for values in layer)
  if weights is None or bias is None or weights.ndim != 2 or bias.shape != (num_classes,):
    raise UserError(f"FromFunction: last_layer must be (W [D, {num_classes}], b [{num_classes}])")
  if weights.shape[1] != num_classes:
    raise UserError(
      f"FromFunction: last_layer must have W [D, {num_classes}], got {list(weights.shape)}; of "
      f"PyTorch's weight give weight.T"
    )
  return weights, bias


def _numbers(argument: str, value: Any) -> np.ndarray | None:
  """Finite numbers as float32; None where nothing is given."""
  if value is None:
    return None
  try:
    array = np.asarray(value).astype(np.float32)
  except Exception as error:  # as in `_checked`: libraries raise exceptions of any kind
    raise UserError(
      f"FromFunction: NumPy cannot take {argument}, a {type(value).__name__} "
      f"({one_line(error)}); give a NumPy array, of a tensor of PyTorch its .detach().cpu().numpy()"
    ) from error
  if not np.isfinite(array).all():
    raise UserError(f"FromFunction: {argument} must be finite numbers")
  return array


def _probes(image_size: tuple[int, int]) -> np.ndarray:
  """Noise of grains of 1, 1, 2, 2, 4, 4, 8 and 8 pixels: coarse noise also differs in its mean."""
  random = np.random.RandomState(0)  # whose numbers NumPy promises to keep
  images = []
  for index in range(_PROBES):
    grain = 2 ** (index // 2)
    cells = random.randint(0, 256, (*(-(-side // grain) for side in image_size), 3), dtype=np.uint8)
    image = cells.repeat(grain, 0).repeat(grain, 1)
    images.append(image[: image_size[0], : image_size[1]])
  return np.stack(images)
