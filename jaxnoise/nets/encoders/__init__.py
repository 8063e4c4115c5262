"""Encoders, from colour images to maps of features: what perceptual losses compare images by.

Each is a frozen dataclass with `init` and `encode`, as `jaxnoise.protocols.Encoder` states them:
it says which network it is, and its weights are an argument of `encode`.
"""

from jaxnoise.nets.encoders.pyramid import Pyramid
from jaxnoise.nets.encoders.resnet50 import ResNet50
from jaxnoise.nets.encoders.vgg16 import Vgg16

__all__ = ["Pyramid", "ResNet50", "Vgg16"]
