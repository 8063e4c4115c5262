"""The report as one HTML page that needs nothing but itself."""

from collections.abc import Sequence

from markupsafe import Markup

from train.report.drawings import drawing
from train.report.render import rendered
from train.report.reproduction import Reproduction
from train.report.section import Section


def page(
    title: str,
    subject: str,
    sections: Sequence[Section],
    *,
    failed: Sequence[str],
    notes: Sequence[str],
    remarks: Sequence[str] = (),
    again: Reproduction | None = None,
) -> str:
    """The HTML text of the report, which is also well-formed XML.

    Args:
        title: heading of the page.
        subject: one line on what was looked at.
        sections: in their order.
        failed: sentences that come before all others.
        notes: sentences for the end.
        remarks: sentences that come after the verdict.
        again: what it takes to make and to use what was trained.

    Returns:
        The page; nothing in it refers to another file or host.
    """
    return rendered(
        "page.html",
        title=title,
        subject=subject,
        verdict=" ".join(section.verdict for section in sections if section.verdict),
        sections=[
            {"html": Markup(section.html), "drawings": [drawing(one) for one in section.pictures]}
            for section in sections
        ],
        failed=failed,
        notes=notes,
        remarks=remarks,
        again=again,
    )
