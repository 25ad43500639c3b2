"""What was measured, as a table for people and as JSON: every number with its spread, and the protocol under it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leafwing.measure.bootstrap import Measured


@dataclass(frozen=True)
class Line:
    """One measure.

    Attributes:
        samples: of the samples.
        data: the data's own, where the measure can be asked of one set.
        better: how to read it.
    """

    samples: Measured
    data: Measured | None
    better: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; a number that is not finite becomes null."""
        made = _plain(self.samples) | {"better": self.better}
        return made | ({"data": _plain(self.data)} if self.data else {})


@dataclass(frozen=True)
class Verdict:
    """Everything that one evaluation found.

    Attributes:
        protocol: network, weights, resizer, samples, data, seed: what makes the numbers comparable.
        measures: by name, ``frechet[squeezenet]`` and so on.
        warnings: what makes a number less than it seems, a sentence each.
        hints: what else could be done.
    """

    protocol: Mapping[str, Any]
    measures: Mapping[str, Line]
    warnings: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "protocol": dict(self.protocol),
            "measures": {name: line.as_dict() for name, line in self.measures.items()},
            "warnings": self.warnings,
            "hints": self.hints,
        }

    def text(self) -> str:
        """A table, the protocol, warnings, hints."""
        rows = [("measure", "samples", "± spread", "the data's own", "better")]
        for name, line in self.measures.items():
            note = f"  ({line.samples.note})" if line.samples.note else ""
            own = f"{_number(line.data.value)} ± {_spread(line.data)}" if line.data else ""
            rows.append((name, _number(line.samples.value), f"± {_spread(line.samples)}", own, line.better + note))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].ljust(widths[2]),
                       row[3].ljust(widths[3]), row[4]]).rstrip()
            for row in rows
        ]  # fmt: skip
        lines += ["", protocol_line(self.protocol)]
        lines += [f"warning: {sentence}" for sentence in self.warnings]
        return "\n".join(lines + self.hints)


def protocol_line(protocol: Mapping[str, Any]) -> str:
    """The protocol in words."""
    p = protocol
    weights = f", weights sha256 {p['weights_sha256'][:12]}" if p.get("weights_sha256") else ""
    size = f", at {p['side']} px by the {p['resizer']} resizer" if p.get("side") else ""
    return (
        f"protocol: network {p['network']} ({p['features']:,} features{weights}{size}, {p['preprocessing']}); "
        f"{p['samples']:,} of {p['samples_of']} against {p['pictures']:,} of {p['pictures_of']}, "
        f"{p['image_size']} px; seed {p['seed']}; k = {p['nearest']}; spread: one standard deviation over "
        f"{p['resamples']} resamples where no other is named"
    )


def _plain(measured: Measured) -> dict[str, Any]:
    made: dict[str, Any] = {"value": _finite(measured.value), "spread": _finite(measured.spread)}
    return made | ({"note": measured.note} if measured.note else {})


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def _spread(measured: Measured) -> str:
    return "?" if measured.spread is None else f"{measured.spread:.2g}"
