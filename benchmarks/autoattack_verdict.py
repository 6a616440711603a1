"""Whether AutoAttack here finds what the package of the paper's authors finds, and at what cost.

A trained network is written as a PyTorch file. The package attacks that file's network in PyTorch,
ours its import. Both get the same test images, one attack after the other, each what the ones
before left standing. Every ensemble runs in a process of its own, in one thread, so CPU seconds and
memory are its own. Ours include what is compiled, the package's its checks of the network, eight
passes forward per call.

The package runs once per seed, ours with the first. With that one each attack then gets all images
that are right: what it does alone.
"""

import concurrent.futures
import functools
import multiprocessing
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

STANDARD = ("apgd-ce", "apgd-t", "fab-t", "square")
CLEAN = "clean"

Attack = Callable[[str, np.ndarray], np.ndarray]
"""(name of the attack, rows of the images) → bool, which of them fell."""


def compare(
  workdir: str,
  number: int,
  epsilon: float,
  batch_size: int,
  seeds: Sequence[int],
  parallel: int,
  keep: Callable[[dict], None],
) -> None:
  """Prints both tables.

  Args:
    workdir: folder of a trained run whose network has a twin in tests/models/torch_twins.
    number: of test images, evenly spaced; 0 = all.
    epsilon: the largest change of a value.
    batch_size: images per call of the network at most, of both.
    seeds: of the package; ours has the first.
    parallel: processes at once.
    keep: called with all the numbers so far, whenever an ensemble is done.
  """
  from apr_jax.export_torch import export_checkpoint
  from apr_jax.import_torch import import_checkpoint
  from benchmarks.baseline_autoattack import package

  if package() is None:
    raise SystemExit("the package of the paper's authors is missing: pip install pyautoattack")
  images, labels = _test_images(workdir, number)
  with tempfile.TemporaryDirectory() as folder:
    file, imported = str(pathlib.Path(folder) / "network.pth"), str(pathlib.Path(folder) / "run")
    spec = export_checkpoint(workdir, file)
    import_checkpoint(
      spec.name, spec.num_classes, file, imported, data="digits", mean=spec.mean, std=spec.std
    )
    sides = {
      "ours": functools.partial(_ours, imported),
      "original": functools.partial(
        _original, file, spec.name, spec.num_classes, spec.mean, spec.std
      ),
    }
    found: dict[str, Any] = {
      "network": spec.name,
      "workdir": str(workdir),
      "images": len(images),
      "epsilon": epsilon,
      "batch_size": batch_size,
      **{side: [] for side in sides},
    }
    logits = {}
    with concurrent.futures.ProcessPoolExecutor(
      parallel, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as processes:
      waiting = {
        processes.submit(
          _measure, prepare, images, labels, epsilon, batch_size, seed, seed == seeds[0]
        ): side
        for seed in seeds
        for side, prepare in sides.items()
        if side == "original" or seed == seeds[0]
      }
      for done in concurrent.futures.as_completed(waiting):
        side, (run, logits[side]) = waiting[done], done.result()
        found[side].append(run)
        print(f"{side}, seed {run['seed']}: {_accuracies(run)}", flush=True)
        keep(found)
  found["logits_differ_by"] = float(np.abs(logits["ours"] - logits["original"]).max())
  keep(found)
  _print(found)


def _test_images(workdir: str, number: int) -> tuple[np.ndarray, np.ndarray]:
  """uint8 `[N, H, W, 3]` and int `[N]`, as the suite `autoattack` chooses them."""
  import apr_jax
  from apr_jax.evaluation.settings import Settings
  from apr_jax.evaluation.task import Task

  classifier = apr_jax.load_classifier(workdir)
  test = Task(classifier, Settings.of(classifier)).test
  total = len(test.labels)
  count = min(number, total) or total
  positions = np.arange(count) * total // count
  return test.images[positions], test.labels[positions]


def _ours(
  imported: str,
  images: np.ndarray,
  labels: np.ndarray,
  epsilon: float,
  batch_size: int,
  seed: int,
) -> tuple[Attack, np.ndarray]:
  """Our attacks on an import, and its logits."""
  import jax

  import apr_jax
  from apr_jax.attacks import AutoAttack

  classifier = apr_jax.load_classifier(imported)
  ensembles = {
    name: AutoAttack(classifier.jax_logits, epsilon=epsilon, attacks=(name,), batch_size=batch_size)
    for name in STANDARD
  }

  def fell(name: str, rows: np.ndarray) -> np.ndarray:
    result = ensembles[name](
      images[rows], labels[rows], key=jax.random.key(seed), positions=rows, progress=False
    )
    return ~result.robust

  return fell, classifier.logits(images)


def _original(
  file: str,
  name: str,
  classes: int,
  mean: Sequence[float],
  std: Sequence[float],
  images: np.ndarray,
  labels: np.ndarray,
  epsilon: float,
  batch_size: int,
  seed: int,
) -> tuple[Attack, np.ndarray]:
  """The package's attacks on the same network in PyTorch, and its logits."""
  import torch

  from benchmarks.baseline_autoattack import Original
  from tests.models.torch_twins.zoo import TWINS

  twin = TWINS[name](classes)
  twin.load_state_dict(torch.load(file, weights_only=True), strict=False)
  twin = twin.eval().requires_grad_(False)
  middle, scale = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (mean, std))

  def network(batch: torch.Tensor) -> torch.Tensor:
    return twin((batch - middle) / scale)

  attack = Original(network, epsilon, batch_size=batch_size, seed=seed)
  floats = images / np.float32(255)

  def fell(attack_name: str, rows: np.ndarray) -> np.ndarray:
    attacked = attack(attack_name, floats[rows], labels[rows])
    with torch.no_grad():
      logits = network(torch.from_numpy(np.ascontiguousarray(attacked.transpose(0, 3, 1, 2))))
    return logits.argmax(-1).numpy() != labels[rows]

  with torch.no_grad():
    logits = network(torch.from_numpy(np.ascontiguousarray(floats.transpose(0, 3, 1, 2)))).numpy()
  return fell, logits


def _measure(
  prepare: Callable,
  images: np.ndarray,
  labels: np.ndarray,
  epsilon: float,
  size: int,
  seed: int,
  also_alone: bool,
) -> tuple[dict[str, Any], np.ndarray]:
  """One ensemble, and its attacks alone if `also_alone`, in a process of its own; and the logits of
  the images.
  """
  from benchmarks import memory

  fell, logits = prepare(images, labels, epsilon, size, seed)
  right = np.flatnonzero(logits.argmax(-1) == labels)
  standing, share = right, 100 / len(labels)
  by_attack, attacked, seconds = {CLEAN: share * len(right)}, {}, {}
  for name in STANDARD:
    start = time.process_time()
    kept = standing[~fell(name, standing)] if len(standing) else standing
    seconds[name] = time.process_time() - start
    attacked[name] = len(standing)
    standing = kept
    by_attack[name] = share * len(standing)
  memory_mb = memory.of_process()
  # Alone, the first attack does what it did.
  alone = {STANDARD[0]: by_attack[STANDARD[0]]}
  for name in STANDARD[1:] if also_alone else ():
    alone[name] = share * float(len(right) - fell(name, right).sum())
  run = {
    "seed": seed,
    "by_attack": by_attack,
    "alone": alone,
    "attacked": attacked,
    "seconds": seconds,
    "memory_mb": memory_mb,
    "standing": standing.tolist(),
  }
  return run, logits


def _accuracies(run: dict) -> str:
  accuracies, alone, seconds = (
    ", ".join(f"{name} {value:.2f}" for name, value in run[key].items())
    for key in ("by_attack", "alone", "seconds")
  )
  return f"{accuracies}; alone {alone}; CPU s {seconds}"


def _print(found: dict) -> None:
  sides = found["ours"], found["original"]

  def mean(values: Sequence[float]) -> str:
    spread = f" ({min(values):.2f} to {max(values):.2f})" if max(values) > min(values) else ""
    return f"{statistics.mean(values):.2f}{spread}"

  print(
    f"\n{found['network']} of {found['workdir']}, {found['images']} images, epsilon "
    f"{255 * found['epsilon']:.3g} of 255; logits differ by {found['logits_differ_by']:.1e}. "
    f"Accuracy in percent; the package's, mean and range over {len(sides[1])} seeds:\n"
  )
  print("| attack | after it, ours | original | alone, ours | original |")
  print("|---|---|---|---|---|")
  for name in (CLEAN, *STANDARD):
    after = [mean([run["by_attack"][name] for run in side]) for side in sides]
    alone = [
      mean([run["alone"][name] for run in side if name in run["alone"]]) if name != CLEAN else ""
      for side in sides
    ]
    print(f"| {name} | {' | '.join(after + alone)} |")
  print("\nCPU seconds in one thread; the package's, mean over the seeds:\n")
  print("| attack | ours | original | ratio | ours per attacked image | original |")
  print("|---|---|---|---|---|---|")
  for name in (*STANDARD, "all"):
    seconds, each = [], []
    for side in sides:
      names = STANDARD if name == "all" else (name,)
      total = [sum(run["seconds"][one] for one in names) for run in side]
      given = [run["attacked"][names[0]] for run in side]
      seconds.append(statistics.mean(total))
      each.append(statistics.mean(t / max(g, 1) for t, g in zip(total, given)))
    print(
      f"| {name} | {seconds[0]:.1f} | {seconds[1]:.1f} | {seconds[0] / seconds[1]:.2f} | "
      f"{each[0]:.3f} | {each[1]:.3f} |"
    )
  memory_mb = [max(run["memory_mb"] for run in side) for side in sides]
  print(f"\nMost memory used: ours {memory_mb[0]:,.0f} MB, original {memory_mb[1]:,.0f} MB")
