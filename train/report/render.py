"""The templates of the page, in which all that is not markup already is escaped."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from train.report.table import decibels, number, percent, short


def _printable(value: Any) -> Any:
    """Text without the control characters that XML forbids."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in value)


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=_printable,
)
_ENVIRONMENT.filters |= {
    "number": number,
    "decibels": decibels,
    "percent": percent,
    "short": short,
    "count": lambda value: "–" if value is None else f"{value:,}",
    "gain": lambda value: "–" if value is None else f"{100 * value:+.1f} %".replace("-", "−"),
}


def rendered(template: str, **values: Any) -> Markup:
    """A template with values, which are escaped unless they are markup.

    Args:
        template: its file name.
        values: by name; one that is missing is an error.
    """
    return Markup(_ENVIRONMENT.get_template(template).render(**values))
