"""The convolutions that the networks consist of, each as the shape of one layer."""

import re
from dataclasses import dataclass

FORM = re.compile(r"(\d+)x(\d+)x(\d+)x(\d+)x(\d+)(?:k(\d+))?(?:s(\d+)|t(\d+))?")


@dataclass(frozen=True)
class Layer:
    """A convolution of a batch of images.

    Attributes:
        batch: number of images.
        height: pixels of each before the convolution.
        width: likewise.
        channels: before it.
        features: channels after it.
        side: of the square kernel.
        stride: pixels from one output to the next.
        spread: how many times as high and wide the images get, by a transposed convolution.
    """

    batch: int
    height: int
    width: int
    channels: int
    features: int
    side: int = 3
    stride: int = 1
    spread: int = 1

    @classmethod
    def parse(cls, text: str) -> "Layer":
        """The layer of such a text as `32x32x32x64x64`, `8x96x96x64x128k4s2` or `32x8x8x96x96t2`.

        Args:
            text: batch, height, width, channels and features; after k the side of the kernel, after
                s the stride, after t the factor of a transposed convolution.

        Returns:
            The layer.

        Raises:
            ValueError: the text is none of this form.
        """
        found = FORM.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is no layer: write one like 8x96x96x64x128k4s2.")
        usual = (0, 0, 0, 0, 0, 3, 1, 1)
        return cls(*(int(part or other) for part, other in zip(found.groups(), usual, strict=True)))

    def __str__(self) -> str:
        """The text that `parse` reads."""
        sizes = (self.batch, self.height, self.width, self.channels, self.features)
        kernel = f"k{self.side}" if self.side != 3 else ""
        steps = f"s{self.stride}" if self.stride > 1 else ""
        return "x".join(map(str, sizes)) + kernel + steps + (f"t{self.spread}" * (self.spread > 1))

    @property
    def padding(self) -> tuple[int, int]:
        """Rows of zeros above and below the images, and columns beside them.

        Such that the outcome is `spread / stride` times as high and wide. What is odd goes below,
        as with padding "SAME" of JAX, and `output_padding` of PyTorch.
        """
        total = self.side - (self.stride if self.spread == 1 else 2 - self.spread)
        return total // 2, total - total // 2

    @property
    def output(self) -> tuple[int, int, int, int]:
        """Shape after the convolution: batch, height, width, features."""
        height, width = (side * self.spread // self.stride for side in (self.height, self.width))
        return self.batch, height, width, self.features

    @property
    def operations(self) -> int:
        """Multiplications and additions of the plain sum over the kernel, zeros left out."""
        _, height, width, _ = self.output
        pixels = self.batch * height * width // self.spread**2
        return 2 * pixels * self.side**2 * self.channels * self.features


LAYERS = {
    "DnCNN": (
        "32x32x32x4x64",
        "32x32x32x64x64",
        "32x32x32x64x4",
        "138x32x32x64x64",
        "2x256x256x64x64",
    ),
    "U-Net": (
        "32x32x32x4x48",
        "32x32x32x48x48",
        "32x16x16x48x48",
        "32x8x8x48x48",
        "32x4x4x48x48",
        "32x2x2x48x48",
        "32x1x1x48x48",
        "32x1x1x48x48t2",
        "32x2x2x96x96",
        "32x2x2x96x96t2",
        "32x4x4x144x96",
        "32x4x4x96x96",
        "32x4x4x96x96t2",
        "32x8x8x144x96",
        "32x8x8x96x96",
        "32x8x8x96x96t2",
        "32x16x16x144x96",
        "32x16x16x96x96",
        "32x16x16x96x96t2",
        "32x32x32x100x64",
        "32x32x32x64x32",
        "32x32x32x32x4",
    ),
    "NoiseTransfer": (
        "8x96x96x3x64",
        "8x96x96x64x64",
        "8x96x96x64x128k4s2",
        "8x48x48x128x128",
        "8x48x48x128x256k4s2",
        "8x24x24x256x256",
        "8x24x24x256x128k4t2",
        "8x48x48x256x128",
        "8x48x48x128x64k4t2",
        "8x96x96x128x64",
    ),
}
"""By network. To add a layer, add its text; the smaller batch keeps the last ones short."""
