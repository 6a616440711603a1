"""AutoAttack: an ensemble of attacks, each on what the ones before it left standing.

    from apr_jax.attacks import autoattack
    result = autoattack(logits_fn, images, labels, key=jax.random.key(0))
    result.robust_accuracy, result.by_attack, result.warnings

The network is any differentiable JAX function of images. Every random number belongs to an image's
place in the data set, so nothing depends on the size of the batches, on the devices, or on how the
images are split into blocks:

    attack = AutoAttack(logits_fn)
    blocks = [attack(images[at], labels[at], key=key, positions=at) for at in places]
    result = join(blocks)

A result of a block can be stored, and the work goes on at the next block after a stop.

Reference: Croce and Hein, ICML 2020 (https://arxiv.org/abs/2003.01690) and the released code. Where
the attacks differ from it stands in their files; here:

- At most K − 1 classes are targets, and two or three classes are no error; see `objectives`.
- As there, an image counts as broken only if the program that decides on clean images says so.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from apr_jax import keys
from apr_jax.attacks import checks
from apr_jax.attacks.attack import Attack
from apr_jax.attacks.network import Given, Network, Outcome
from apr_jax.attacks.progress import Progress
from apr_jax.attacks.result import CLEAN, Result
from apr_jax.attacks.versions import STANDARD, chosen
from apr_jax.errors import UserError

EPSILON = 8 / 255
# Images per call of the network at most; of it and its halves few pixels are left over on CPUs, see
# models/image_by_image.py.
BATCH_SIZE = 240
VERDICT = np.uint32(0x5EED)  # makes of a run's keys those of its verdict


def autoattack(
  logits_fn: Callable[..., jax.Array],
  images: np.ndarray,
  labels: np.ndarray,
  *,
  epsilon: float = EPSILON,
  attacks: str | Sequence[str | Attack] = STANDARD,
  key: jax.Array,
  batch_size: int = BATCH_SIZE,
  positions: np.ndarray | None = None,
  randomised: bool = False,
  devices: Sequence[jax.Device] | None = None,
  progress: bool | None = None,
) -> Result:
  """Attacks images, and says which still stand.

  It is `AutoAttack(logits_fn, ...)(images, labels, ...)`; arguments and errors are described there.

  Examples:
    >>> def logits_fn(images):  # class 1 if the mean is above one half
    ...   mean = images.mean((1, 2, 3))
    ...   return jnp.stack([0.5 - mean, mean - 0.5], axis=1)
    >>> images, labels = np.full((2, 4, 4, 3), 0.45, np.float32), np.array([0, 1])
    >>> result = autoattack(
    ...   logits_fn, images, labels, epsilon=0.1, key=jax.random.key(0), attacks=("apgd-ce",)
    ... )
    >>> result.by_attack  # the second was wrong from the start
    {'clean': 50.0, 'apgd-ce': 0.0}
  """
  attack = AutoAttack(
    logits_fn,
    epsilon=epsilon,
    attacks=attacks,
    batch_size=batch_size,
    randomised=randomised,
    devices=devices,
  )
  return attack(images, labels, key=key, positions=positions, progress=progress)


class AutoAttack:
  """An ensemble of attacks on one network; it keeps what is compiled from one block of images to
  the next.

  Args:
    logits_fn: float32 `[B, H, W, C]` in [0, 1] → logits `[B, K]`, differentiable, in evaluation
      mode (an image's logits depend on no other image), with its normalisation inside. It should
      compute in float32.
    epsilon: the largest change of a value, in (0, 1]; images are in [0, 1].
    attacks: the name of a version ("standard", "plus", "rand"), or names and attacks in the order
      in which they run.
    batch_size: images per call of the network at most. It changes no result beyond the rounding of
      the network.
    randomised: `logits_fn` draws random numbers: it also takes PRNG keys `[B]`, one per image,
      another at each call. Such a network is attacked with attacks="rand", which averages
      gradients.
    devices: the batch is spread over them; None: JAX's default device.

  Raises:
    UserError: an unknown attack or version, or a number out of its range.

  Examples:
    >>> def logits_fn(images):  # class 1 if the mean is above one half
    ...   mean = images.mean((1, 2, 3))
    ...   return jnp.stack([0.5 - mean, mean - 0.5], axis=1)
    >>> attack = AutoAttack(logits_fn, epsilon=0.1, attacks=(PGD(step_size=0.02, restarts=1),))
    >>> images, labels = np.full((2, 4, 4, 3), 0.45, np.float32), np.zeros(2, int)
    >>> images[1] = 0.2  # too far from the boundary
    >>> attack(images, labels, key=jax.random.key(0)).robust.tolist()
    [False, True]
  """

  def __init__(
    self,
    logits_fn: Callable[..., jax.Array],
    *,
    epsilon: float = EPSILON,
    attacks: str | Sequence[str | Attack] = STANDARD,
    batch_size: int = BATCH_SIZE,
    randomised: bool = False,
    devices: Sequence[jax.Device] | None = None,
  ):
    if not 0 < epsilon <= 1:
      raise UserError(f"epsilon must be in (0, 1], in units of images in [0, 1]; got {epsilon}")
    if batch_size < 1:
      raise UserError(f"batch_size must be at least 1, got {batch_size}")
    self.epsilon, self.attacks = epsilon, chosen(attacks)
    self._network = Network(logits_fn, batch_size, randomised, devices)
    self._classify = self._network.compiled_logits()

  def __call__(
    self,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    key: jax.Array,
    positions: np.ndarray | None = None,
    progress: bool | None = None,
  ) -> Result:
    """Attacks one block of images.

    Args:
      images: `[N, H, W, C]`, uint8 or float in [0, 1].
      labels: int `[N]`.
      key: PRNG key of the whole data set, the same for all of its blocks.
      positions: int `[N]`, the images' places in the data set; 0..N-1 if not given.
      progress: show a bar on stderr; None: if that is a terminal.

    Raises:
      UserError: images or labels of a wrong shape, type or range, or logits that are none.
    """
    images, labels = _checked(images, labels)
    positions = np.arange(len(images)) if positions is None else np.asarray(positions)
    if positions.shape != labels.shape:
      raise UserError(f"positions must be of shape {labels.shape}, got {positions.shape}")
    key = _counting(key)
    classes, observations = self._looked_at(images, labels)
    # Every verdict is of batches of one size, of one program.
    classify = functools.partial(self._logits, self._network.size_for(len(images)))
    drawn = _keys_of(keys.stream(key, CLEAN), positions)
    clean = classify(images, drawn)
    observations += checks.of_clean_logits(clean)
    observations += self._repeated(classify, images, labels, drawn, clean)
    # Column 0 is the label, for images that are attacked.
    ranked = np.argsort(-clean, axis=-1, kind="stable").astype(np.int32)
    broken_by = np.where(clean.argmax(-1) == labels, "", CLEAN).astype(object)
    adversarial = images.copy()

    runs = [run for attack in self.attacks for run in _runs(attack, classes)]
    with Progress([(str(run), run.attack.cost(classes)) for run in runs], progress) as bar:
      for number, run in enumerate(runs):
        drawn = _keys_of(keys.stream(key, run.attack.name), positions, run.rank, run.restart)
        standing = np.flatnonzero(broken_by == "")
        bar.begin(number, len(standing))
        for rows in _batches(standing, self._network.batch_sizes[0]):
          given = Given(images[rows], labels[rows], ranked[rows, run.rank - 1], drawn[rows])
          outcome = self._run(run, given, bar)
          if outcome.flat.any():
            observations.append(checks.flat_gradients(run.attack.name))
          if outcome.found.any():
            rows, found = rows[outcome.found], outcome.images[outcome.found]
            wrong = classify(found, drawn[rows] ^ VERDICT).argmax(-1) != labels[rows]
            broken_by[rows[wrong]] = run.attack.name
            adversarial[rows[wrong]] = found[wrong]
    return Result(
      attacks=tuple(attack.name for attack in self.attacks),
      gradient_free=tuple(attack.name for attack in self.attacks if attack.gradient_free),
      epsilon=self.epsilon,
      broken_by=tuple(breaker or None for breaker in broken_by),
      adversarial=adversarial,
      observations=tuple(dict.fromkeys(observations)),
    )

  def _run(self, run: "_Run", given: Given, bar: Progress) -> Outcome:
    """One run on one batch of NumPy arrays."""
    count = len(given.images)
    given = self._network.place(given)
    return run.attack(
      self._network,
      given._replace(keys=_keys(given.keys)),
      count,
      epsilon=self.epsilon,
      restart=run.restart,
      report=bar.advance,
    )

  def _looked_at(self, images: np.ndarray, labels: np.ndarray) -> tuple[int, list[str]]:
    """The number of classes, and what the function's program shows."""
    example = (
      jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32),
      jax.random.split(jax.random.key(0), 1),
    )
    traced = jax.make_jaxpr(self._network.logits)(*example)
    shape = traced.out_avals[0].shape
    if len(shape) != 2 or shape[0] != 1 or shape[1] < 2:
      raise UserError(
        f"logits_fn must return [B, K], K at least 2; for B = 1 it returns {list(shape)}"
      )
    if labels.max() >= shape[1]:
      raise UserError(
        f"labels must be in 0..{shape[1] - 1} for {shape[1]} logits, got {labels.max()}"
      )
    names = [attack.name for attack in self.attacks if attack.targeted]
    return shape[1], checks.of_program(str(traced)) + checks.of_classes(shape[1], names)

  def _logits(self, size: int, images: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """float32 `[N, K]`, finite, from batches of one size; `drawn` are the keys' numbers."""
    answered = []
    for rows in _batches(np.arange(len(images)), size):
      batch, numbers = self._network.place((images[rows], drawn[rows]), size)
      answers = self._classify(batch, _keys(numbers))
      answered.append(np.asarray(answers)[: len(rows)])
    logits = np.concatenate(answered)
    if not np.isfinite(logits).all():
      raise UserError(
        "logits_fn returns numbers that are not finite; look for NaN in the network or the images"
      )
    return logits

  def _repeated(
    self,
    classify: Callable,
    images: np.ndarray,
    labels: np.ndarray,
    drawn: np.ndarray,
    clean: np.ndarray,
  ) -> list[str]:
    """Whether the first batch has the same logits again, where half of it is another image."""
    if self._network.randomised:
      return []
    rows = np.arange(min(len(images), self._network.batch_sizes[0]))
    kept = rows[: -(-len(rows) // 2)]
    order = np.where(rows < len(kept), rows, 0)
    again = classify(images[order], drawn[order])[: len(kept)]
    return checks.of_repetition(clean[kept], again, labels[kept])


@dataclasses.dataclass(frozen=True)
class _Run:
  """One run of an attack: for the classes of one rank of the clean logits, if it is targeted."""

  attack: Attack
  rank: int
  restart: int

  def __str__(self) -> str:
    target = f", target {self.rank - 1}" if self.attack.targeted else ""
    restart = f", restart {self.restart}" if self.restart else ""
    return f"{self.attack.name}{target}{restart}"


def _runs(attack: Attack, classes: int) -> list[_Run]:
  ranks = range(2, min(attack.targets, classes - 1) + 2) if attack.targeted else [1]
  return [_Run(attack, rank, restart) for rank in ranks for restart in range(attack.restarts)]


def _checked(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Images as float32 in [0, 1] and labels as int32."""
  images, labels = np.asarray(images), np.asarray(labels)
  if images.ndim != 4 or not len(images):
    raise UserError(f"images must be [N, H, W, C] with N at least 1, got {list(images.shape)}")
  if images.dtype == np.uint8:
    images = images / np.float32(255)
  elif not np.issubdtype(images.dtype, np.floating):
    raise UserError(f"images must be uint8, or float in [0, 1]; got {images.dtype}")
  if not (images.min() >= 0 and images.max() <= 1):
    raise UserError(
      f"images of type float must be in [0, 1], got {images.min():g} to {images.max():g}"
    )
  if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
    raise UserError(
      f"labels must be int [{len(images)}], one per image; got {labels.dtype} {list(labels.shape)}"
    )
  if labels.min() < 0:
    raise UserError(f"labels must be 0 or more, got {labels.min()}")
  return images.astype(np.float32), labels.astype(np.int32)


def _batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
  return [rows[first : first + size] for first in range(0, len(rows), size)]


def _counting(key: jax.Array) -> jax.Array:
  """The key as one of Threefry, whose numbers for one image do not depend on the others of its
  batch; other generators (rbg) draw for the batch as a whole.
  """
  typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
  return _keys((jax.random.key_data(key) if typed else key)[:2])


def _keys(numbers: jax.Array) -> jax.Array:
  return jax.random.wrap_key_data(numbers, impl="threefry2x32")


def _keys_of(key: jax.Array, positions: np.ndarray, rank: int = 0, restart: int = 0) -> np.ndarray:
  """The numbers of one PRNG key per image, uint32 `[N, ...]`: by its place, the rank and the
  restart.
  """
  return np.asarray(_folded(key, positions, rank, restart))


@jax.jit
def _folded(key: jax.Array, positions: jax.Array, rank: int, restart: int) -> jax.Array:
  of_run = jax.vmap(lambda key: jax.random.fold_in(jax.random.fold_in(key, rank), restart))
  return jax.random.key_data(of_run(keys.per_image(key, positions, positions)))
