"""The doctor's report: for people as text, for programs as a dict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from leafwing.data.entries import BadFile
from leafwing.data.names import shown

BLURRED = 40.0
"""Below this variance of the Laplacian at 64×64 a picture counts as blurred."""
FEW = 5


@dataclass
class Report:
    """What the doctor found. Names are those inside the source; sizes are [width, height] in pixels.

    Attributes:
        source: what was checked.
        kind: folder, zip, tar, npz, npy, idx or world.
        image_size: the side that was asked for.
        used: how many pictures a build would use.
        not_pictures: how many other files were passed over.
        smallest: size with the least area.
        median: size in the middle, by area.
        largest: size with the greatest area.
        common_sizes: up to five [width, height, how many].
        formats: how many of each format, by content.
        modes: how many of each colour mode before conversion.
        bad: files that would be skipped, with the reasons.
        bad_reasons: how many for each kind of reason.
        misnamed: [name, format] where the ending promises another format.
        exact_duplicates: groups of names with the same decoded pixels.
        near_duplicates: groups of names that are the same but for size, compression or light;
            of exact duplicates only the first takes part.
        blurred: [name, sharpness] below the threshold, the blurriest first; constant ones are not here.
        blurriest: the ten least sharp, whether or not below the threshold.
        constant: names of pictures of one colour.
        not_square: how many, and what share of their pixels the centre crop loses (median, most).
        transparent: how many show the background.
        animated: how many have frames beyond the first, which are not used.
        rotated: how many are turned upright by EXIF.
        actions: how many pictures undergo each step.
        fates: for each candidate, in order, [name, [steps]].
        verdict: one line.
    """

    source: str
    kind: str
    image_size: int
    used: int = 0
    not_pictures: int = 0
    smallest: list[int] = field(default_factory=list)
    median: list[int] = field(default_factory=list)
    largest: list[int] = field(default_factory=list)
    common_sizes: list[list[int]] = field(default_factory=list)
    formats: dict[str, int] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    bad: list[BadFile] = field(default_factory=list)
    bad_reasons: dict[str, int] = field(default_factory=dict)
    misnamed: list[list[str]] = field(default_factory=list)
    exact_duplicates: list[list[str]] = field(default_factory=list)
    near_duplicates: list[list[str]] = field(default_factory=list)
    blurred: list[tuple[str, float]] = field(default_factory=list)
    blurriest: list[tuple[str, float]] = field(default_factory=list)
    constant: list[str] = field(default_factory=list)
    not_square: dict[str, float] = field(default_factory=dict)
    transparent: int = 0
    animated: int = 0
    rotated: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    fates: list[tuple[str, list[str]]] = field(default_factory=list)
    verdict: str = ""

    @property
    def blurred_share(self) -> float:
        """Share of the used pictures below the sharpness threshold, 0 to 1."""
        return len(self.blurred) / self.used if self.used else 0.0

    def as_dict(self, *, each: bool = False) -> dict[str, Any]:
        """All of it for ``json.dumps``; ``each`` adds what would be done with every single picture."""
        made: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "fates"}
        made["bad"] = [{"name": b.name, "reason": b.reason} for b in self.bad]
        made["blurred"] = [list(item) for item in self.blurred]
        made["blurriest"] = [list(item) for item in self.blurriest]
        made["blurred_share"], made["blurred_below"] = self.blurred_share, BLURRED
        if each:
            made["fates"] = [list(item) for item in self.fates]
        return made

    def text(self) -> str:
        """A dozen lines for people; only what there is to say."""
        lines = [f"{shown(self.source)} ({self.kind}), for {self.image_size}×{self.image_size} pixels"]
        if self.used:
            lines += self._about_sizes()
        lines += self._about_trouble()
        if self.actions:
            lines.append(_line("what is done", _counts(self.actions)))
        return "\n".join([*lines, self.verdict])

    def _about_sizes(self) -> list[str]:
        common = ", ".join(f"{w}×{h} ({n:,})" for w, h, n in self.common_sizes[:3])
        spread = " to ".join("×".join(map(str, size)) for size in (self.smallest, self.median, self.largest))
        lines = [_line("sizes", f"{spread} (least, median, most); most common {common}")]
        if self.formats:
            lines.append(_line("formats", _counts(self.formats)))
        lines.append(_line("colours", _counts(self.modes)))
        if self.not_square:
            count, median, most = (self.not_square[key] for key in ("count", "median", "most"))
            lost = f"a centre crop loses {median:.0%} of each (median), at most {most:.0%}"
            lines.append(_line("not square", f"{count:,.0f}: {lost}"))
        return lines

    def _about_trouble(self) -> list[str]:
        found: list[tuple[str, int, str]] = [
            ("other files", self.not_pictures, "passed over"),
            ("cannot be used", len(self.bad), _some([f"{shown(b.name)} {b.reason}" for b in self.bad])),
            ("misnamed", len(self.misnamed), _some([f"{shown(n)} is {kind}" for n, kind in self.misnamed])),
            ("exact duplicates", len(self.exact_duplicates), _groups(self.exact_duplicates)),
            ("near duplicates", len(self.near_duplicates), _groups(self.near_duplicates)),
            (
                "blurred",
                len(self.blurred),
                f"{self.blurred_share:.1%}; " + _some([f"{shown(n)} {v:.0f}" for n, v in self.blurred]),
            ),
            ("one colour only", len(self.constant), _some([shown(n) for n in self.constant])),
        ]
        return [_line(what, f"{count:,}: {detail}") for what, count, detail in found if count]


def _line(what: str, text: str) -> str:
    return f"  {what + ':':<18}{text}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def _some(items: Sequence[str]) -> str:
    return ", ".join(items[:FEW]) + (", …" if len(items) > FEW else "")


def _groups(groups: list[list[str]]) -> str:
    extra = sum(len(group) - 1 for group in groups)
    return f"groups, {extra:,} to spare; " + _some([" = ".join(map(shown, group[:3])) for group in groups])
