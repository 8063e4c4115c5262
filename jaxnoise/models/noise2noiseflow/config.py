"""A noise model and a denoiser that learn from each other, as values that fit into a JSON file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from jaxnoise import models
from jaxnoise.errors import UsageError

PARTS = {"noise_model": "noise_model_name", "denoiser": "denoiser_name"}
"""The two models, and the fields that name them in the registry."""


@dataclass(frozen=True)
class Config:
    """Configuration of a noise model with a denoiser.

    Attributes:
        noise_model: the `Config` of `jaxnoise.models.get(noise_model_name)`, or its fields by name;
            by default Noise Flow's.
        denoiser: the `Config` of `jaxnoise.models.get(denoiser_name)`, or its fields by name; by
            default a DnCNN of 9 layers.
        noise_model_name: a model with `nll_and_update`, `log_prob` and `sample`.
        denoiser_name: a model with `denoise` and `denoise_and_update`.
    """

    noise_model: Any = field(default_factory=dict)
    denoiser: Any = field(default_factory=dict)
    noise_model_name: str = "noiseflow"
    denoiser_name: str = "denoiser"

    def __post_init__(self):
        """Builds the two configurations where their fields are given, and checks them.

        Raises:
            UsageError: a name is unknown, a field is wrong, or the channels differ.
        """
        for part, name in PARTS.items():
            kind = models.get(getattr(self, name)).Config
            given = getattr(self, part)
            if isinstance(given, Mapping):
                known = {one.name for one in fields(kind)}
                if unknown := sorted(set(given) - known):
                    raise UsageError(
                        f"{part} has no field {unknown[0]!r}: use {', '.join(sorted(known))}."
                    )
                given = kind(**given)
                object.__setattr__(self, part, given)
            if not isinstance(given, kind):
                raise UsageError(
                    f"{part} is a {type(given).__name__}: give the Config of {getattr(self, name)}."
                )
        if self.noise_model.channels != self.denoiser.channels:
            raise UsageError(
                f"the noise model is for {self.noise_model.channels} channels and the denoiser for "
                f"{self.denoiser.channels}: give both the same."
            )

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self.noise_model.channels

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras that the noise model knows."""
        return self.noise_model.cameras

    @property
    def isos(self) -> tuple[int, ...]:
        """ISO numbers that the noise model knows."""
        return self.noise_model.isos
