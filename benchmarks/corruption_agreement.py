"""Does a network make the same errors on our corruptions as on the benchmark generator's own, of
the same images?

    python -m benchmarks.corruption_agreement --workdir RUN --aligned FILE.npz

RUN is a trained CIFAR-10 run. The file holds `clean` [N, 32, 32, 3], `labels` [N] and, per
corruption, the generator's output on them [5, N, 32, 32, 3]. Prints the mean error per corruption
on theirs and on ours, averaged over several draws of ours; exits with 1 if the overall means differ
by 2 points or more.
"""

import argparse
import sys

import jax
import numpy as np

import apr_jax
from apr_jax import corruptions

BAR = 2.0  # points


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
  parser.add_argument("--workdir", required=True, help="folder of a trained CIFAR-10 run")
  parser.add_argument(
    "--aligned",
    required=True,
    metavar="FILE.npz",
    help=(
      "clean uint8 [N, 32, 32, 3], labels [N] and, under each corruption's name, the generator's "
      "output uint8 [5, N, 32, 32, 3]"
    ),
  )
  parser.add_argument("--draws", type=int, default=8, help="sets of ours to average over")
  arguments = parser.parse_args()

  classifier = apr_jax.load_classifier(arguments.workdir)
  with np.load(arguments.aligned) as aligned:
    clean, labels = aligned["clean"], aligned["labels"]
    theirs = {name: aligned[name] for name in corruptions.CORRUPTIONS}

  def error(images: np.ndarray) -> float:
    return 100 * float(np.mean(classifier.logits(images).argmax(1) != labels))

  print(f"clean error {error(clean):.1f} % on {len(labels)} images\n")
  print("| corruption | theirs, error % | ours, error % | difference |\n|---|---|---|---|")
  rows = {}
  for name in corruptions.CORRUPTIONS:
    generator = np.mean([error(theirs[name][severity - 1]) for severity in corruptions.SEVERITIES])
    ours = np.mean(
      [
        error(np.asarray(corruptions.corrupt(jax.random.key(draw), clean, name, severity)))
        for severity in corruptions.SEVERITIES
        for draw in range(arguments.draws)
      ]
    )
    rows[name] = generator, ours
    print(f"| {name} | {generator:.1f} | {ours:.1f} | {ours - generator:+.1f} |")
  generator, ours = np.mean(list(rows.values()), axis=0)
  passed = abs(ours - generator) < BAR
  verdict = "PASS" if passed else "FAIL"
  print(f"| mean | {generator:.2f} | {ours:.2f} | {ours - generator:+.2f}, {verdict} |")
  sys.exit(not passed)


if __name__ == "__main__":
  main()
