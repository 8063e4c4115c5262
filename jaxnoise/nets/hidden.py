"""The values between the convolutions of a network, laid out as the convolutions like them best."""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

from jaxtyping import Array, Float

from jaxnoise.nets import blocks, winograd
from jaxnoise.nets.convolution import LAYOUT, convolve
from jaxnoise.nets.winograd import Activation, Moments


class Hidden(NamedTuple):
    """Images within a network of 3x3 convolutions, zero outside of the images.

    Attributes:
        values: the images, shape (N, H, W, C), or in the layout.
        layout: of the values; None for images as anyone has them.
    """

    values: Float[Array, "..."]
    layout: blocks.InBlocks | None

    @classmethod
    def of(cls, images: Float[Array, "n h w c"], features: int) -> "Hidden":
        """Images on their way into a network.

        Args:
            images: shape (N, H, W, C).
            features: channels of the network's hidden layers.

        Returns:
            By blocks on CPUs, where the sides are multiples of 4 and the features are many.
        """
        number, height, width, _ = images.shape
        inner = number, height, width, features
        whole = height % blocks.SIDE == 0 and width % blocks.SIDE == 0
        if whole and winograd.pays(inner, (3, 3, features, features), images.dtype):
            return cls(*blocks.to_blocks(images))
        return cls(images, None)

    def images(self, before: Activation | None = None) -> Float[Array, "n h w c"]:
        """The images, activated where `before` says how, shape (N, H, W, C)."""
        values = self.values if before is None else before(self.values)
        return values if self.layout is None else blocks.to_images(values)

    def convolved(
        self, kernel: Float[Array, "3 3 c d"], before: Activation | None = None
    ) -> "Hidden":
        """The convolution of the activated values.

        Args:
            kernel: shape (3, 3, C, D).
            before: what activates the values; None for values as they are.

        Returns:
            Images of D channels.
        """
        if self.layout is not None:
            values = winograd.convolve(self.values, kernel, self.layout, before=before)
        else:
            images = self.images(before)
            values = convolve(images, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT)
        return Hidden(values, self.layout)

    def convolved_with_moments(
        self, kernel: Float[Array, "3 3 c d"], before: Activation | None = None
    ) -> tuple["Hidden", Moments]:
        """The convolution of the activated values, and what a normalisation wants to know of it.

        Args:
            kernel: shape (3, 3, C, D).
            before: what activates the values; None for values as they are.

        Returns:
            Images of D channels; mean and variance of each channel over all images.
        """
        if self.layout is None:
            made = self.convolved(kernel, before)
            mean = made.values.mean((0, 1, 2))
            return made, Moments(mean, ((made.values - mean) ** 2).mean((0, 1, 2)))
        values, moments = winograd.convolve_with_moments(
            self.values, kernel, self.layout, before=before
        )
        return Hidden(values, self.layout), moments

    def convolved_by_all(
        self,
        kernels: Sequence[Float[Array, "3 3 _ _"]],
        before: Sequence[Activation | None],
    ) -> "Hidden":
        """Convolutions one after the other.

        Args:
            kernels: of each convolution.
            before: what activates the values before each.

        Returns:
            What the last one makes.
        """
        if self.layout is None:
            steps = zip(kernels, before, strict=True)
            return reduce(lambda hidden, step: hidden.convolved(*step), steps, self)
        values = winograd.convolve_all(self.values, kernels, before, self.layout)
        return Hidden(values, self.layout)
