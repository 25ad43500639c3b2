"""What a file's name says: whether it claims to be a picture, whether it is safe, how to show it."""

from __future__ import annotations

from pathlib import PurePosixPath

READ_EXTENSIONS = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"}
# Kinds that claim to be pictures but are not read: named as bad rather than passed over in silence.
OTHER_EXTENSIONS = {".avif", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".svg", ".eps", ".ps"}
OTHER_EXTENSIONS |= {".ico", ".psd", ".tga", ".exr", ".hdr", ".ppm", ".pgm", ".pbm", ".pnm"}


def shown(name: object) -> str:
    """Quote a name for a message: control characters and undecodable bytes are escaped, others kept."""
    text = "".join(c if c.isprintable() else _escaped(c) for c in str(name))
    return f"'{text}'"


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: an undecodable byte of the file system
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def claims_picture(name: str) -> bool:
    """Whether the ending says that this is a picture, read or not."""
    ending = PurePosixPath(name).suffix.lower()
    return ending in READ_EXTENSIONS or ending in OTHER_EXTENSIONS


def is_junk(name: str) -> bool:
    """Whether any part of a relative name is a dotfile or macOS's resource folder."""
    return any(part == "__MACOSX" or (part.startswith(".") and part not in (".", "..")) for part in name.split("/"))


def unsafe(name: str) -> str | None:
    """Return why an archive member's name is refused, or ``None`` when it stays inside the archive."""
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        return "unsafe name: absolute"
    if ".." in name.replace("\\", "/").split("/"):
        return "unsafe name: leaves the archive by '..'"
    if "\0" in name:
        return "unsafe name: holds a NUL"
    return None


PICTURE_STARTS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
)


def starts_as_picture(head: bytes) -> bool:
    """Whether a file's first 16 bytes are those of a kind that is read (BMP: with a sane header)."""
    if head.startswith(PICTURE_STARTS):
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    return head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and len(head) >= 14
