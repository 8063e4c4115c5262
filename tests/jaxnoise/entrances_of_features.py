"""Public functions, arguments that they take, and some that they do not take: those of features."""

from jaxnoise import losses
from jaxnoise.nets.encoders import Pyramid
from jaxnoise.raw.rendering import packed_to_rgb
from tests.jaxnoise.entrances import CHANNELS, IMAGE, IMAGES, INTEGERS, KEY, Row, batches


def rows() -> dict[str, Row]:
    """All rows of this file, by the functions' names."""
    encoder = Pyramid()
    colour = {"images": IMAGES[..., :3], "targets": IMAGES[..., :3]}
    return {
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
