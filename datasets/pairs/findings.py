"""What is noticed of pairs of images while their patches are written."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

SMOOTHER = 0.95
"""Roughness of a noisy image over that of its clean one, below which it has less noise."""


@dataclass
class Findings:
    """What the images of a folder showed.

    Attributes:
        steps: how many noisy images have each width of dequantisation, in stored units.
        pairs: how many pairs with a clean image there are.
        smoother: of those, how many have a noisy image with less noise than the clean one.
    """

    steps: Counter[float] = field(default_factory=Counter)
    pairs: int = 0
    smoother: int = 0

    def add(self, images: dict[str, np.ndarray], steps: list[np.float32]) -> None:
        """Takes notice of a pair.

        Args:
            images: by kind, shape (H, W, C).
            steps: of its noisy images.
        """
        self.steps.update(float(step) for step in steps)
        if "clean" in images:
            self.pairs += 1
            self.smoother += roughness(images["noisy"]) < SMOOTHER * roughness(images["clean"])

    def dequantisation(self) -> str:
        """A sentence on how the gaps between the numbers of noisy images are filled."""
        widths = sorted(self.steps)
        if not any(widths):
            return "no dequantisation."
        if widths == [1.0]:
            return (
                "noisy ones are dequantised with uniform noise of one step, and likelihoods are "
                "densities in the unit of full scale."
            )
        counted = ", ".join(
            f"{self.steps[width]} with that of {width:.6g} numbers"
            if width
            else f"{self.steps[width]} with none"
            for width in widths
        )
        return (
            "noisy ones hold only some of these numbers and are dequantised with uniform noise of "
            f"the step between them, image by image ({counted}), and likelihoods are densities in "
            "the unit of full scale."
        )

    def doubts(self) -> list[str]:
        """Sentences on what looks wrong."""
        if not self.smoother:
            return []
        return [
            f"In {self.smoother} of {self.pairs} pairs the noisy image has less noise than the "
            "clean one: look whether the columns noisy and clean of index.csv are swapped."
        ]


def roughness(image: np.ndarray) -> float:
    """Mean square of the second differences along rows, which noise of any image raises.

    Args:
        image: shape (H, W, C).

    Returns:
        In squared units of the image; 0 where it is narrower than 3 pixels.
    """
    values = image.astype(np.float32)
    if values.shape[1] < 3:
        return 0.0
    return float(np.square(values[:, 2:] - 2 * values[:, 1:-1] + values[:, :-2]).mean())
