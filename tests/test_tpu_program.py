# ruff: noqa: E501 - the text is as XLA prints it
"""What benchmarks.tpu_program reads in a compiled program, on a short one written by hand."""

import importlib
import pathlib

import jax
import numpy as np
import pytest

from apr_jax import parallel

TEXT = """\
HloModule jit_step, is_scheduled=true, entry_computation_layout={()->f32[]}

%fused_read (param_0: u8[128,32], param_1: s32[256]) -> u8[256] {
  %param_0 = u8[128,32]{1,0} parameter(0)
  %param_1 = s32[256]{0} parameter(1)
  ROOT %gather.1 = u8[256]{0} gather(%param_0, %param_1), offset_dims={}, slice_sizes={1,1}, metadata={op_name="jit(step)/apr_s/vmap()/gather"}
}

%fused_count (param_0.1: s32[3,256], param_1.1: s32[1024], param_2.1: s32[1024]) -> s32[3,256] {
  %param_0.1 = s32[3,256]{1,0} parameter(0)
  %param_1.1 = s32[1024]{0} parameter(1)
  %param_2.1 = s32[1024]{0} parameter(2)
  ROOT %scatter.1 = s32[3,256]{1,0} scatter(%param_0.1, %param_1.1, %param_2.1), update_window_dims={}, to_apply=%add, metadata={op_name="jit(step)/apr_s/scatter-add"}
}

%fused_copy (param_0.2: f32[2,8]) -> f32[2,8] {
  %param_0.2 = f32[2,8]{1,0} parameter(0)
  ROOT %copy.1 = f32[2,8]{0,1} copy(%param_0.2)
}

%add (x: f32[], y: f32[]) -> f32[] {
  %x = f32[] parameter(0)
  %y = f32[] parameter(1)
  ROOT %sum = f32[] add(%x, %y)
}

%body (arg: (s32[], f32[8])) -> (s32[], f32[8]) {
  %arg = (s32[], /*index=1*/f32[8]{0}) parameter(0)
  %fusion.7 = f32[8]{0:T(8,128)(4,1)} fusion(%arg), kind=kLoop, calls=%add, metadata={op_name="jit(step)/crop_flip/gather"}, backend_config={"window_config":{"estimated_cycles":"100"}}
  ROOT %tuple.1 = (s32[], f32[8]{0}) tuple(%arg, %fusion.7)
}

%condition (arg.1: (s32[], f32[8])) -> pred[] {
  %arg.1 = (s32[], f32[8]{0}) parameter(0)
  %constant.1 = s32[]{:T(128)} constant(5)
  ROOT %less = pred[] compare(%arg.1, %constant.1), direction=LT
}

ENTRY %main.1 (a: f32[8], b: s32[256]) -> f32[] {
  %a = f32[8]{0} parameter(0)
  %while.1 = (s32[], /*index=1*/f32[8]{0}) while(%a), condition=%condition, body=%body, metadata={op_name="jit(step)/crop_flip/gather"}
  %fusion.1 = u8[256]{0} fusion(%a, %b), kind=kCustom, calls=%fused_read
  %fusion.2 = s32[3,256]{1,0} fusion(%a, %b, %b), kind=kCustom, calls=%fused_count
  %fusion.3 = f32[2,8]{1,0} fusion(%a), kind=kLoop, calls=%fused_copy, backend_config={"window_config":{"estimated_cycles":"30"}}
  %dot.1 = f32[8]{0} convolution(%a, %a), metadata={op_name="jit(step)/jvp(NormalisedNetwork)/network/conv"}, backend_config={"window_config":{"estimated_cycles":"2000"}}
  %dot.2 = f32[8]{0} convolution(%a, %a), metadata={op_name="jit(step)/transpose(jvp(NormalisedNetwork))/network/conv"}, backend_config={"window_config":{"estimated_cycles":"4000"}}
  %all-reduce.1 = (f32[8]{0}, bf16[4]{0}) all-reduce(%dot.2, %a), to_apply=%add, metadata={op_name="jit(step)/update/psum"}
  %updated = f32[8]{0} add(%a, %a), metadata={op_name="jit(step)/update/add"}, backend_config={"window_config":{"estimated_cycles":"70"}}
  %copy.2 = f32[8]{0} copy(%updated), backend_config={"window_config":{"estimated_cycles":"7"}}
  ROOT %result = f32[] add(%a, %a)
}
"""


@pytest.fixture
def load(monkeypatch):
  """Imports a file of benchmarks/, which is not part of the package."""
  monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parents[1]))
  return lambda name: importlib.import_module(f"benchmarks.{name}")


def test_cycles_go_to_their_parts_and_a_loop_counts_each_round(load):
  parts, text = load("tpu_parts"), load("tpu_text")
  by_part = parts.cycles(text.parse(TEXT))
  assert by_part == {
    "network, backward": 4000,
    "network, forward": 2000,
    "crop and flip": 5 * 100,
    "update": 70 + 7,  # and the copy of what it made
    "layout copies": 30,
  }
  assert parts.share_outside(by_part) == pytest.approx(530 / 6607)


def test_reads_collectives_and_loops(load):
  parts, text = load("tpu_parts"), load("tpu_text")
  program = text.parse(TEXT)
  found = [(read.opcode, read.part, read.count, read.slice_size) for read in parts.reads(program)]
  assert found == [("scatter", "apr_s", 1024, 1), ("gather", "apr_s", 256, 1)]
  assert all(read.single for read in parts.reads(program))
  assert parts.collectives(program) == [
    {
      "operation": "all-reduce",
      "times": 1,
      "bytes": 8 * 4 + 4 * 2,
      "op_name": "jit(step)/update/psum",
    }
  ]
  assert [loop["rounds"] for loop in parts.loops(program)] == [5]


def test_the_text_of_a_real_program_is_taken_apart(load):
  """XLA's own printing, of the CPU: names, loops and gathers are written as for a TPU."""
  parts, text = load("tpu_parts"), load("tpu_text")

  def function(x, index):
    with jax.named_scope("apr_s"):
      return jax.lax.fori_loop(0, 7, lambda _, y: y[index] * 2.0, x)

  arguments = np.zeros(300, np.float32), np.arange(300)
  program = text.parse(jax.jit(function).lower(*arguments).compile().as_text())
  assert [loop["rounds"] for loop in parts.loops(program)] == [7]
  (read,) = parts.reads(program)
  assert (read.opcode, read.count, read.slice_size, read.part) == ("gather", 7 * 300, 1, "apr_s")


def test_no_program_is_refused(load):
  with pytest.raises(ValueError, match="no compiled program"):
    load("tpu_text").parse("HloModule empty")


@pytest.mark.parametrize(
  "shape, size", [("f32[8,3]{1,0:T(8,128)}", 96), ("(bf16[4]{0}, pred[], s32[2])", 8 + 1 + 8)]
)
def test_bytes_of_shapes(load, shape, size):
  assert load("tpu_text").num_bytes(shape) == size


def test_a_step_is_lowered_for_devices_as_it_runs_on_them():
  def step(state, x, shard):
    return state + jax.lax.psum(x * (shard + 1), parallel.AXIS), {}

  state, x = np.ones((2, 3), np.float32), np.arange(24, dtype=np.float32).reshape(4, 2, 3)
  lowered = parallel.lower_step(step, jax.devices(), state, (x,), split_inputs=True)
  assert "all-reduce" in lowered.compile().as_text()
  mapped = parallel.ParallelStep(step, num_inputs=1, split_inputs=True)
  new, _ = mapped(parallel.replicate(state), parallel.split(x.reshape(8, 3)))
  np.testing.assert_array_equal(new, 1 + x[0] + 2 * x[1] + 3 * x[2] + 4 * x[3])


def test_collectives_of_a_lowered_program(load):
  def step(state, x, shard):
    return jax.lax.pmean((state, x.sum(0)), parallel.AXIS), {
      "n": jax.lax.psum(1.0 * shard, "devices")
    }

  arguments = np.ones((2, 5), np.float32), (np.ones((4, 8, 3), np.float32),)
  lowered = parallel.lower_step(step, jax.devices(), *arguments, split_inputs=True)
  found = load("collectives").collectives(lowered.as_text())
  assert {(of.kind, of.devices) for of in found} == {("all_reduce", 4)}
  assert sum(of.bytes for of in found) == 4 * (2 * 5 + 3 + 1)


def test_bytes_that_a_collective_sends(load):
  def step(state, x, shard):
    halves = [[0, 1], [2, 3]]
    gathered = jax.lax.all_gather(x, parallel.AXIS, axis_index_groups=halves, tiled=True)
    return state + jax.lax.psum(x.sum() + gathered.sum(), parallel.AXIS), {}

  arguments = np.float32(1), (np.ones((4, 8, 3), np.float32),)
  lowered = parallel.lower_step(step, jax.devices(), *arguments, split_inputs=True)
  found = {of.kind: of for of in load("collectives").collectives(lowered.as_text())}
  # To the other device of the pair, all rows; a ring of four sends each sum there and back.
  assert found["all_gather"] == ("all_gather", 8 * 3 * 4, 2) and found["all_gather"].sent == 96
  assert found["all_reduce"] == ("all_reduce", 4, 4) and found["all_reduce"].sent == 6
