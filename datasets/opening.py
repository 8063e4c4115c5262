"""From the name of a data set to its records, which are built first where they are absent."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import registry
from datasets.records import damaged, prepare, quiet
from datasets.registry import Entry
from datasets.source_files import Reading
from jaxnoise.errors import UsageError
from jaxnoise.process import cache_folder


@dataclass(frozen=True)
class Opened:
    """Records of a data set and what is known of them.

    Attributes:
        entry: its entry in the registry.
        config: configuration of its builder.
        fingerprint: sha256 of all that the records depend on, in hexadecimal.
        folder: folder of the records; its name carries the fingerprint.
        builder: TFDS builder of the records.
        facts: what its builder remembered beside them.
    """

    entry: Entry
    config: Any
    fingerprint: str
    folder: Path
    builder: Any
    facts: dict[str, Any]


def open_records_of(
    name: str,
    *,
    source: Path | None,
    data_dir: Path | None,
    patch_size: int | None,
    seed: int,
    reading: Reading,
) -> Opened:
    """Records of the data set of a name; see `datasets.pipeline.open_dataset` for the arguments.

    Raises:
        UsageError: there is no such data set, or its options do not fit it.
        DataError: its files or its records are missing or damaged.
    """
    entry = registry.get(name)
    module: Any = entry.load()
    config = _configure(entry, module, source, patch_size, seed, reading)
    fingerprint = module.fingerprint(config)
    folder = Path(data_dir or cache_folder()) / f"{name.replace('/', '-')}-{fingerprint[:16]}"
    facts = prepare(
        folder, lambda root: module.builder(config, str(root)), lambda: module.facts(config)
    )
    try:
        with quiet():
            builder = module.builder(config, str(folder))
    except MemoryError:
        raise
    except Exception as error:  # the reader raises many kinds for damaged files
        raise damaged(folder) from error
    if not builder.info.splits:
        raise damaged(folder)  # what describes the records is missing
    # Where files are too large to be hashed at every start, their content is known by now.
    fingerprint = facts.get("fingerprint", fingerprint)
    return Opened(entry, config, fingerprint, folder, builder, facts)


def _configure(
    entry: Entry,
    module: Any,
    source: Path | None,
    patch_size: int | None,
    seed: int,
    reading: Reading,
) -> Any:
    """Configuration of a builder."""
    if entry.source is None and source is not None:
        raise UsageError(f"{entry.name} is simulated and reads no images: leave out --source.")
    if entry.simulated:
        return module.make_config(entry.variant, seed=seed, patch_size=patch_size)
    if source is None and entry.needs_source:
        raise UsageError(
            f"the dataset '{entry.name}' needs the folder of {entry.source}: give it with --source."
        )
    chosen: dict[str, Any] = {"variant": entry.variant} if entry.variant else {}
    if entry.any_images:
        chosen["reading"] = reading
    folder = None if source is None else Path(source)
    return module.make_config(folder, patch_size=patch_size, **chosen)
