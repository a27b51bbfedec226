"""Takes logos from strangers: an upload becomes a small PNG of our own making, or is refused with the reason."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from orgtui.domain.errors import Invalid
from orgtui.domain.text import clean

if TYPE_CHECKING:
    from PIL.Image import Image

RGB = tuple[int, int, int]
Rows = tuple[tuple[RGB, ...], ...]

LIMIT: Final = 2 * 1024 * 1024
SIDE: Final = 256
"""The most pixels a kept logo has on a side."""
ICON_SIDE: Final = 32
"""The pixels on a side of a kept logo's icon."""
UPLOAD_SIDE: Final = 4096
"""The most pixels an upload may have on a side."""

# Chunks, segments or sub-blocks that a parser walks one by one: files have dozens, hostile ones hundreds of thousands.
_BLOCKS = 4096
# A progressive JPEG goes over all its pixels once a scan, and a scan can be a few bytes. Encoders make ten to twenty.
_SCANS = 24
_EXIF_LIMIT = 1 << 16
_ORIENTATION = 0x0112
# A transparent logo this close to what it stands on (in luminance, of 255) could not be seen.
_FAINT = 48
_MAGIC = (("PNG", b"\x89PNG\r\n\x1a\n"), ("JPEG", b"\xff\xd8\xff"), ("GIF", b"GIF87a"), ("GIF", b"GIF89a"))


@dataclass(frozen=True, slots=True)
class _Bare:
    """A file with nothing left in it but what draws the picture; its EXIF aside."""

    kind: str
    data: bytes
    exif: bytes = b""
    scans: int = 1


# From a path.


def load_logo(path: Path) -> bytes:
    """The content of an image file, of which no more than the limit is read; raises Invalid for all but plain files."""
    shown = clean(str(path))
    try:
        # Asked before opening: opening a device can already do something.
        _check_file(path.stat(), shown)
        # A pipe put in its place meanwhile must not make this wait.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as file:
            _check_file(os.fstat(file.fileno()), shown)
            return file.read(LIMIT + 1)
    except FileNotFoundError:
        message = f"There is no file {shown}; check the path."
    except ValueError:
        message = f"{shown} is not a path; name an image file."
    except OSError as error:
        message = f"{shown} cannot be read ({error.strerror}); choose a file that can."
    _refuse(message)


def _check_file(status: os.stat_result, shown: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        _refuse(f"{shown} is a directory; name the image file in it.")
    if not stat.S_ISREG(status.st_mode):
        _refuse(f"{shown} is not a plain file; name an image file.")
    check_size(status.st_size)


# From bytes.


def accept_logo(data: bytes) -> bytes:
    """The PNG that is kept for an upload; raises Invalid for all but a square PNG, JPEG or GIF of at most 2 MB."""
    check_size(len(data))
    kind = next((kind for kind, magic in _MAGIC if data.startswith(magic)), None)
    if kind is None:
        _refuse("The logo is not a PNG, JPEG or GIF image, whatever its name; export it as one of these.")
    try:
        return _reencoded(_BARE[kind](data))
    except Invalid:
        raise
    except Exception as error:  # Parsers of hostile files fail in every way there is; all of them mean the same.
        raise Invalid(f"The logo is a damaged or incomplete {kind}; export it again.", field="logo") from error


def icon(png: bytes) -> bytes:
    """A kept logo as a PNG of 32×32, small enough to come with every card."""
    from PIL.Image import Resampling

    small = _opened(_bare_png(png), SIDE).resize((ICON_SIDE, ICON_SIDE), Resampling.BOX)
    encoded = BytesIO()
    small.save(encoded, "PNG", optimize=True)
    return encoded.getvalue()


def pixels(png: bytes, width: int, height: int, ground: RGB = (0, 0, 0)) -> Rows:
    """A kept logo in *height* rows of *width* colours, on *ground* where it is transparent; raises Invalid.

    A transparent logo that would vanish in its ground stands on black or white instead.
    """
    from PIL.Image import Resampling

    try:
        image = _on(ground, _in_colours(_opened(_bare_png(png), SIDE)))
        flat = image.resize((width, height), Resampling.BOX).tobytes()
    except Invalid:
        raise
    except Exception as error:  # As for uploads: the store may be on another machine, or restored from anywhere.
        raise Invalid("The kept logo is damaged; upload it again.", field="logo") from error
    line = 3 * width
    return tuple(
        tuple((flat[at], flat[at + 1], flat[at + 2]) for at in range(start, start + line, 3))
        for start in range(0, line * height, line)
    )


def luminance(colour: RGB) -> int:
    """How bright a colour is to the eye, 0 to 255."""
    red, green, blue = colour
    return (299 * red + 587 * green + 114 * blue) // 1000


def _on(ground: RGB, image: Image) -> Image:
    """The image without transparency."""
    from PIL.Image import Resampling, alpha_composite, new

    if image.mode == "RGB":
        return image
    red, green, blue, alpha = image.convert("RGBa").resize((1, 1), Resampling.BOX).tobytes()
    behind = luminance(ground)
    if 0 < alpha < 255 and abs(luminance((red, green, blue)) * 255 // alpha - behind) < _FAINT:
        ground = (255, 255, 255) if behind < 128 else (0, 0, 0)
    return alpha_composite(new("RGBA", image.size, (*ground, 255)), image).convert("RGB")


def check_size(size: int) -> None:
    """Raise Invalid for an image of so many bytes, if that is too many or none."""
    if size > LIMIT:
        # Rounded up, so that it never reads as the limit itself.
        tenths = -(-size * 10 // (1024 * 1024))
        _refuse(f"The logo is {tenths // 10}.{tenths % 10} MB; max 2 MB. Make it smaller.")
    if not size:
        _refuse("The logo is an empty file; choose an image.")


def _refuse(message: str) -> NoReturn:
    raise Invalid(message, field="logo")


def _reencoded(bare: _Bare) -> bytes:
    image = _opened(bare, UPLOAD_SIDE)
    width, height = image.size
    if width != height:
        _refuse(f"The logo is {width}×{height} pixels; it must be square. Crop it.")
    if bare.scans > _SCANS:
        _refuse("The logo is a JPEG of too many scans; export it again.")
    image.draft(None, (2 * SIDE, 2 * SIDE))
    small = _upright(_reduced(image), bare.exif)
    # Whatever came with the upload would be written again.
    small.info = {}
    encoded = BytesIO()
    small.save(encoded, "PNG")
    return encoded.getvalue()


def _opened(bare: _Bare, side: int) -> Image:
    """The image with its size known and its pixels not yet decoded."""
    from PIL import Image

    # Again each time: whatever resets the filters must not disarm this one.
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        image = Image.open(BytesIO(bare.data), formats=(bare.kind,))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        _refuse(f"The logo has too many pixels; at most {side}×{side} fit. Scale it down.")
    if max(image.size) > side:
        _refuse(f"The logo is {image.width}×{image.height} pixels; at most {side}×{side} fit. Scale it down.")
    return image


def _reduced(image: Image) -> Image:
    """At most 256×256, in RGB or RGBA, by strips: the whole in RGBA would be as large again as the upload."""
    from PIL.Image import new

    side = image.width
    factor = side // (2 * SIDE)
    if factor < 2:
        small = _in_colours(image)
    else:
        small = new("RGBA" if image.has_transparency_data else "RGB", (-(-side // factor),) * 2)
        for top in range(0, side, 64 * factor):
            strip = image.crop((0, top, side, min(top + 64 * factor, side)))
            small.paste(_in_colours(strip).reduce(factor), (0, top // factor))
    small.thumbnail((SIDE, SIDE), reducing_gap=None)
    return small


def _in_colours(image: Image) -> Image:
    if image.mode == "I;16":
        # Pillow would cut sixteen bits off at 255 instead of scaling them.
        image = image.point(lambda value: value * (1 / 257)).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _upright(image: Image, exif: bytes) -> Image:
    """The image as the camera was held."""
    from PIL.Image import Exif, Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    # Pillow prints what it dislikes in EXIF, which would land on the screen.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    found = Exif()
    try:
        found.load(exif)
        turn = turns.get(found.get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 (a picture whose notes are unreadable is still the picture)
        turn = None
    return image if turn is None else image.transpose(turn)


# What each format can do without. Pillow reads all of it, block by block, and that is where hostile files cost seconds.


def _bare_png(data: bytes) -> _Bare:
    """The chunks that draw; no text, no colour profile, no second frame."""
    kept, exif, at = [data[:8]], b"", 8
    for _ in range(_BLOCKS):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if end > len(data):
            break
        if kind == b"eXIf" and end - at < _EXIF_LIMIT:
            exif = data[at + 8 : end - 4]
        elif kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(data[at:end])
        if kind == b"IEND":
            return _Bare("PNG", b"".join(kept), exif)
        at = end
    raise ValueError("no end within the blocks a PNG may have")


def _bare_jpeg(data: bytes) -> _Bare:
    """The tables, the frame and the scans; of what applications put in, JFIF and Adobe, which say what colours mean."""
    kept, exif, at = [data[:2]], b"", 2
    for _ in range(_BLOCKS):
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at] != 0xFF:
            break
        if marker == 0xDA:
            rest = data[at:]
            return _Bare("JPEG", b"".join(kept) + rest, exif, rest.count(b"\xff\xda"))
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            exif = exif or data[at + 4 : end]
        elif marker == 0xEE or not (0xE1 <= marker <= 0xEF or marker == 0xFE):
            kept.append(data[at:end])
        at = end
    raise ValueError("no scan within the segments a JPEG may have")


def _bare_gif(data: bytes) -> _Bare:
    """The screen, the first image and what controls it; the frames after it are never looked at."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    head, control, extension = data[:at], b"", 0
    for _ in range(_BLOCKS):
        if extension:
            size = data[at]
            at += 1 + size
            if not size:
                control = data[extension:at] if data[extension + 1] == 0xF9 else control
                extension = 0
        elif data[at] == 0x21:
            extension, at = at, at + 2
        elif data[at] == 0x2C:
            return _Bare("GIF", head + control + data[at:])
        else:
            break
    raise ValueError("no image within the blocks a GIF may have")


_BARE: dict[str, Callable[[bytes], _Bare]] = {"PNG": _bare_png, "JPEG": _bare_jpeg, "GIF": _bare_gif}
