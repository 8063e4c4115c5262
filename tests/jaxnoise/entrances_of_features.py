"""Public functions, what they take and some of what not: features, correlations and intensities."""

import numpy as np

from jaxnoise import losses, metrics
from jaxnoise.nets.encoders import Pyramid
from jaxnoise.raw.rendering import packed_to_rgb
from tests.jaxnoise.entrances import CHANNELS, IMAGE, IMAGES, INTEGERS, KEY, Row, batches


def rows() -> dict[str, Row]:
    """All rows of this file, by the functions' names."""
    encoder = Pyramid()
    colour = {"images": IMAGES[..., :3], "targets": IMAGES[..., :3]}
    return {
        **of_noise_statistics(),
        "jaxnoise.losses.perceptual": Row(
            losses.perceptual,
            {"encoder": encoder, "variables": encoder.init(KEY), **colour},
            [
                ({"images": IMAGES}, r"images .*\(2, 8, 6, 4\).*\(N, H, W, 3\)"),
                ({"images": IMAGE[..., :3]}, r"\(8, 6, 3\)"),
                ({"targets": IMAGES}, r"targets .*\(2, 8, 6, 4\).*\(2, 8, 6, 3\)"),
                ({"targets": INTEGERS[..., :3]}, "targets .*uint16"),
            ],
        ),
        "jaxnoise.raw.rendering.packed_to_rgb": Row(
            packed_to_rgb,
            {"packed": IMAGES, "gamma": 2.2},
            [*batches("packed"), ({"gamma": CHANNELS}, r"gamma .*\(4,\)")],
        ),
    }


def of_noise_statistics() -> dict[str, Row]:
    """Functions of NumPy, on the host."""
    noise, clean = (np.asarray(IMAGES, np.float64) for _ in range(2))
    truths = np.ones(noise.shape, bool)
    alone = [
        ({"noise": noise[0]}, r"noise has shape \(8, 6, 4\)"),
        ({"noise": noise[:0]}, r"\(0, 8, 6, 4\)"),
        ({"noise": truths}, "bool"),
    ]
    pair = [
        ({"clean": clean[..., :3]}, r"noise has shape \(2, 8, 6, 4\) and clean \(2, 8, 6, 3\)"),
        ({"noise": noise[:0], "clean": clean[:0]}, r"\(0, 8, 6, 4\)"),
        ({"noise": truths}, "bool"),
    ]
    both = {"noise": noise, "clean": clean}
    return {
        **{
            f"jaxnoise.metrics.{function.__name__}": Row(
                function, {"noise": noise}, alone, on_host=True
            )
            for function in (metrics.lag_one, metrics.channel_correlation)
        },
        **{
            f"jaxnoise.metrics.{function.__name__}": Row(function, both, pair, on_host=True)
            for function in (
                metrics.square_by_intensity,
                metrics.intensity_slope,
                metrics.bright_over_dark,
            )
        },
    }
