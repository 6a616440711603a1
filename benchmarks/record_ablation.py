"""Which combination of methods to bet on: many of them at a reduced size, one after the other.

    python -m benchmarks.record_ablation --workdir DIR --data_dir DIR [--seeds 0,1,2]

Strong augmentation needs length, which a reduced size has not. So an ordinary training comes first,
one of each seed, in WORKDIR/start-sSEED, and each combination goes on from its weights
(`model.weights`) in WORKDIR/NAME-sSEED; so does the combination "standard", beside which the others
are to be read. Each is evaluated with its weights and with their moving average, all in this
process. WORKDIR/table.md is rewritten after each. The same command goes on where an earlier one
stopped; it does the first seed of all combinations first.

`configs/cifar10_record.py` takes what did best here to full size, which remains a bet.
"""

import dataclasses
import json
import pathlib
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import ml_collections
from absl import flags

from apr_jax import cli, files
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.evaluation import runner
from apr_jax.evaluation.settings import Settings
from apr_jax.training import loop
from configs import base

FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Folder of the runs.", flag_values=FLAGS, required=True
)
_DATA_DIR = flags.DEFINE_string(
  "data_dir", "", "Where CIFAR-10 and CIFAR-10-C lie; default: TFDS's own.", flag_values=FLAGS
)
_START = flags.DEFINE_integer(
  "start_epochs", 8, "Of the ordinary training that comes first.", lower_bound=1, flag_values=FLAGS
)
_EPOCHS = flags.DEFINE_integer(
  "epochs", 2, "Of each combination.", lower_bound=1, flag_values=FLAGS
)
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Whole numbers.", flag_values=FLAGS)
_LIMIT = flags.DEFINE_integer(
  "limit", 0, "Score on the first so many images of each set; 0 = all.", flag_values=FLAGS
)
_NETWORK = flags.DEFINE_string("network", "wide_resnet_10_1", "Of the zoo.", flag_values=FLAGS)

_APR_P = {"augment.apr_p.prob": 0.6}
_HA_P = {"augment.hybrid_p.prob": 0.6, "augment.hybrid_p.plus": True}
_HA_S = {"augment.hybrid_s.prob": 1.0, "augment.hybrid_s.plus": True}
_PRIME, _VIPAUG = {"augment.prime.width": 3}, {"augment.vipaug.prob": 1.0}
_AFA = {"augment.afa.strength": 10.0}
_SMOOTH, _CLIP = {"augment.label_smoothing": 0.1}, {"optimizer.clip_norm": 1.0}

COMBINATIONS: Mapping[str, Mapping[str, Any]] = {
  "standard": {},
  "apr_sp": {"augment.apr_s.prob": 1.0, **_APR_P},
  "ha_ps": {**_HA_P, **_HA_S},
  "ha_ps+afa": {**_HA_P, **_HA_S, **_AFA},
  "ha_p+prime": {**_HA_P, **_PRIME},
  "ha_p+prime+afa": {**_HA_P, **_PRIME, **_AFA},
  "ha_ps+afa+smoothing": {**_HA_P, **_HA_S, **_AFA, **_SMOOTH},
  "prime+afa": {**_PRIME, **_AFA},
  "ha_ps+afa+clipping": {**_HA_P, **_HA_S, **_AFA, **_CLIP},
  "vipaug": {**_VIPAUG, **_APR_P},
  "ha_p+vipaug+afa": {**_HA_P, **_VIPAUG, **_AFA},
  "ha_ps+afa_5": {**_HA_P, **_HA_S, "augment.afa.strength": 5.0},
  "augmix+afa": {"augment.augmix.width": 3, "augment.augmix.single": True, **_AFA},
  "prime_jsd": {**_PRIME, "augment.prime.jsd_weight": 12.0},
}
"""What is changed in the common recipe, by name; the first ones say most."""

_WEIGHTS = ("weights", "average")
_SUITES = ("clean", "corruptions")
_DONE = "ablation.json"
_RATE = 0.02  # of what goes on from trained weights


@dataclasses.dataclass(frozen=True)
class Scored:
  """What was measured of one run.

  Attributes:
    errors: {"weights" or "average": (clean error, mean corruption error)}, in percent.
    seconds: of the training, as this process ran it; of a continued one, of its last part.
  """

  errors: Mapping[str, tuple[float, float]]
  seconds: float


def recipe(
  changes: Mapping[str, Any], network: str, epochs: int, seed: int, data_dir: str
) -> ml_collections.ConfigDict:
  """The configuration of a run: that of `configs/base.py`, shorter, in smaller batches and with a
  cosine.
  """
  config = base.get_config()
  config.update_from_flattened_dict(
    {
      "name": "record_ablation",
      "seed": seed,
      "epochs": epochs,
      "batch_size": 32,
      "eval_every_epochs": 0,
      "data.data_dir": data_dir,
      "model.name": network,
      "schedule.name": "cosine",
      "optimizer.learning_rate": 0.05,
      "optimizer.average_decay": 0.99,
      **changes,
    }
  )
  return config


def run(config: ml_collections.ConfigDict, folder: pathlib.Path, limit: int) -> Scored:
  """Trains and evaluates what is not yet, and marks the folder as done.

  Args:
    config: of the training.
    folder: of the run.
    limit: images of each set; 0 = all.
  """
  started = time.monotonic()
  loop.train(config, folder, quiet=True)
  seconds = time.monotonic() - started
  errors = {}
  for weights in _WEIGHTS:
    classifier = LoadedClassifier(folder, average=weights == "average")
    settings = Settings.of(classifier, limit=limit)
    out = folder / f"eval-{weights}"
    results = runner.evaluate(classifier, settings, _SUITES, out, quiet=True).results
    errors[weights] = results["clean"]["error"], results["corruptions"]["mean_error"]
  scored = Scored(errors, seconds)
  mark = {"limit": limit, "epochs": config.epochs, **dataclasses.asdict(scored)}
  files.write_json(folder / _DONE, mark)
  return scored


def finished(folder: pathlib.Path, epochs: int, limit: int) -> Scored | None:
  """What an earlier call has measured with the same length and images, or None."""
  try:
    mark = json.loads((folder / _DONE).read_text(encoding="utf-8"))
  except OSError:
    return None
  if (mark["epochs"], mark["limit"]) != (epochs, limit):
    return None
  return Scored(
    {name: (clean, mean) for name, (clean, mean) in mark["errors"].items()}, mark["seconds"]
  )


def to_markdown(found: Mapping[str, Sequence[Scored]]) -> str:
  """Mean ± sample standard deviation over the seeds; of one seed the score alone."""
  header = ["combination", "seeds"]
  header += [f"{what}, {of}" for of in _WEIGHTS for what in ("clean error", "mean error")]
  lines = [[*header, "seconds of training"], ["---"] * (len(header) + 1)]
  for name in COMBINATIONS:
    runs = found.get(name, [])
    if not runs:
      lines.append([name, "0", *["not run"] * (len(header) - 1)])
      continue
    cells = [
      _score([each.errors[of][place] for each in runs]) for of in _WEIGHTS for place in (0, 1)
    ]
    seconds = ", ".join(f"{each.seconds:.0f}" for each in runs)
    lines.append([name, str(len(runs)), *cells, seconds])
  return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _score(values: Sequence[float]) -> str:
  spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
  return f"{statistics.fmean(values):.2f}{spread}"


def _runs(seeds: Sequence[int]) -> Iterator[tuple[str, int]]:
  for seed in seeds:
    for name in COMBINATIONS:
      yield name, seed


def main() -> None:
  workdir = files.path(_WORKDIR.value)
  files.make_folder(workdir)
  found: dict[str, list[Scored]] = {}
  for name, seed in _runs([int(seed) for seed in _SEEDS.value]):
    folder, start = workdir / f"{name}-s{seed}", workdir / f"start-s{seed}"
    scored = finished(folder, _EPOCHS.value, _LIMIT.value)
    if scored is None:
      print(f"{folder.name}: runs", flush=True)
      ordinary = recipe({}, _NETWORK.value, _START.value, seed, _DATA_DIR.value)
      loop.train(ordinary, start, quiet=True)  # once: afterwards nothing is left to do
      changes = {"model.weights": str(start), "optimizer.learning_rate": _RATE}
      config = recipe(
        {**changes, **COMBINATIONS[name]}, _NETWORK.value, _EPOCHS.value, seed, _DATA_DIR.value
      )
      scored = run(config, folder, _LIMIT.value)
    found.setdefault(name, []).append(scored)
    jax.clear_caches()  # the programs of one combination are of no use to the next
    files.write_text(workdir / "table.md", to_markdown(found))
  print(to_markdown(found))


if __name__ == "__main__":
  cli.run(main, FLAGS)
