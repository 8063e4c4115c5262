"""Tasks of restoration: what a network sees, what it makes of it, and their sizes.

Here, where trainers, data and models may look, and none of them waits for JAX.
"""

from typing import NamedTuple

from jaxnoise.errors import UsageError

RGB, RAW = 3, 4
"""Channels of a colour image, and of packed raw."""


class Task(NamedTuple):
    """One task.

    Attributes:
        name: as options give it.
        says: what it stands for, in words.
        channels: of the input: 3 of a colour image, 4 of packed raw (R, Gr, Gb, B) of an RGGB
            mosaic.
        noisy: whether the input is noisy.
        small: whether the input is made of the clean image averaged over 2x2 pixels.
        factor: side of the output, a colour image, over that of the input as the network sees it.
    """

    name: str
    says: str
    channels: int
    noisy: bool
    small: bool
    factor: int

    @property
    def raw(self) -> bool:
        """Whether the input is packed raw."""
        return self.channels == RAW

    @property
    def outputs(self) -> int:
        """Channels of the last convolution: the colours of all pixels that a pixel becomes."""
        return RGB * self.factor**2


TASKS = {
    task.name: task
    for task in (
        Task("denoise", "denoising", RGB, True, False, 1),
        Task("sr", "super-resolution", RGB, False, True, 2),
        Task("jdensr", "joint denoising and super-resolution", RGB, True, True, 2),
        Task("jdd", "joint demosaicing and denoising", RAW, True, False, 2),
        Task("jdemsr", "joint demosaicing and super-resolution", RAW, False, True, 4),
        Task("jddsr", "joint demosaicing, denoising and super-resolution", RAW, True, True, 4),
    )
}
"""The tasks by name.

Source: Dong et al., "Residual Contrastive Learning", 2022, Section 4.
"""


def task(name: str) -> Task:
    """The task of a name.

    Args:
        name: one of `TASKS`.

    Returns:
        The task.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in TASKS:
        raise UsageError(f"task is {name!r}: use {', '.join(TASKS)}.")
    return TASKS[name]
