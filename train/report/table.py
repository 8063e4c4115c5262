"""Numbers and rows of tables, for the page and for a terminal."""


def number(value: float | None, *, signed: bool = False) -> str:
    """A number for a table: four decimals, or two digits when those would hide it."""
    if value is None:
        return "–"
    sign = "+" if signed else ""
    size = abs(value)
    if size >= 1e5 or 0 < size < 0.000095:
        mantissa, exponent = format(value, f"{sign}.1e").split("e")
        text = f"{mantissa}e{int(exponent)}"
    else:
        text = format(value, f"{sign}.5f" if 0 < size < 0.00095 else f"{sign}.4f")
    return text.replace("-", "−")


def decibels(value: float | None) -> str:
    """A PSNR for a table."""
    return "–" if value is None else f"{value:.2f}"


def percent(value: float | None) -> str:
    """A part of the whole for a table."""
    return "–" if value is None else f"{100 * value:.1f} %"


def short(name: str, length: int = 30) -> str:
    """A name of bounded length."""
    return name if len(name) <= length else name[: length - 1] + "…"


def aligned(rows: list[list[str]], *, last_apart: bool = False) -> str:
    """Rows as lines of equal columns, the first under a rule, the last as well if it is apart."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    rule = "-" * max(len(line) for line in lines)
    lines.insert(1, rule)
    if last_apart:
        lines.insert(-1, rule)
    return "\n".join(lines)
