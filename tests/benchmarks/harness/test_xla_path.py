"""Who computes a convolution is read from the compiled program."""

import os

import jax
import jax.numpy as jnp
import pytest

from benchmarks.harness.xla_path import convolution_path, paths

PROGRAM = """HloModule jit_f

%fused_computation (param_0: f32[2,8,8,4], param_1: f32[3,3,4,4]) -> f32[2,8,8,4] {
  %param_0 = f32[2,8,8,4]{3,2,1,0} parameter(0)
  ROOT %c.0 = f32[2,8,8,4]{3,2,1,0} convolution(%param_0, %param_1), window={size=3x3 pad=1_1x1_1}
}

%wrapped (param_0.3: f32[4,4]) -> f32[4,4] {
  ROOT %dot.9 = f32[4,4]{1,0} dot(%param_0.3, %param_0.3), lhs_contracting_dims={1}
}

ENTRY %main.1 (x.1: f32[2,8,8,4], w.1: f32[3,3,4,4]) -> f32[2,8,8,4] {
  %ynn_fusion = f32[2,8,8,4]{3,2,1,0} fusion(%x.1, %w.1), kind=kCustom, \
calls=%fused_computation, backend_config={"fusion_config":{"kind":"__ynn_fusion"}}
  %c.1 = f32[2,8,8,4]{3,2,1,0} convolution(%ynn_fusion, %w.1), window={size=3x3 pad=1_1x1_1}
  %c.2 = f32[2,8,8,4]{3,2,1,0} convolution(%c.1, %w.1), window={size=3x3 pad=1_1x1_1}
  %other = f32[4,4]{1,0} fusion(%a), kind=kLoop, calls=%wrapped
  %called = f32[4,4]{1,0} custom-call(%a), custom_call_target="__onednn$matmul"
  ROOT %conv = f32[2,8,8,4]{3,2,1,0} custom-call(%c.2), custom_call_target="__cudnn$convForward"
}
"""


@pytest.mark.fast
def test_operations_belong_to_the_library_that_their_computation_is_handed_to():
    assert paths(PROGRAM) == {
        "convolution": {"YNNPACK": 1, "Eigen": 2, "cuDNN": 1},
        "dot": {"Eigen": 1, "oneDNN": 1},
    }


def test_every_convolution_of_a_real_program_is_found():
    found = convolution_path()
    assert found.pop("XLA_FLAGS") == os.environ.get("XLA_FLAGS", "")
    assert set(found) == {"forward", "to images", "to kernel"} and "unknown" not in found.values()

    def twice(images, kernel):
        for _ in range(2):
            images = jax.lax.conv_general_dilated(
                images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        return images

    operands = jnp.zeros((2, 8, 8, 16)), jnp.zeros((3, 3, 16, 16))
    program = jax.jit(twice).lower(*operands).compile().as_text() or ""
    assert sum(paths(program)["convolution"].values()) == 2
