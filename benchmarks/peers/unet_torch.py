"""The U-Net of Noise2NoiseFlow in plain PyTorch: `benchmarks/noise2noiseflow_speed.py` has it.

Images are (N, C, H, W), sides that divide by 32; levels of one resolution share their weights.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers.noiseflow_weights import put

LEVELS = 5


class UNet(nn.Module):
    """The clean image, from features of five halved resolutions."""

    def __init__(self, *, channels: int = 4, features: int = 48):
        """Build the layers; the names say where JAX keeps the weights of each."""
        super().__init__()
        down, up = features, 2 * features
        last = (4 * features // 3, 2 * features // 3)
        self.layers = nn.ModuleDict(
            {
                "first_0": _convolution(channels, down),
                "first_1": _convolution(down, down),
                "down": _convolution(down, down),
                "bottom": _convolution(down, down),
                "bottom_up": _doubling(down),
                "up_1_0": _convolution(up, up),
                "up_1_1": _convolution(up, up),
                "up_1_up": _doubling(up),
                "up/conv_0": _convolution(up + down, up),
                "up/conv_1": _convolution(up, up),
                "up/up": _doubling(up),
                "last_0": _convolution(up + channels, last[0]),
                "last_1": _convolution(last[0], last[1]),
                "last_2": _convolution(last[1], channels),
            }
        )

    def forward(self, noisy: Tensor) -> Tensor:
        """The estimate, not clipped."""
        hidden = self._relu("first_1", self._relu("first_0", noisy))
        skipped = [noisy, functional.max_pool2d(hidden, 2)]
        for _ in range(1, LEVELS):
            skipped.append(functional.max_pool2d(self._relu("down", skipped[-1]), 2))
        hidden = self.layers["bottom_up"](self._relu("bottom", skipped.pop()))
        names = ("up_1_0", "up_1_1", "up_1_up")
        for _ in range(1, LEVELS):
            hidden = torch.cat([hidden, skipped.pop()], 1)
            hidden = self._relu(names[1], self._relu(names[0], hidden))
            hidden = self.layers[names[2]](hidden)
            names = ("up/conv_0", "up/conv_1", "up/up")
        hidden = torch.cat([hidden, skipped.pop()], 1)
        hidden = self._relu("last_1", self._relu("last_0", hidden))
        return functional.leaky_relu(self.layers["last_2"](hidden), 0.1)

    def _relu(self, name: str, hidden: Tensor) -> Tensor:
        return functional.relu(self.layers[name](hidden))


def _convolution(channels: int, features: int) -> nn.Conv2d:
    return nn.Conv2d(channels, features, 3, padding=1)


def _doubling(features: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(features, features, 3, stride=2, padding=1, output_padding=1)


@torch.no_grad()
def copy_weights(variables: Mapping[str, Any], peer: UNet) -> None:
    """Copies every parameter of a U-Net with shared levels.

    Args:
        variables: of `jaxnoise.models.denoiser`, with `net="unet"`.
        peer: the same network; its parameters are replaced.
    """
    for name, layer in peer.layers.items():
        own = variables["params"]
        for part in name.split("/"):
            own = own[part]
        kernel = np.asarray(own["kernel"])
        if isinstance(layer, nn.ConvTranspose2d):
            # PyTorch states it as the gradient of another convolution: its kernel is turned.
            put(layer.weight, kernel[::-1, ::-1].transpose(2, 3, 0, 1))
        else:
            put(layer.weight, kernel.transpose(3, 2, 0, 1))
        put(layer.bias, own["bias"])
