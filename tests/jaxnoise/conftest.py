"""Helpers of several tests that are modules of their own."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load(name: str) -> ModuleType:
    """A module of the folder `interop`: tests are no package."""
    path = Path(__file__).parent / "interop" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def bundle() -> ModuleType:
    """Writer of TensorFlow checkpoints."""
    return load("bundle")


@pytest.fixture(scope="session")
def published() -> ModuleType:
    """Noise Flow as the published code computes it, in numpy and under its names."""
    return load("published")


@pytest.fixture(scope="session")
def torch_file() -> ModuleType:
    """Writer of PyTorch's files."""
    return load("torch_file")


@pytest.fixture(scope="session")
def published_torch() -> ModuleType:
    """Noise2NoiseFlow as the published code computes it, in numpy and under its names."""
    return load("published_torch")
