"""What a contrastively trained noise generator is made of, as values that fit into a JSON file."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

from jaxnoise.errors import UsageError

LIMITS = {"channels": (2, 1024), "blocks": (0, 64), "width": (1, 4096), "fusion_width": (1, 4096)}
"""The smallest and the largest value of each number."""
KERNELS = ((3, 1, 3), (1, 3, 1))
UNITS = ("image", "level")


@dataclass(frozen=True)
class Config:
    """Configuration of a noise generator.

    Attributes:
        channels: channels of the images, at least 2.
        blocks: flow blocks behind the fusion, each of activation normalisation, 1x1 convolution and
            affine coupling.
        width: channels between the convolutions of the coupling networks.
        kernels: sides of their kernels, (3, 1, 3) as in Glow, or (1, 3, 1); either makes as many
            parameters.
        fusion_width: channels between the convolutions of the fusion's networks.
        units: in which the latent passes through the layers. "image", as in the paper: it has the
            standard deviation asked for, so that couplings see noise of a certain level. "level":
            it has the standard deviation 1 and is multiplied by the level at the end, so that noise
            is exactly proportional to it.
    """

    channels: int = 4
    blocks: int = 8
    width: int = 4
    kernels: tuple[int, int, int] = (3, 1, 3)
    fusion_width: int = 8
    units: str = "image"

    def __post_init__(self):
        """Checks every field and turns lists, as JSON has them, into tuples.

        Raises:
            UsageError: names the field and what it may be.
        """
        for field, (least, most) in LIMITS.items():
            value: Any = getattr(self, field)
            if not isinstance(value, Integral) or not least <= int(value) <= most:
                raise UsageError(f"{field} is {value!r}: use a whole number, {least} to {most}.")
        if isinstance(self.kernels, list):
            object.__setattr__(self, "kernels", tuple(self.kernels))
        if self.kernels not in KERNELS:
            raise UsageError(f"kernels is {self.kernels!r}: use {' or '.join(map(str, KERNELS))}.")
        if self.units not in UNITS:
            raise UsageError(f"units is {self.units!r}: use {' or '.join(UNITS)}.")
