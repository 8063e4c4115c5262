"""Model folders for commands: one whose model can do what is asked, or a sentence."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from jaxnoise.io.model_folder import read_learned_from

Asked = TypeVar("Asked")


class LearnedFrom(NamedTuple):
    """The numbers that a model was trained on.

    Attributes:
        stored: their type, such as uint16; "" where it is not known.
        brightest: the largest of clean images, as a fraction of full scale; inf where it is not
            known.
    """

    stored: str = ""
    brightest: float = math.inf


NOT_KNOWN = LearnedFrom()


@dataclass(frozen=True)
class Opened(Generic[Asked]):
    """A model of a folder.

    Attributes:
        model: the module, which can do what was asked for.
        config: the model's `Config`.
        variables: of the model.
    """

    model: Asked
    config: Any
    variables: dict[str, Any]


def open_model(folder: Path, *protocols: type[Asked], max_bytes: int) -> Opened[Asked]:
    """The model of a folder; from here on the process keeps memory and compiled programs.

    Args:
        folder: written by `jaxnoise.io.save_model`.
        protocols: of `jaxnoise.protocols` or `jaxnoise.image_protocols`; the model must fulfil one.
        max_bytes: that the model's tensors may take.

    Returns:
        The module, and what it needs.

    Raises:
        UsageError: the model cannot do it; names those that can.
        DataError: the folder is damaged or holds no model.
    """
    from jaxnoise.process import keep_compiled_programs, keep_freed_memory

    keep_freed_memory()
    keep_compiled_programs()
    from jaxnoise import models
    from jaxnoise.io import load_model

    name, config, variables = load_model(folder, max_bytes=max_bytes)
    return Opened(models.require(name, *protocols, holder=f"{folder} holds"), config, variables)


def learned_from(folder: Path, *, max_bytes: int) -> LearnedFrom:
    """What a model was trained on, as far as its folder says it; reads no tensors.

    Args:
        folder: written by `jaxnoise.io.save_model`.
        max_bytes: that the model's tensors may take.

    Raises:
        DataError: the folder is damaged or holds no model.
    """
    said = read_learned_from(folder, max_bytes=max_bytes)
    stored, brightest = said.get("stored"), said.get("brightest")
    return LearnedFrom(
        stored if isinstance(stored, str) else "",
        brightest if type(brightest) is float and brightest > 0 else math.inf,
    )
