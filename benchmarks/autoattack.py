"""AutoAttack here beside the package of the paper's authors: what it costs, and what it finds.

    python -m benchmarks.autoattack [--model wide_resnet_40_2] [--images 16]
    python -m benchmarks.autoattack --workdir runs/digits_fgsm --images 100 --epsilon 16

Without a run it is the cost per standing image, beside the model of its passes
(autoattack_cost.py); with one it is the verdict on the run's network beside that of the package
(autoattack_verdict.py), which needs `pip install pyautoattack` and PyTorch. On CPU everything runs
in one thread, and CPU time is counted. `--json FILE` keeps the numbers.
"""

import argparse
import json
import os
import pathlib
import sys

# Before JAX starts its threads; means nothing on a GPU.
os.environ["XLA_FLAGS"] = (
  "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1 "
  + os.environ.get("XLA_FLAGS", "")
)


def main() -> int:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument(
    "--model", default="wide_resnet_40_2", help="a network of apr_jax/models/zoo.py"
  )
  parser.add_argument(
    "--images", type=int, default=16, help="in one batch; with --workdir: test images, 0 = all"
  )
  parser.add_argument("--iterations", type=int, default=3, help="of the shorter run")
  parser.add_argument("--queries", type=int, default=10, help="of the shorter run")
  parser.add_argument("--workdir", help="of a trained run")
  parser.add_argument("--epsilon", type=float, default=8, help="with --workdir: in levels of 255")
  parser.add_argument("--batch_size", type=int, default=100, help="with --workdir")
  parser.add_argument("--seeds", default="0,1,2", help="with --workdir: of the package")
  parser.add_argument("--parallel", type=int, default=1, help="with --workdir: processes at once")
  parser.add_argument("--json", type=pathlib.Path, help="file for the numbers")
  arguments = parser.parse_args()

  def keep(found: dict) -> None:
    if arguments.json:
      arguments.json.write_text(json.dumps(found, indent=1) + "\n")

  if arguments.workdir:
    from benchmarks.autoattack_verdict import compare

    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    compare(
      arguments.workdir,
      arguments.images,
      arguments.epsilon / 255,
      arguments.batch_size,
      seeds,
      arguments.parallel,
      keep,
    )
  else:
    from benchmarks.autoattack_cost import measure

    keep(measure(arguments.model, arguments.images, arguments.iterations, arguments.queries))
  return 0


if __name__ == "__main__":
  sys.exit(main())
