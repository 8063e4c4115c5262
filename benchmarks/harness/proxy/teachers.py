"""Whose noise a denoiser learns from, and where it is put."""

from dataclasses import dataclass

GENERATOR = "cono"
_NAMES = {
    "awgn": "AWGN",
    "nlf": "NLF",
    "poisson": "Poisson",
    "poisson_gaussian": "Poisson-Gaussian",
    GENERATOR: "CoNo",
}


@dataclass(frozen=True)
class Teacher:
    """One source of noise.

    Attributes:
        kind: of `jaxnoise.noise.at_sigma`, or `GENERATOR`.
        domain: "RAW", before demosaicing, or "RGB".
    """

    kind: str
    domain: str

    @property
    def name(self) -> str:
        """On the command line and in the names of folders."""
        return f"{self.kind}-{self.domain.lower()}"

    @property
    def title(self) -> str:
        """In tables."""
        return f"{_NAMES[self.kind]} in {self.domain}"


TEACHERS = {
    teacher.name: teacher
    for teacher in (*(Teacher(kind, domain) for kind in _NAMES for domain in ("RGB", "RAW")),)
    # The generator makes noise of packed raw only.
    if (teacher.kind, teacher.domain) != (GENERATOR, "RGB")
}
USUAL = ("awgn-rgb", "awgn-raw", "nlf-rgb", "nlf-raw", "cono-raw")
