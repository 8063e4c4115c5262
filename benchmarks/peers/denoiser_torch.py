"""DnCNN and the joint loss of Noise2NoiseFlow in plain PyTorch.

`benchmarks/noise2noiseflow_speed.py` compares with these. Images are (N, C, H, W); library
convolutions, batch norm and autograd, in either of PyTorch's memory formats.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers.noiseflow_torch import NoiseFlow
from benchmarks.peers.noiseflow_weights import put


class DnCNN(nn.Module):
    """The clean image, as the noisy one less a noise that 3x3 convolutions predict."""

    def __init__(self, *, channels: int = 4, features: int = 64, depth: int = 9):
        """Build the layers."""
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, features, 3, padding=1), nn.ReLU(True)]
        for _ in range(depth - 2):
            layers += [
                nn.Conv2d(features, features, 3, padding=1, bias=False),
                nn.BatchNorm2d(features),
                nn.ReLU(True),
            ]
        layers.append(nn.Conv2d(features, channels, 3, padding=1, bias=False))
        self.layers = nn.Sequential(*layers)

    def forward(self, noisy: Tensor) -> Tensor:
        """The estimate, not clipped."""
        return noisy - self.layers(noisy)


def joint_loss(
    denoiser: DnCNN,
    flow: NoiseFlow,
    noisy1: Tensor,
    noisy2: Tensor,
    conditions: tuple[Tensor, ...],
    weight: float,
) -> Tensor:
    """Nats per dimension plus weight times the mean squared error, of both directions."""
    estimate1, estimate2 = denoiser(noisy1), denoiser(noisy2)
    errors = functional.mse_loss(estimate1, noisy2) + functional.mse_loss(estimate2, noisy1)
    clean1, clean2 = estimate1.clamp(0, 1), estimate2.clamp(0, 1)
    nats = flow(noisy1 - clean2, clean2, *conditions).mean()
    nats = nats + flow(noisy2 - clean1, clean1, *conditions).mean()
    return 0.5 * nats / noisy1[0].numel() + weight * 0.5 * errors


@torch.no_grad()
def copy_weights(variables: Mapping[str, Any], peer: DnCNN) -> None:
    """Copies every parameter and statistic of a DnCNN.

    Args:
        variables: of `jaxnoise.models.denoiser`.
        peer: the same network; its parameters and statistics are replaced.
    """
    params, statistics = variables["params"], variables["batch_stats"]
    place = {nn.Conv2d: 0, nn.BatchNorm2d: 1}
    for layer in peer.layers:
        if isinstance(layer, nn.Conv2d):
            own = params[f"conv_{place[nn.Conv2d]}"]
            put(layer.weight, np.transpose(own["kernel"], (3, 2, 0, 1)))
            if layer.bias is not None:
                put(layer.bias, own["bias"])
        elif isinstance(layer, nn.BatchNorm2d):
            name = f"norm_{place[nn.BatchNorm2d]}"
            put(layer.weight, params[name]["scale"])
            put(layer.bias, params[name]["bias"])
            put(layer.get_buffer("running_mean"), statistics[name]["mean"])
            put(layer.get_buffer("running_var"), statistics[name]["var"])
        else:
            continue
        place[type(layer)] += 1
