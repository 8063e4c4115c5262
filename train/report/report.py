"""The report of a run: report.html, its figures as PNG files, and evaluation.json."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.report.page import page
from train.report.reproduction import reproduction
from train.report.section import Section
from train.report.style import save_png
from train.report.test_set import TestSet

LEFT_OUT = "Pictures of patches are left out, as asked; all figures are statistics."


@dataclass(frozen=True, kw_only=True)
class Report:
    """What there is to say of a run.

    Attributes:
        title: heading.
        subject: one line on what was looked at.
        sections: in their order; at least one.
        notes: sentences for the end, such as the unit and the dequantisation.
        facts: more numbers for evaluation.json.
    """

    title: str
    subject: str
    sections: Sequence[Section]
    notes: Sequence[str] = ()
    facts: dict[str, Any] | None = None

    @property
    def failed(self) -> list[str]:
        """Sentences that say why what was trained is of no use."""
        return [sentence for section in self.sections for sentence in section.failed]

    def numbers(self) -> dict[str, Any]:
        """What evaluation.json holds: every number in the report's tables."""
        found: dict[str, Any] = {"title": self.title, **(self.facts or {})}
        for section in self.sections:
            found |= section.numbers
        return {**found, "notes": list(self.notes)}

    def write(
        self, folder: Path, *, failed: Sequence[str] = (), remarks: Sequence[str] = ()
    ) -> str:
        """Writes figures/*.png, evaluation.json and a self-contained report.html.

        Args:
            folder: the run folder; made when missing.
            failed: sentences that come before all others.
            remarks: sentences that come after the verdict.

        Returns:
            The tables for a terminal.

        Raises:
            ValueError: when there are no sections.
        """
        if not self.sections:
            raise ValueError("there is nothing to report: pass the result of at least one model.")
        numbers = {**self.numbers(), "failed": list(failed), "remarks": list(remarks)}
        text = page(
            self.title,
            self.subject,
            self.sections,
            failed=failed,
            remarks=remarks,
            notes=self.notes,
            again=reproduction(Path(folder)),
        )
        figures = Path(folder) / "figures"
        figures.mkdir(parents=True, exist_ok=True)
        for section in self.sections:
            for picture in section.pictures:
                save_png(picture, figures / f"{picture.name}.png")
        content = json.dumps(numbers, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        _write(Path(folder) / "evaluation.json", content)
        _write(Path(folder) / "report.html", text)
        return "\n\n".join(section.text for section in self.sections if section.text)


def report_of_patches(
    title: str,
    test: TestSet,
    sections: Sequence[Section],
    *,
    notes: Sequence[str],
    show_images: bool,
) -> Report:
    """A report on held-out patches.

    Args:
        title: heading.
        test: the patches.
        sections: about them.
        notes: sentences for the end.
        show_images: whether the sections have pictures of patches.

    Returns:
        The report.
    """
    count, (height, width, channels) = len(test.clean), test.clean.shape[1:]
    return Report(
        title=title,
        subject=f"{count} held-out patches of {height} × {width} × {channels} with {test.origin}.",
        sections=sections,
        notes=[*notes, *test.notes(), *([] if show_images else [LEFT_OUT])],
        facts={
            "patches": count,
            "patch_shape": list(test.clean.shape[1:]),
            "noise": test.origin,
            "left_out": test.left_out,
        },
    )


def _write(path: Path, text: str) -> None:
    """Replaces the file at once, so that a reader never sees half of it."""
    temporary = path.with_name(path.name + ".tmp")
    # A link that lies there must not be followed; bytes of file names that are no text are spelt.
    temporary.unlink(missing_ok=True)
    temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    os.replace(temporary, path)
