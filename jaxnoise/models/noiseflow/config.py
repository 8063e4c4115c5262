"""What a noise flow is made of, as plain values that fit into a JSON file."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

from jaxnoise.bijectors.chain import MAX_LAYERS, parse, side_factor
from jaxnoise.conditions import check_given
from jaxnoise.errors import UsageError

CHOICES = {
    "parameterisation": ("paper", "reference"),
    "normalisation": ("none", "batch", "batch_affine"),
    "base": ("normal", "student_t"),
    "taps": ("shared", "conditional"),
}
LIMITS = {
    "channels": (1, 1024),
    "width": (1, 4096),
    "knots": (2, 4096),
    "max_layers": (1, 10_000),
}
"""The smallest and the largest value of each number."""


@dataclass(frozen=True)
class Config:
    """Configuration of a noise flow.

    Attributes:
        arch: layers, the data side first: see `jaxnoise.bijectors.chain.tokens`.
        parameterisation: of the signal and gain layers: "paper" (Eqs. 12 to 16) or "reference"
            (what the published code computes).
        channels: channels of the images, at least 2.
        cameras: names of the known cameras; a batch's `camera` indexes them.
        isos: known ISO numbers in ascending order; 0 stands for "not stated".
        width: hidden channels of the coupling networks.
        normalisation: in the coupling networks: "none", "batch" as in the published code, or
            "batch_affine" as in that of Noise2NoiseFlow.
        base: distribution of the latent: "normal", or "student_t" with a learned tail.
        knots: knots of the noise curve's corrections.
        taps: of causal convolutions: "shared", or "conditional" on camera and ISO.
        max_layers: layers that `arch` may name, since the time to compile grows with their number.
    """

    arch: str = "S-Ax4-G-Ax4-CAM"
    parameterisation: str = "paper"
    channels: int = 4
    cameras: tuple[str, ...] = ("IP", "GP", "S6", "N6", "G4")
    isos: tuple[int, ...] = (100, 400, 800, 1600, 3200)
    width: int = 4
    normalisation: str = "none"
    base: str = "normal"
    knots: int = 17
    taps: str = "shared"
    max_layers: int = MAX_LAYERS

    def __post_init__(self):
        """Checks every field and turns lists, as JSON has them, into tuples.

        Raises:
            UsageError: names the field and what it may be.
        """
        object.__setattr__(self, "cameras", tuple(self.cameras))
        object.__setattr__(self, "isos", tuple(self.isos))
        for field, choices in CHOICES.items():
            if getattr(self, field) not in choices:
                raise UsageError(
                    f"{field} is {getattr(self, field)!r}: use {' or '.join(choices)}."
                )
        for field, (least, most) in LIMITS.items():
            value: Any = getattr(self, field)
            if not isinstance(value, Integral) or not least <= int(value) <= most:
                raise UsageError(f"{field} is {value!r}: use a whole number, {least} to {most}.")
        if not isinstance(self.arch, str):
            raise UsageError(f"arch is {self.arch!r}: name the layers as text.")
        if not self.cameras or len(set(self.cameras)) != len(self.cameras):
            raise UsageError("cameras must name at least one camera, each once.")
        if not all(isinstance(camera, str) for camera in self.cameras):
            raise UsageError(f"cameras are {self.cameras!r}: name each by a text.")
        if not self.isos or list(self.isos) != sorted(set(self.isos)) or self.isos[0] < 0:
            raise UsageError("isos must be ascending ISO numbers, each once (0 for not stated).")
        parse(self.arch, self.channels, most=int(self.max_layers))


def check_request(config: Config, camera: Any, iso: Any, **batch: Any) -> None:
    """Raises when images and conditions do not fit one another or the model.

    Args:
        config: the model's configuration.
        camera: shape (N,), index into `config.cameras`.
        iso: shape (N,), ISO numbers.
        batch: as for `jaxnoise.conditions.check_given`, `clean` among it.

    Raises:
        UsageError: a shape or a type does not fit; outside jit also an unknown camera or ISO.
    """
    known = {"cameras": config.cameras, "isos": config.isos}
    check_given(camera, iso, **known, channels=config.channels, **batch)
    cell = side_factor(config.arch, config.channels)
    shape = batch["clean"].shape
    if any(side % cell for side in shape[1:3]):
        raise UsageError(
            f"clean has shape {shape}, and the squeezes of {config.arch} need a height and width "
            f"that {cell} divides: crop the images."
        )
