"""What models can do and what they lack, in words: the protocols, to be read in a sentence."""

from typing import NamedTuple

from jaxnoise.image_protocols import ImageDenoiser, ImageSampler, SigmaImageSampler
from jaxnoise.protocols import (
    Backbone,
    DataStarted,
    Denoiser,
    Density,
    Described,
    Restorer,
    Sampler,
    SigmaSampler,
    TrainedDenoiser,
    TrainedDensity,
    TrainedModel,
    TrainedRestorer,
    TrainedSigmaSampler,
)


class Ability(NamedTuple):
    """What fulfilling a protocol means, to be read in a sentence about a model.

    Attributes:
        protocol: of `jaxnoise.protocols` or `jaxnoise.image_protocols`.
        does: what a model does that fulfils it.
        lacks: what is said of one that does not.
    """

    protocol: type
    does: str
    lacks: str


ABILITIES = (
    Ability(Sampler, "makes noise", "makes no noise by camera and ISO number"),
    Ability(
        ImageSampler,
        "makes noise for images of any size",
        "makes no noise for images by camera and ISO number",
    ),
    Ability(SigmaSampler, "makes noise of any level", "makes no noise of a given level"),
    Ability(
        SigmaImageSampler,
        "makes noise of any level for images of any size",
        "makes no noise of a given level for images",
    ),
    Ability(Density, "states the density of noise", "states no density of noise"),
    Ability(Denoiser, "denoises images", "denoises no images"),
    Ability(ImageDenoiser, "denoises images of any size", "denoises no images"),
    Ability(
        Restorer,
        "restores images from mosaics or low resolution",
        "restores no mosaics and no low resolution",
    ),
    Ability(Backbone, "lends its features to other tasks", "lends no features to other tasks"),
    Ability(TrainedModel, "is trained", "is not trained"),
    Ability(TrainedDensity, "learns by its likelihood", "does not learn by its likelihood"),
    Ability(
        TrainedSigmaSampler,
        "learns from what its noise is like",
        "does not learn from what its noise is like",
    ),
    Ability(TrainedDenoiser, "learns to denoise", "does not learn to denoise"),
    Ability(TrainedRestorer, "learns to restore", "does not learn to restore"),
    Ability(DataStarted, "starts at the moments of noise", "does not start at moments of noise"),
    Ability(Described, "describes its parameters", "has no parameters with a meaning"),
)
"""Everything that is asked of models by name."""


def what_it_lacks(protocol: type) -> str:
    """What is said of a model that does not fulfil a protocol.

    Args:
        protocol: one of `ABILITIES`.

    Returns:
        The words, to follow a name.
    """
    return next(ability.lacks for ability in ABILITIES if ability.protocol is protocol)
