"""CSI's views, by pictures whose rotation can be seen; its loss against a slow one in NumPy; its
heads, and the two stages of its training.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from apr_jax import losses, models
from apr_jax.augment.csi import csi_views
from apr_jax.classifiers.of_run import LoadedClassifier
from apr_jax.data import load
from apr_jax.errors import UserError
from apr_jax.models import NormalisedNetwork, contrastive
from tests.models.test_contrastive import Small

SIDE = 16
# One program for all tests.
views_of = jax.jit(csi_views, static_argnames="views")


def edges(view):
  """Which side of a picture is brightest: "top", "left", "bottom" or "right"."""
  grey = np.asarray(view).mean(-1)
  half = SIDE // 2
  return max(
    {
      "top": grey[:half].mean(),
      "left": grey[:, :half].mean(),
      "bottom": grey[half:].mean(),
      "right": grey[:, half:].mean(),
    }.items(),
    key=lambda item: item[1],
  )[0]


def test_views_are_turned_counterclockwise_and_mirrored_alike():
  # With an area of 1 the crop is the whole picture.
  top, left = np.zeros((2, 6, SIDE, SIDE, 3), np.uint8)
  top[:, : SIDE // 2], left[:, :, : SIDE // 2] = 200, 200
  views = views_of(jax.random.key(0), jnp.asarray(top), 2, 1.0)
  assert views.shape == (8, 6, SIDE, SIDE, 3) and views.min() >= 0 and views.max() <= 1
  turns = ["top", "top", "left", "left", "bottom", "bottom", "right", "right"]
  assert [[edges(view) for view in of] for of in views] == [[turn] * 6 for turn in turns]
  # A mirror exchanges left and right before the rotation.
  plain = ["left", "bottom", "right", "top"]
  mirrored = ["right", "top", "left", "bottom"]
  views = views_of(jax.random.key(0), jnp.asarray(left), 2, 1.0)
  seen = []
  for view in range(2):
    for image in range(6):
      found = [edges(views[2 * rotation + view, image]) for rotation in range(4)]
      assert found in (plain, mirrored)
      seen.append(found == plain)
  assert 0 < sum(seen) < len(seen)


def test_each_row_is_augmented_on_its_own():
  images = jnp.asarray(np.random.RandomState(0).randint(0, 256, (6, SIDE, SIDE, 3)), jnp.uint8)
  views = np.asarray(views_of(jax.random.key(1), images, 2, 0.08))
  back = [
    np.rot90(views[2 * rotation + view], -rotation, (1, 2))
    for rotation in range(4)
    for view in range(2)
  ]
  for one in range(8):
    for other in range(one):
      assert np.abs(back[one] - back[other]).mean() > 0.01
  order = jnp.array([1, 2, 5, 0, 4, 3])
  moved = views_of(jax.random.key(1), images[order], 2, 0.08, positions=order)
  np.testing.assert_allclose(moved, views[:, order], atol=1e-6)
  fewer = csi_views(jax.random.key(1), images[1:3], 2, positions=order[:2])
  np.testing.assert_allclose(fewer, views[:, 1:3], atol=1e-6)
  with pytest.raises(UserError, match=r"must be square, got \[8, 6\] pixels"):
    csi_views(jax.random.key(0), jnp.zeros((1, 8, 6, 3), jnp.uint8))


ROTATIONS = (0, 0, 1, 1, 2, 2, 3, 3)
RANDOM = np.random.RandomState(2)
LABELS = np.array([2, 0, 2, 1, 0])
PROJECTION = RANDOM.normal(size=(8, 5, 6)).astype(np.float32)
PROJECTION /= np.linalg.norm(PROJECTION, axis=-1, keepdims=True)
LOGITS, TURNS, JOINT = (RANDOM.normal(size=(8, 5, k)).astype(np.float32) for k in (3, 4, 12))


def slow_heads():
  def cross_entropy(logits, label):
    return special.logsumexp(logits) - logits[label]

  upright = [
    cross_entropy(LOGITS[view, image], LABELS[image])
    for view in range(8)
    for image in range(5)
    if ROTATIONS[view] == 0
  ]
  turned = [cross_entropy(TURNS[view, i], ROTATIONS[view]) for view in range(8) for i in range(5)]
  both = [
    cross_entropy(JOINT[view, i], LABELS[i] + 3 * ROTATIONS[view])
    for view in range(8)
    for i in range(5)
  ]
  return np.mean(upright) + np.mean(turned) + np.mean(both)


def slow_contrast(temperature):
  rows = [
    (PROJECTION[view, image], LABELS[image] + 10 * ROTATIONS[view])
    for view in range(8)
    for image in range(5)
  ]
  total = 0.0
  for i, (z, label) in enumerate(rows):
    others = [j for j in range(len(rows)) if j != i]
    denominator = special.logsumexp([z @ rows[j][0] / temperature for j in others])
    positives = [z @ rows[j][0] / temperature for j in others if rows[j][1] == label]
    total -= np.mean([similarity - denominator for similarity in positives])
  return total / len(rows)


def test_the_loss_against_a_slow_one():
  outputs = losses.Outputs(LOGITS, PROJECTION, rotation_logits=TURNS, joint_logits=JOINT)
  targets = np.eye(3, dtype=np.float32)[LABELS]
  found = losses.csi_loss(outputs, targets, ROTATIONS, 0.3)
  np.testing.assert_allclose(found, slow_heads() + slow_contrast(0.3), rtol=1e-5)
  alone = losses.csi_loss(outputs._replace(projection=None), targets, ROTATIONS, 0.3)
  np.testing.assert_allclose(alone, slow_heads(), rtol=1e-5)


def test_the_ensemble_is_the_mean_over_rotations_of_their_own_logits():
  def make(**keywords):
    network = contrastive.Contrastive(Small(0), 3, rotations=True, **keywords)
    return NormalisedNetwork(network, (0.5,) * 3, (0.5,) * 3)

  images = np.random.RandomState(3).rand(2, 8, 8, 3).astype(np.float32)
  variables = make().init(jax.random.key(0), images)
  assert jax.tree.structure(variables) == jax.tree.structure(
    make(ensemble=True).init(jax.random.key(0), images)
  )
  found = make(ensemble=True).apply(variables, images)

  joint = variables["params"]["network"]["fc_joint"]
  total = 0
  for rotation in range(4):
    turned = np.rot90(images, rotation, (1, 2))
    # The features are the means of the last map, which a network without heads gives.
    small = NormalisedNetwork(Small(0), (0.5,) * 3, (0.5,) * 3)
    inner = {
      "params": {"network": variables["params"]["network"]["network"]},
      "batch_stats": {"network": variables["batch_stats"]["network"]["network"]},
    }
    logits = small.apply(inner, turned) @ joint["kernel"] + joint["bias"]
    total = total + logits[:, 3 * rotation : 3 * rotation + 3] / 4
  np.testing.assert_allclose(found, total, rtol=1e-4, atol=1e-6)
  # A frozen network is in inference, and has no projection.
  frozen, updates = make(frozen=True).apply(variables, images, train=True, mutable=["batch_stats"])
  assert frozen.projection is None and frozen.joint_logits.shape == (2, 12)
  np.testing.assert_allclose(frozen.logits, make().apply(variables, images), rtol=1e-5)
  kept, before = updates["batch_stats"], variables["batch_stats"]
  assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), kept, before)))


@pytest.mark.slow
def test_two_stages_on_digits(tmp_path, monkeypatch):
  from apr_jax.training import loop
  from configs import cifar10_csi, cifar10_csi_network

  monkeypatch.setitem(models.NETWORKS, "small", Small)

  def train(config, folder, **changes):
    config.update_from_flattened_dict(
      {
        "data.name": "digits",
        "data.limit": 64,
        "data.image_size": 8,
        "model.name": "small",
        "epochs": 2,
        "batch_size": 16,
        "schedule.warmup_epochs": 0.0,
        "eval_every_epochs": 0,
        "optimizer.learning_rate": 0.5,
        "augment.csi.min_area": 0.5,
        **changes,
      }
    )
    loop.train(config, str(tmp_path / folder), quiet=True)
    return LoadedClassifier(tmp_path / folder)

  first = train(cifar10_csi_network.get_config(), "first")
  second = train(cifar10_csi.get_config(), "second", **{"model.weights": str(tmp_path / "first")})
  moved = {
    jax.tree_util.keystr(path): not np.array_equal(a, b)
    for (path, a), b in zip(
      jax.tree.leaves_with_path(first.variables), jax.tree.leaves(second.variables)
    )
  }
  heads = {name for name in moved if "'fc" in name}
  assert len(heads) == 6 and {name for name in moved if moved[name]} == heads
  images = load("digits", "test", image_size=8).images[:20]
  ensemble = LoadedClassifier(tmp_path / "second", ensemble=True)
  assert ensemble.fingerprint != second.fingerprint and ensemble.name.endswith("rotations")
  assert ensemble.logits(images).shape == (20, 10)
  assert not np.allclose(ensemble.logits(images), second.logits(images))
  with pytest.raises(UserError, match="an ensemble of four rotations, which has no features"):
    _ = ensemble.features
  assert second.features(images).shape == (20, 64)


def test_what_has_no_rotations_has_no_ensemble(run):
  with pytest.raises(UserError, match="has no head for the rotations"):
    LoadedClassifier(run, ensemble=True)
