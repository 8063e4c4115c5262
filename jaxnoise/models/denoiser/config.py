"""What a denoiser is made of, as plain values that fit into a JSON file."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

from jaxnoise.errors import UsageError

FEATURES = {"dncnn": 64, "unet": 48}
"""Networks by name, with the features of the published sizes."""
NORMALISATIONS = ("batch", "none")
"""Of the hidden layers of a DnCNN: as published, or none, with a bias for each of them."""
LIMITS = {"channels": (1, 1024), "features": (1, 4096), "depth": (2, 128)}
"""The smallest and the largest value of each number."""


@dataclass(frozen=True)
class Config:
    """Configuration of a denoiser.

    Attributes:
        net: "dncnn" (`jaxnoise.nets.dncnn`) or "unet" (`jaxnoise.nets.unet`).
        channels: channels of the images, at least 1.
        features: channels of the hidden layers; None for 64 of DnCNN or 48 of the U-Net, the
            published sizes.
        depth: convolutions of DnCNN: 9 in Noise2NoiseFlow, 17 in its first publication.
        share: whether the levels of the U-Net share their weights, as in Noise2NoiseFlow.
        normalisation: of DnCNN's hidden layers, "batch" as published, or "none"; a U-Net has none
            in either case.
    """

    net: str = "dncnn"
    channels: int = 4
    features: int | None = None
    depth: int = 9
    share: bool = True
    normalisation: str = "batch"

    def __post_init__(self):
        """Fills in the features and checks every field.

        Raises:
            UsageError: names the field and what it may be.
        """
        if self.net not in FEATURES:
            raise UsageError(f"net is {self.net!r}: use {' or '.join(FEATURES)}.")
        if self.normalisation not in NORMALISATIONS:
            raise UsageError(
                f"normalisation is {self.normalisation!r}: use {' or '.join(NORMALISATIONS)}."
            )
        if self.features is None:
            object.__setattr__(self, "features", FEATURES[self.net])
        for field, (least, most) in LIMITS.items():
            value: Any = getattr(self, field)
            if not isinstance(value, Integral) or not least <= int(value) <= most:
                raise UsageError(f"{field} is {value!r}: use a whole number, {least} to {most}.")
        if not isinstance(self.share, bool):
            raise UsageError(f"share is {self.share!r}: use True or False.")
        if self.net == "unet" and self.width % 3:
            raise UsageError(f"features is {self.width}: a U-Net's must divide by 3.")

    @property
    def width(self) -> int:
        """The features, which are stated by now."""
        assert self.features is not None
        return self.features

    @property
    def last_width(self) -> int:
        """Channels that the last convolution sees."""
        return 2 * self.width // 3 if self.net == "unet" else self.width
