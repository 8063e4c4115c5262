"""A layer's convolution and its gradients in PyTorch, in the memory format channels last."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.harness.convolution_layers import Layer


def calls(
    layer: Layer, images: np.ndarray, kernel: np.ndarray, change: np.ndarray
) -> dict[str, Callable[[], Any]]:
    """The calls of `benchmarks.harness.convolution_calls`, with their results laid out as there.

    Args:
        layer: the shapes.
        images: NHWC.
        kernel: HWIO.
        change: of the outcome, NHWC.

    Returns:
        By task a function that returns arrays: NHWC and HWIO again.
    """
    spread = layer.spread > 1
    before, behind = layer.padding
    padding = layer.side - 1 - before if spread else before
    step = layer.spread if spread else layer.stride
    # A transposed convolution is stated as the gradient of another one: its kernel is turned.
    turned = kernel[::-1, ::-1].transpose(2, 3, 0, 1) if spread else kernel.transpose(3, 2, 0, 1)
    x, w, g = (
        torch.from_numpy(np.ascontiguousarray(value)).contiguous(memory_format=torch.channels_last)
        for value in (images.transpose(0, 3, 1, 2), turned, change.transpose(0, 3, 1, 2))
    )
    further = [behind - before] * 2 if spread else [0, 0]

    @torch.inference_mode()
    def forward():
        if spread:
            return functional.conv_transpose2d(
                x, w, stride=step, padding=padding, output_padding=further[0]
            )
        return functional.conv2d(x, w, stride=step, padding=padding)

    def backward(to_images, to_kernel):
        return torch.ops.aten.convolution_backward(
            g,
            x,
            w,
            None,
            [step] * 2,
            [padding] * 2,
            [1, 1],
            spread,
            further,
            1,
            [to_images, to_kernel, False],
        )

    return {
        "forward": forward,
        "to images": lambda: backward(True, False)[0],
        "to kernel": lambda: backward(False, True)[1],
        "backward": lambda: backward(True, True)[:2],
    }


def as_arrays(layer: Layer, task: str, result: Any) -> list[np.ndarray]:
    """A call's result as JAX has it: images NHWC, the kernel HWIO.

    Args:
        layer: the shapes.
        task: which call.
        result: what it returned.

    Returns:
        One array, or two for `backward`.
    """
    parts = list(result) if task == "backward" else [result]
    found = []
    for place, part in enumerate(parts):
        if task == "to kernel" or (task == "backward" and place == 1):
            array = part.permute(2, 3, 1, 0) if layer.spread == 1 else part.permute(2, 3, 0, 1)
            found.append(array.flip(0, 1).numpy() if layer.spread > 1 else array.numpy())
        else:
            found.append(part.permute(0, 2, 3, 1).numpy())
    return found
