"""A section of a report: what it says, shows and leaves for programs."""

import math
from dataclasses import dataclass, field
from typing import Any

from train.report.style import Picture


@dataclass(frozen=True, kw_only=True)
class Section:
    """One subject of a report.

    Attributes:
        verdict: one sentence, computed from the tables below it; "" for none.
        numbers: what evaluation.json gains, by name; see `plain`.
        html: its tables for the page.
        text: its table for a terminal.
        pictures: its figures in their order.
        failed: sentences that say why what was trained is of no use.
    """

    verdict: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)
    html: str = ""
    text: str = ""
    pictures: tuple[Picture, ...] = ()
    failed: tuple[str, ...] = ()


def plain(value: Any) -> Any:
    """Nested dictionaries and lists as JSON can hold them: numbers that are not finite are None."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
