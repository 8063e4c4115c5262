"""Which code XLA calls for the convolutions and products of a compiled program.

On CPUs the same program may go to YNNPACK, to oneDNN or to Eigen, by the version, the processor and
the flags, and their speeds differ several times over. The optimised program says which.
"""

import os
import re
from collections import Counter

EIGEN_FLAG = "--xla_cpu_experimental_ynn_fusion_type=-individual_convolution"
"""Value of XLA_FLAGS that keeps convolutions from YNNPACK."""

COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.-]+) \(.*\{$")
OPERATION = re.compile(r"= \S+ (convolution|dot)\(")
LIBRARY_CALL = re.compile(r'custom_call_target="(__\w+)\$\w*?(conv|matmul|gemm)')
FUSION = re.compile(r'calls=%?([\w.-]+),.*"kind":"(__\w+_fusion)"')
FUSED = {"__ynn_fusion": "YNNPACK", "__xnn_fusion": "XNNPACK", "__onednn_fusion": "oneDNN"}
CALLED = {"__onednn": "oneDNN", "__cudnn": "cuDNN", "__cublas": "cuBLAS"}
REST = "Eigen"
"""Who does, on a CPU, what is in no fusion and no library call."""


def paths(program: str) -> dict[str, dict[str, int]]:
    """How many convolutions and products a program has, by who computes them.

    Args:
        program: text of the optimised program, from `compiled.as_text()`.

    Returns:
        For `convolution` and `dot` the number of each by name: "YNNPACK", "oneDNN", "Eigen" and so
        on; what XLA calls by a name that is not known here has that name.
    """
    lines = program.splitlines()
    fusions = {found[1]: found[2] for line in lines if (found := FUSION.search(line))}
    counts = {"convolution": Counter(), "dot": Counter()}
    computation = ""
    for line in lines:
        if found := COMPUTATION.match(line):
            computation = found[1]
        elif found := OPERATION.search(line):
            kind = fusions.get(computation, REST)
            counts[found[1]][FUSED.get(kind, kind)] += 1
        elif found := LIBRARY_CALL.search(line):
            what = "convolution" if found[2] == "conv" else "dot"
            counts[what][CALLED.get(found[1], found[1])] += 1
    return {what: dict(count) for what, count in counts.items()}


def convolution_path() -> dict[str, str]:
    """What this process' XLA calls for a convolution of 64 to 64 channels and for its gradients.

    Returns:
        By `forward`, `to images` and `to kernel` the name, and under `XLA_FLAGS` the flags in
        force.
    """
    import jax
    import jax.numpy as jnp

    images, kernel = jnp.zeros((2, 32, 32, 64)), jnp.zeros((3, 3, 64, 64))
    layout = ("NHWC", "HWIO", "NHWC")

    def forward(images, kernel):
        return jax.lax.conv_general_dilated(
            images, kernel, (1, 1), "SAME", dimension_numbers=layout
        )

    def to_images(change, kernel):
        return jax.linear_transpose(lambda images: forward(images, kernel), images)(change)

    def to_kernel(change, images):
        return jax.linear_transpose(lambda kernel: forward(images, kernel), kernel)(change)

    found = {"XLA_FLAGS": os.environ.get("XLA_FLAGS", "")}
    for name, function, operands in (
        ("forward", forward, (images, kernel)),
        ("to images", to_images, (images, kernel)),
        ("to kernel", to_kernel, (images, images)),
    ):
        program = jax.jit(function).lower(*operands).compile().as_text() or ""
        counts = paths(program)
        found[name] = " and ".join(counts["convolution"] or counts["dot"]) or "unknown"
    return found
