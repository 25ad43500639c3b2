"""What the course asked, as its slides say it: HW06 of NTU's Machine Learning, 2021, 2022 and 2023."""

from __future__ import annotations

COUNT = 1000
"""Pictures in the archive, named 1.jpg to 1000.jpg, without a folder."""
MOST_BYTES = 2_000_000
"""The archive must be smaller than 2 MB; counted as 2,000,000 bytes, the stricter reading."""
SIDE = 64
"""Pixels: the size that the course's sample code writes."""

THRESHOLDS: list[tuple[str, str, int, float, str]] = [
    ("2021", "simple", 30_000, 0.00, "a random submission"),
    ("2021", "medium", 11_800, 0.43, "DCGAN + WGAN, 2 to 6 h"),
    ("2021", "strong", 9_300, 0.53, "DCGAN + SNGAN, 2 to 6 h"),
    ("2021", "boss", 8_200, 0.68, "StyleGAN and its like, 6 to 16 h"),
    ("2022, 2023", "simple", 30_000, 0.0, "the sample code, 1 h"),
    ("2022, 2023", "medium", 12_000, 0.4, "DCGAN for longer, 1 to 1.5 h"),
    ("2022, 2023", "strong", 10_000, 0.5, "WGAN or WGAN-GP, 2 to 3 h"),
    ("2022, 2023", "boss", 9_000, 0.6, "StyleGAN, 5 to 8 h"),
]
"""Year, line, FID at most, AFD at least, what the slides suggest for it."""

WHAT_THEY_ARE = (
    "The course's thresholds cannot be computed here: its grader never said which features its FID used (no FID on the "
    "standard Inception features has values in the thousands) nor which face detector its AFD used. "
    "Compare with them only what its grader printed; for numbers of your own use: leafwing evaluate."
)


def thresholds_text() -> str:
    """The table, and what it is."""
    head = f"{'year':<12}{'line':<8}{'FID at most':>12}{'AFD at least':>14}  suggested"
    rows = [f"{year:<12}{line:<8}{fid:>12,}{afd:>14.2f}  {how}" for year, line, fid, afd, how in THRESHOLDS]
    return "\n".join([head, *rows, WHAT_THEY_ARE])
