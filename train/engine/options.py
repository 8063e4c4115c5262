"""Options of a trainer: one dataclass gives the command line, the TOML file and the presets."""

import argparse
import dataclasses
import json
import math
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from jaxnoise.errors import UsageError
from train.engine.devices import ACCELERATORS
from train.engine.files import MAX_JSON_BYTES, read_regular

PLACES = "places"


def option(default: Any, help: str, **rules: Any) -> Any:
    """A dataclass field that is an option.

    Args:
        default: its value when nothing else is said.
        help: one line for `--help`.
        **rules: `choices`; `minimum` and `maximum`, inclusive; `above`, exclusive; `places=True`
            where the option does not change the result of a run.

    Returns:
        The field.
    """
    return dataclasses.field(default=default, metadata={"help": help, **rules})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Options that every trainer has."""

    preset: str = option("cpu", "set of defaults", choices=("cpu", "paper"))
    accelerator: str = option("auto", "where to compute", choices=ACCELERATORS, places=True)
    cpu_devices: int | None = option(
        None,
        "devices to make of the CPU, each busy on one core (default: a device for each core)",
        minimum=1,
        maximum=1024,
        places=True,
    )
    distributed: bool = option(
        False, "join other processes (seen by itself under Slurm)", places=True
    )
    dataset: str = option("camera_sim/exact", "name of the data set")
    source: Path | None = option(
        None, "folder of your own files, for data sets that read them", places=True
    )
    follow_links: bool = option(
        False, "read files outside of --source that links or index.csv lead to", places=True
    )
    max_pixels: int = option(
        150_000_000, "pixels of an image of yours, more are refused", minimum=1, places=True
    )
    data_seed: int = option(0, "seed of simulated data", minimum=0, maximum=2**31 - 1)
    patch_size: int | None = option(None, "side of a patch (default: the data set's)", minimum=2)
    data_dir: Path | None = option(
        None, "folder of prepared records (default: a cache)", places=True
    )
    workdir: Path | None = option(None, "folder of the run (default: runs/<system>)", places=True)
    seed: int = option(0, "seed of everything random", minimum=0, maximum=2**31 - 1)
    steps: int = option(400, "training steps", minimum=1)
    batch_size: int = option(64, "patches per step, over all devices", minimum=1, maximum=2**20)
    evaluate_every: int = option(100, "steps between two validations", minimum=1)
    save_every: int = option(100, "steps between two checkpoints", minimum=1, places=True)
    report_every: int = option(1, "steps between two rows of metrics.jsonl", minimum=1)
    bad_steps: int = option(10, "non-finite steps in a row that end the run", minimum=1)
    steps_per_call: int | None = option(
        None, "steps per call of the devices (default: 1 on CPUs, 10 elsewhere)", minimum=1
    )
    debug: bool = option(False, "show tracebacks", places=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """What a command line can say to a system.

    Attributes:
        options: the dataclass of its options, whose docstring heads the help.
        presets: values by option, by preset.
    """

    options: type[Options]
    presets: Mapping[str, Mapping[str, Any]]


AnyOptions = TypeVar("AnyOptions", bound=Options)


def parse(
    kind: type[AnyOptions],
    arguments: Sequence[str],
    *,
    program: str,
    presets: Mapping[str, Mapping[str, Any]],
) -> tuple[AnyOptions, bool]:
    """Reads a command line.

    What is said on the command line wins over `--config FILE.toml`, that over `--preset`, and that
    over the defaults of the dataclass.

    Args:
        kind: the trainer's options.
        arguments: the command line without the program's name.
        program: its name, for the help.
        presets: values by option, by preset.

    Returns:
        The options, and whether `--print-config` was asked for.

    Raises:
        UsageError: an option is unknown or its value is out of range.
    """
    parser = _Parser(prog=program, description=kind.__doc__, allow_abbrev=False)
    parser.add_argument("--config", metavar="FILE.toml", type=Path, help="read options from a file")
    parser.add_argument("--print-config", action="store_true", help="print all options and leave")
    types_of = _types(kind)
    for field in dataclasses.fields(kind):
        _add(parser, field, types_of[field.name], presets)
    said = vars(parser.parse_args(list(arguments)))
    file, show = said.pop("config"), said.pop("print_config")
    from_file = _read_toml(file, types_of) if file else {}
    preset = said.get("preset", from_file.get("preset", kind.preset))
    if preset not in presets:
        raise UsageError(f"--preset {preset} is unknown: choose {' or '.join(presets)}.")
    values = {**presets[preset], **from_file, **said}
    options = kind(**values)
    _check(options)
    return options, show


def to_toml(options: Options) -> str:
    """Options as a TOML file that `--config` reads back; what is not set is left out.

    Args:
        options: of any trainer.

    Returns:
        The text.
    """
    values = ((field.name, getattr(options, field.name)) for field in dataclasses.fields(options))
    # TOML has no surrogate pairs, by which JSON would spell rare characters.
    spelt = partial(json.dumps, ensure_ascii=False)
    return "".join(
        f"{name} = {spelt(str(value) if isinstance(value, Path) else value)}\n"
        for name, value in values
        if value is not None
    )


def identity(options: Options) -> dict[str, Any]:
    """The options that decide a run's result, as JSON can hold them.

    Args:
        options: of any trainer.

    Returns:
        Values by name; a run can be resumed when all of them are the same.
    """
    return {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)
        if not field.metadata.get(PLACES)
    }


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see --help.")


def _types(kind: type) -> dict[str, type]:
    found = {}
    for name, hint in typing.get_type_hints(kind).items():
        if isinstance(hint, types.UnionType):
            hint = next(part for part in typing.get_args(hint) if part is not type(None))
        found[name] = hint
    return found


def _add(parser: argparse.ArgumentParser, field: dataclasses.Field, kind: type, presets) -> None:
    flag = "--" + field.name.replace("_", "-")
    usual = [
        f"{values[field.name]} ({name})" for name, values in presets.items() if field.name in values
    ]
    default = ", ".join(usual) or field.default
    shown = f" [{default}]" if default is not None and kind is not bool else ""
    settings: dict[str, Any] = {
        "help": (field.metadata["help"] + shown).replace("%", "%%"),
        "default": argparse.SUPPRESS,
    }
    if kind is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, **settings)
        return
    if choices := field.metadata.get("choices"):
        settings["choices"] = choices
    else:
        settings["metavar"] = {int: "N", float: "X", Path: "PATH"}.get(kind, "NAME")
    parser.add_argument(flag, type=kind, **settings)


def _read_toml(path: Path, types_of: Mapping[str, type]) -> dict[str, Any]:
    try:
        table = tomllib.loads(read_regular(path, limit=MAX_JSON_BYTES).decode())
    except (OSError, ValueError, RecursionError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(
            f"--config {path} cannot be read ({reason}): give a file of TOML, such as "
            "--print-config writes."
        ) from error
    values = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in types_of:
            raise UsageError(f"--config {path} has {key}, which is no option; see --help.")
        kind = types_of[name]
        if kind is float and type(value) is int:
            value = float(value)
        elif isinstance(value, str) and "\0" in value:
            raise UsageError(f"--config {path}: {key} has a zero byte in it, which nothing can.")
        elif kind is Path and isinstance(value, str):
            value = Path(value)
        elif type(value) is not kind:
            raise UsageError(f"--config {path}: {key} must be {kind.__name__}, not {value!r}.")
        values[name] = value
    return values


def _check(options: Options) -> None:
    for field in dataclasses.fields(options):
        value, rules = getattr(options, field.name), field.metadata
        flag = "--" + field.name.replace("_", "-")
        if value is None:
            continue
        if "choices" in rules and value not in rules["choices"]:
            raise UsageError(f"{flag} {value} is unknown: choose {', '.join(rules['choices'])}.")
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{flag} must be a finite number, not {value}.")
        if "minimum" in rules and value < rules["minimum"]:
            raise UsageError(f"{flag} must be at least {rules['minimum']}, not {value}.")
        if "maximum" in rules and value > rules["maximum"]:
            raise UsageError(f"{flag} must be at most {rules['maximum']}, not {value}.")
        if "above" in rules and value <= rules["above"]:
            raise UsageError(f"{flag} must be more than {rules['above']}, not {value}.")
