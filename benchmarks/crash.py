"""The crash matrix: what is lost when trainings, evaluations, attacks, reports, sweeps and studies
are killed, stopped, run out of disk, may not write, find their files damaged, or are started
twice.

    python -m benchmarks.crash [--kills 100] [--evaluations 30] [--sweeps 30] [--only ROWS]

Kills are SIGKILL at random moments, of real processes that do the work of the commands themselves.
After them the same command is started again, and what it ends with is compared with what an
uninterrupted one ends with: parameters and optimizer bit by bit, metrics.jsonl but for the speed,
results.json as a whole. Disks are filled in a tmpfs, which only root may mount; elsewhere those
rows are left out. The exit code is 1 if anything was lost.
"""

import collections
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

# What the processes need is imported before they are forked, and no device is opened.
import matplotlib.figure  # noqa: F401
import ml_collections.config_flags  # noqa: F401
import sklearn.datasets
import sklearn.metrics
import sklearn.model_selection  # noqa: F401
from absl import flags

import apr_jax.report.write
import apr_jax.studies.names
import apr_jax.sweep.run_all
import apr_jax.training.loop  # noqa: F401
from apr_jax import cli
from apr_jax.errors import UserError
from apr_jax.run import checkpoint
from apr_jax.run.metrics import read_metrics
from benchmarks import crash_damage
from benchmarks.crash_processes import ROOT, Ended, Process
from benchmarks.crash_state import digest_of_run

FLAGS = flags.FlagValues()
_KILLS = flags.DEFINE_integer("kills", 100, "Of trainings.", flag_values=FLAGS)
_EPOCHS = flags.DEFINE_integer("epochs", 150, "Of those trainings.", flag_values=FLAGS)
_EVALUATIONS = flags.DEFINE_integer("evaluations", 30, "Kills of evaluations.", flag_values=FLAGS)
_SWEEPS = flags.DEFINE_integer("sweeps", 30, "Kills of sweeps.", flag_values=FLAGS)
_OTHERS = flags.DEFINE_integer("others", 10, "Of all other cases, each.", flag_values=FLAGS)
_ONLY = flags.DEFINE_list("only", [], "Rows, by their first word; default: all.", flag_values=FLAGS)
_SEED = flags.DEFINE_integer("seed", 0, "Of the moments.", flag_values=FLAGS)

CONFIG = "benchmarks/crash_config.py"
ATTACKS = (
  "--suites=pgd,autoattack",
  "--option=autoattack.images=8",
  "--option=autoattack.version=custom",
  "--option=autoattack.attacks=('square',)",
  "--option=pgd.images=8",
)
SCORES = ("--suites=clean,corruptions,calibration,ood",)
Command = Sequence[str]


class Bench:
  """Runs commands and collects the rows of the table.

  Attributes:
    folder: where all of it happens.
    rows: (what, times, what was lost, how it went on).
    lost: how often something was.
  """

  def __init__(self, folder: pathlib.Path, seed: int):
    self.folder = folder
    self.random = random.Random(seed)
    self.rows: list[tuple[str, int, str, str]] = []
    self.lost = 0
    self._number = 0

  def start(self, command: Command) -> Process:
    return Process(command, self.folder / "log")

  def finish(self, command: Command) -> Ended:
    """Runs a command to its end, which must be good."""
    ends = time.monotonic() + 120
    while is_held(ended := self.start(command).wait()) and time.monotonic() < ends:
      time.sleep(1)
    if ended.code:
      raise SystemExit(f"{' '.join(command)} ended with {ended.code}: {ended.err}")
    return ended

  def new(self, name: str) -> pathlib.Path:
    self._number += 1
    return self.folder / f"{name}{self._number}"

  def row(self, what: str, times: int, same: bool, lost: str, recovered: str) -> None:
    self.lost += not same
    self.rows.append((what, times, lost if same else f"DIFFERENT: {lost}", recovered))
    print(f"| {' | '.join(map(str, self.rows[-1]))} |", flush=True)

  def digest(self, run: pathlib.Path) -> str:
    """Of a run's last state and metrics; computed in a process, for this one opens no device."""
    ended = Process(lambda: print(digest_of_run(run)), self.folder / "digest").wait()
    return ended.out.strip() if not ended.code else f"unreadable: {ended.line}"


def is_held(ended: Ended) -> bool:
  """Whether a process was refused, for one that was killed has not let go of the folder yet."""
  return ended.code == 2 and " at work in " in ended.err


def train(run: pathlib.Path, epochs: int = 12, *more: str) -> Command:
  return [
    "train.py",
    f"--config={CONFIG}",
    f"--workdir={run}",
    f"--config.epochs={epochs}",
    *more,
  ]


def evaluate(run: pathlib.Path, out: pathlib.Path, *more: str) -> Command:
  return ["evaluate.py", f"--workdir={run}", "--limit=20", f"--out={out}", *more]


def sweep(folder: pathlib.Path) -> Command:
  return [
    *("-m", "apr_jax.sweep", f"--configs={CONFIG}", f"--workdir={folder}"),
    *("--seeds=0,1", "--suites=clean", "--set=epochs=4"),
  ]


def study(folder: pathlib.Path, run: pathlib.Path) -> Command:
  return [
    *("-m", "apr_jax.studies", "swap", "--quick"),
    *(f"--runs={run}", f"--workdir={folder}", "--option=limit=20"),
  ]


def results(out: pathlib.Path) -> object:
  """results.json but for how long attacks took, of which its digest is made too."""
  found = json.loads((out / "results.json").read_text())
  del found["meta"]["digest"]
  return {
    suite: {key: value for key, value in summary.items() if key != "seconds"}
    for suite, summary in found.items()
  }


def outcome(folder: pathlib.Path) -> object:
  """What a study or a sweep ends with."""
  if (folder / "study.json").exists():
    return json.loads((folder / "study.json").read_text())
  runs = sorted(folder.glob("*/eval/results.json"))
  return [
    {key: value for key, value in json.loads(file.read_text()).items() if key != "meta"}
    for file in runs
  ]


# ---- Kills ----


def kill_trainings(bench: Bench, kills: int, epochs: int) -> None:
  whole = bench.new("whole")
  process = bench.start(train(whole, epochs))
  process.wait_for(lambda: bool(read_metrics(whole / "metrics.jsonl")))
  start_takes = time.monotonic() - process.started
  process.wait()
  expected = bench.digest(whole)
  steps_lost: list[int] = []
  in_write = finished = done = 0
  same = True
  run = bench.new("killed")
  while done < kills:
    process = bench.start(train(run, epochs))
    seconds = bench.random.uniform(0.1, 2.5 * start_takes)
    if done % 4 == 3:  # in the write of a checkpoint, whose folder has another name until it counts
      process.wait_for(lambda s=seconds, p=process: time.monotonic() > p.started + s)
      process.wait_for(lambda r=run: any(r.glob("checkpoints/*tmp*")), 20)
      seconds = 0.0
    killed = process.kill_after(seconds)
    process.wait()
    if killed:
      done += 1
      in_write += any(run.glob("checkpoints/*tmp*"))
      logged = [line["step"] for line in read_metrics(run / "metrics.jsonl")]
      kept = checkpoint.sound_step(run) or 0
      steps_lost.append(max([kept, *logged]) - kept)
    if not killed or done == kills:
      bench.finish(train(run, epochs))
      finished += 1
      same &= bench.digest(run) == expected
      run = bench.new("killed")
  bench.row(
    f"training: kill -9, {in_write} of them in a checkpoint's write",
    kills,
    same,
    f"steps done again: {sum(steps_lost) / kills:.1f} on average, {max(steps_lost)} at most",
    f"{finished} training(s) of {8 * epochs} steps end bitwise as the uninterrupted one",
  )


def kill_resumable(
  bench: Bench,
  what: str,
  kills: int,
  command: Callable[[pathlib.Path], Command],
  ends_with: Callable[[pathlib.Path], object],
  begin: Callable[[pathlib.Path], bool] = lambda out: True,
) -> None:
  """Kills a command at random moments, and compares what it ends with.

  Args:
    bench: the bench.
    what: name of the row.
    kills: how many.
    command: of a folder.
    ends_with: what is compared, of a folder.
    begin: from when on it is killed.
  """
  reference = bench.new(what)
  bench.finish(command(reference))
  again = bench.new(what)
  started = time.monotonic()
  bench.finish(command(again))  # nothing is compiled for the first time
  took = time.monotonic() - started
  expected = ends_with(reference)
  same = ends_with(again) == expected
  done = finished = 0
  parts_lost = 0
  out = bench.new(what)
  while done < kills:
    process = bench.start(command(out))
    process.wait_for(lambda o=out: begin(o))
    now = time.monotonic() - process.started
    killed = process.kill_after(now + bench.random.uniform(0, max(0.3, took - now)))
    if is_held(process.wait()):
      continue
    before = parts_of(out)
    done += killed
    if not killed or done == kills:
      bench.finish(command(out))
      finished += 1
      same &= ends_with(out) == expected
      parts_lost += len(before - parts_of(out))
      out = bench.new(what)
  bench.row(
    f"{what}: kill -9",
    kills,
    same and not parts_lost,
    "no finished part",
    f"{finished} of them brought to their end, with the results of an uninterrupted one",
  )


def parts_of(folder: pathlib.Path) -> set[str]:
  """The whole lines of finished parts."""
  lines = [line for file in folder.glob("**/parts-*.jsonl") for line in file.open()]
  return {line for line in lines if line.endswith("\n")}


# ---- Signals, disks, second processes ----


def stop_by_sigterm(bench: Bench, run: pathlib.Path, times: int) -> None:
  whole = bench.new("whole")
  bench.finish(train(whole, 40))
  expected, codes, same = bench.digest(whole), collections.Counter[int](), True
  for _ in range(times):
    stopped = bench.new("stopped")
    process = bench.start(train(stopped, 40))
    process.wait_for(lambda s=stopped: bool(read_metrics(s / "metrics.jsonl")))
    time.sleep(bench.random.uniform(0, 0.8))
    process.send(signal.SIGTERM)
    ended = process.wait()
    codes[ended.code] += 1
    lost = max([0, *(line["step"] for line in read_metrics(stopped / "metrics.jsonl"))])
    same &= ended.code == 0 or lost == (checkpoint.latest_step(stopped) or 0)
    bench.finish(train(stopped, 40))
    same &= bench.digest(stopped) == expected
  bench.row("training: SIGTERM", times, same, "no step", f"exit codes {dict(codes)}, same command")
  for what, command, ends_with in commands(run):
    reference, out = bench.new(what), bench.new(what)
    bench.finish(command(reference))
    process = bench.start(command(out))
    process.wait_for(lambda o=out: any(o.glob("**/*.json*")))
    time.sleep(bench.random.uniform(0, 0.5))
    process.send(signal.SIGTERM)
    ended = process.wait()
    bench.finish(command(out))
    same = ends_with(out) == ends_with(reference)
    bench.row(f"{what}: SIGTERM", 1, same, "no finished part", f"exit code {ended.code}")


def commands(
  run: pathlib.Path,
) -> list[tuple[str, Callable[[pathlib.Path], Command], Callable[[pathlib.Path], object]]]:
  """(name, command of a folder, what is compared) of what stands on a trained run."""
  return [
    ("evaluation", lambda out: evaluate(run, out, "--suites=clean,ood"), results),
    ("sweep", sweep, outcome),
    ("study", lambda out: study(out, run), outcome),
  ]


@contextlib.contextmanager
def small_disk(folder: pathlib.Path, size: int) -> Iterator[None]:
  """A tmpfs of so many bytes."""
  folder.mkdir(exist_ok=True)
  subprocess.run(
    ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)],
    check=True,
    capture_output=True,
  )
  try:
    yield
  finally:
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_disks(bench: Bench, run: pathlib.Path, times: int) -> None:
  """Each command on a disk with less and less room; then there is room, and it goes on."""
  disk, size = bench.folder / "disk", 4 * 2**20
  all_commands = [
    ("training", train, bench.digest),
    *commands(run),
    ("evaluation with report", lambda out: evaluate(run, out, *SCORES), results),
  ]
  for what, command, ends_with in all_commands:
    reference = bench.new("reference")
    bench.finish(command(reference))
    needed = sum(file.stat().st_size for file in reference.rglob("*") if file.is_file())
    expected, full, said, same = ends_with(reference), 0, set[str](), True
    for number in range(times):
      with small_disk(disk, size):
        ballast = disk / "ballast"
        room = needed * number // times
        ballast.write_bytes(bytes(max(0, size - room - 2**14)))
        ended = bench.start(command(disk / "out")).wait()
        full += ended.code != 0
        one = len(ended.err.splitlines()) == 1 or what == "sweep"
        # A sweep ends with 1 where its runs have failed, and with 2 where its table has.
        same &= ended.code in ((0, 1, 2) if what == "sweep" else (0, 2)) and (one or not ended.code)
        said.add(ended.line.partition(":")[2].partition(":")[2].partition(";")[0].strip())
        ballast.unlink()
        bench.finish(command(disk / "out"))
        same &= ends_with(disk / "out") == expected
    told = "; ".join(sorted(said - {""}))
    bench.row(f"{what}: full disk", times, same, "nothing", f"{full} were refused ({told})")


def forbid_writing(bench: Bench, run: pathlib.Path) -> None:
  disk = bench.folder / "disk"
  for what, command, _ in [("training", train, None), *commands(run)]:
    with small_disk(disk, 2**20):
      subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
      ended = bench.start(command(disk / "out")).wait()
    one = ended.code == 2 and len(ended.err.splitlines()) == 1
    bench.row(f"{what}: read-only folder", 1, one, "nothing", f"exit code {ended.code}, one line")


def start_twice(bench: Bench, run: pathlib.Path) -> None:
  for what, command, ends_with in [
    ("training", lambda o: train(o, 60), bench.digest),
    *commands(run),
  ]:
    reference, out = bench.new("reference"), bench.new("twice")
    bench.finish(command(reference))
    first = bench.start(command(out))
    first.wait_for(lambda o=out: any(o.rglob("*.json*")) or any(o.rglob("log.txt")))
    first.send(signal.SIGSTOP)  # so that it is at work as long as the second one starts
    second = Process(command(out), bench.folder / "second").wait()
    first.send(signal.SIGCONT)
    ended = first.wait()
    same = ended.code == 0 and ends_with(out) == ends_with(reference)
    one = second.code == 2 and len(second.err.splitlines()) == 1
    bench.row(
      f"{what}: two processes in one folder", 1, same and one, "nothing", "the second is refused"
    )


def main() -> None:
  with tempfile.TemporaryDirectory(prefix="apr_jax_crash_") as folder:
    bench = Bench(pathlib.Path(folder), _SEED.value)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(bench.folder / "compiled")
    run = bench.new("run")
    bench.finish(train(run))
    few = _OTHERS.value

    def has_results(out: pathlib.Path) -> bool:
      with contextlib.suppress(OSError, ValueError):
        return {"clean", "ood"} <= json.loads((out / "results.json").read_text()).keys()
      return False

    def scored(out: pathlib.Path) -> Command:
      return evaluate(run, out, "--suites=clean,ood")

    def with_report(out: pathlib.Path) -> object:
      return results(out), (out / "report.html").read_text()

    cases: dict[str, Callable[[], None]] = {
      "training": lambda: kill_trainings(bench, _KILLS.value, _EPOCHS.value),
      "evaluation": lambda: kill_resumable(
        bench, "evaluation", _EVALUATIONS.value, lambda out: evaluate(run, out, *SCORES), results
      ),
      "attack": lambda: kill_resumable(
        bench, "attack", few, lambda out: evaluate(run, out, *ATTACKS), results
      ),
      "report": lambda: kill_resumable(bench, "report", few, scored, with_report, has_results),
      "sweep": lambda: kill_resumable(bench, "sweep", _SWEEPS.value, sweep, outcome),
      "study": lambda: kill_resumable(bench, "study", few, lambda out: study(out, run), outcome),
      "sigterm": lambda: stop_by_sigterm(bench, run, few),
      "damage": lambda: crash_damage.damage_all(bench, run, few),
      "twice": lambda: start_twice(bench, run),
      "full": lambda: fill_disks(bench, run, few),
      "read-only": lambda: forbid_writing(bench, run),
    }
    unknown = set(_ONLY.value) - cases.keys()
    if unknown:
      raise UserError(f"unknown rows {', '.join(sorted(unknown))}; known: {', '.join(cases)}")
    print("| what happens | times | lost | how it goes on |\n|---|---|---|---|", flush=True)
    for name, case in cases.items():
      if name in ("full", "read-only") and not may_mount(bench.folder):
        print(f"{name}: left out, for no tmpfs can be mounted here", file=sys.stderr)
      elif not _ONLY.value or name in _ONLY.value:
        case()
    if bench.lost:
      print(f"{bench.lost} row(s) have lost something", file=sys.stderr)
      sys.exit(1)


def may_mount(folder: pathlib.Path) -> bool:
  try:
    with small_disk(folder / "try", 2**16):
      return True
  except (OSError, subprocess.CalledProcessError):
    return False


if __name__ == "__main__":
  os.chdir(ROOT)
  cli.run(main, FLAGS)
