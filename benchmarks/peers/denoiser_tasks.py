"""What the comparison of denoisers' speed times, in PyTorch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.harness.denoisers import WEIGHT, jax_models, shots, unet
from benchmarks.harness.noise_flow import CAMERAS, ISOS, LEARNING_RATE
from benchmarks.peers import denoiser_torch, noiseflow_weights, unet_torch
from benchmarks.peers.noiseflow_torch import NoiseFlow


def torch_models(variables: Any, config: Any, kind: torch.memory_format) -> tuple[Any, Any]:
    """The peers of denoiser and noise flow, with the same weights.

    Args:
        variables: of Noise2NoiseFlow.
        config: its configuration.
        kind: memory format of the denoiser.

    Returns:
        Both modules.
    """
    denoiser, flow = denoiser_torch.DnCNN(), NoiseFlow(cameras=CAMERAS, isos=len(ISOS))
    denoiser_torch.copy_weights(variables["denoiser"], denoiser)
    noiseflow_weights.copy_weights(variables["noise_model"], config.noise_model, flow)
    return denoiser.to(memory_format=kind), flow  # pyright: ignore[reportCallIssue]


def torch_unet(variables: Any, kind: torch.memory_format) -> unet_torch.UNet:
    """The peer of a U-Net, with the same weights.

    Args:
        variables: of `jaxnoise.models.denoiser`.
        kind: memory format.

    Returns:
        The module.
    """
    network = unet_torch.UNet()
    unet_torch.copy_weights(variables, network)
    return network.to(memory_format=kind)  # pyright: ignore[reportCallIssue]


def torch_columns(batch: dict[str, Any], kind: torch.memory_format) -> tuple[Any, Any, tuple]:
    """The two shots, and camera, ISO and its index, as tensors.

    Args:
        batch: from `shots`.
        kind: memory format of the shots.

    Returns:
        Two tensors (N, C, H, W) and three (N,).
    """
    images = [
        torch.from_numpy(batch[name].transpose(0, 3, 1, 2).copy()).contiguous(memory_format=kind)
        for name in ("noisy1", "noisy2")
    ]
    return *images, tuple(torch.from_numpy(batch[name]) for name in ("camera", "iso", "iso_index"))


def torch_call(what: str, batch_size: int, kind: torch.memory_format) -> Callable[[], Any]:
    """A task of the comparison.

    Args:
        what: a name of `benchmarks.harness.denoisers.TASKS`.
        batch_size: patches, for the joint step pairs.
        kind: memory format.

    Returns:
        A step, or an estimate.
    """
    noisy1, noisy2, conditions = torch_columns(shots(batch_size), kind)
    flow = nn.Identity()
    if what.startswith("U-Net"):
        denoiser = torch_unet(unet()[1], kind)
    else:
        _, config, variables = jax_models()
        denoiser, flow = torch_models(variables, config, kind)
    if what == "joint":

        def loss():
            return denoiser_torch.joint_loss(denoiser, flow, noisy1, noisy2, conditions, WEIGHT)

        return _steps(loss, [*denoiser.parameters(), *flow.parameters()])
    if what.endswith("training"):
        return _steps(
            lambda: (denoiser(noisy1) - noisy2).square().sum(), list(denoiser.parameters())
        )
    denoiser.eval()
    return torch.inference_mode()(lambda: denoiser(noisy1))


def _steps(loss: Callable[[], torch.Tensor], parameters: list) -> Callable[[], None]:
    """Steps of Adam down a loss."""
    optimiser = torch.optim.Adam(parameters, lr=LEARNING_RATE)

    def train():
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()

    return train


def difference(estimate: Any, theirs: torch.Tensor, noisy: Any) -> float:
    """The largest difference of two estimates, as a part of the largest change to a pixel.

    Args:
        estimate: of JAX, NHWC.
        theirs: of PyTorch, NCHW.
        noisy: what both are estimated from, NHWC.

    Returns:
        The part.
    """
    here, there = estimate, theirs.permute(0, 2, 3, 1).numpy()
    return float(abs(here - there).max() / abs(there - noisy).max())
