"""What is restored by what network, as values that fit into a JSON file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from jaxnoise import models, tasks
from jaxnoise.errors import UsageError


@dataclass(frozen=True)
class Config:
    """Configuration of a network for a task other than denoising.

    Attributes:
        task: one of `jaxnoise.tasks.TASKS` but "denoise", which is what a denoiser does.
        denoiser: the `Config` of `jaxnoise.models.get(denoiser_name)`, or its fields by name, whose
            channels are by default those of the task: the network but for its last layer; by
            default a U-Net.
        denoiser_name: a model with `features` and `last_layer`.
    """

    task: str = "jdd"
    denoiser: Any = field(default_factory=lambda: {"net": "unet"})
    denoiser_name: str = "denoiser"

    def __post_init__(self):
        """Builds the denoiser's configuration where its fields are given, and checks both.

        Raises:
            UsageError: the task or a name is unknown, a field is wrong, or the channels differ.
        """
        task = tasks.task(self.task)
        if task.factor == 1:
            raise UsageError(
                f"task is {self.task!r}, which needs no other last layer: use the denoiser model."
            )
        kind = models.get(self.denoiser_name).Config
        given = self.denoiser
        if isinstance(given, Mapping):
            known = {one.name for one in fields(kind)}
            if unknown := sorted(set(given) - known):
                raise UsageError(
                    f"denoiser has no field {unknown[0]!r}: use {', '.join(sorted(known))}."
                )
            given = kind(**{"channels": task.channels, **given})
            object.__setattr__(self, "denoiser", given)
        if not isinstance(given, kind):
            raise UsageError(
                f"denoiser is a {type(given).__name__}: give the Config of {self.denoiser_name}."
            )
        if given.channels != task.channels:
            raise UsageError(
                f"the denoiser is for {given.channels} channels, and {task.name} has "
                f"{task.channels}: give a denoiser of as many."
            )

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return tasks.task(self.task).channels

    @property
    def factor(self) -> int:
        """Side of the output over that of the input."""
        return tasks.task(self.task).factor
