"""``leafwing report``: everything that is known of a run on one page."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path

from leafwing._version import __version__
from leafwing.core.errors import LeafwingError
from leafwing.core.progress import counting
from leafwing.core.published import replace_file
from leafwing.explore.of_run import Look
from leafwing.report import page, parts
from leafwing.report.parts import Part

PARTS: dict[str, tuple[str, Part]] = {
    "samples": ("Samples", parts.samples),
    "timeline": ("How it learned", parts.timeline),
    "curves": ("Curves", parts.curves),
    "measures": ("Measures", parts.measures),
    "rivals": ("Every D against every G", parts.rivals),
    "gaze": ("Where D looks", parts.gaze),
    "copies": ("Is it a copy?", parts.copies),
    "walk": ("From picture to picture", parts.walk_strip),
    "settings": ("Settings", parts.settings),
}
"""Anchor -> heading, and how it is made; in this order."""


def write_report(run: Look, out: Path) -> list[str]:
    """Write the page; a part that cannot be made says why instead.

    Args:
        run: opened by :func:`leafwing.explore.of_run.look`.
        out: the HTML file; there whole or not at all.

    Returns:
        A sentence for each part that is not there.
    """
    top, why = attempt(parts.summary, run)
    sections, absent = [], [why] if why else []
    with counting("report") as report:
        for number, (anchor, (heading, part)) in enumerate(PARTS.items(), 1):
            body, why = attempt(part, run)
            sections.append(page.Section(anchor, heading, body))
            absent += [f"{heading}: {why}"] if why else []
            report(number, len(PARTS))
    name = run.folder.resolve().name
    lead = f"A report on the run {name}. The pictures were made by a generator."
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    foot = f"Leafwing {__version__}, {now}. Again: leafwing report {shlex.quote(str(run.folder))}"
    out.parent.mkdir(parents=True, exist_ok=True)
    replace_file(out, page.page(run.recipe.title or name, lead, top, sections, foot).encode())
    return absent


def attempt(part: Part, run: Look) -> tuple[str, str]:
    """A part's HTML and ``""``; or a note that it is missing, and why."""
    try:
        return part(run), ""
    except LeafwingError as reason:
        return page.missing(str(reason)), str(reason)
    except OSError as reason:
        why = f"{reason.filename or run.folder}: {reason.strerror or reason}."
        return page.missing(why), why
