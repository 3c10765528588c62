"""Pictures as parts of a message: opened lazily, always upright, 8-bit RGB.

Whatever a file holds (grey, palette, CMYK, 16 bits, transparency, a rotation in its EXIF block), `Image.pixels` is
(H, W, 3) uint8. Sizes are (width, height) of the upright picture, in pixels.
"""

import base64
import binascii
import io
import os
import re
import warnings
from contextlib import contextmanager
from dataclasses import fields

import numpy as np

MAX_PIXELS = 100_000_000
MAX_DOWNLOAD_BYTES = 64 * 1024 * 1024
DOWNLOAD_SECONDS = 20.0

# EXIF orientation -> how many quarter turns (counter-clockwise, as numpy.rot90 counts), and whether to mirror first.
_ORIENTATION = {2: (0, True), 3: (2, False), 4: (2, True), 5: (1, True), 6: (3, False), 7: (3, True), 8: (1, False)}
_TURNED = (5, 6, 7, 8)


def _same(first, second) -> bool:
    """Equality of two field values; arrays by shape and content, tuples item by item."""
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and np.array_equal(first, second)
    if isinstance(first, tuple) and isinstance(second, tuple):
        return len(first) == len(second) and all(_same(a, b) for a, b in zip(first, second, strict=True))
    return first == second


class Part:
    """Base of everything a message can hold. Equal when of one type with equal fields; hashed by identity."""

    def __eq__(self, other):
        if type(self) is not type(other):
            return NotImplemented
        if self is other:
            return True
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.compare)

    __hash__ = object.__hash__


def frozen_array(value, dtype, name: str, shape: tuple) -> np.ndarray:
    """`value` as a read-only array of `dtype`; `shape` holds ints, or None where any length will do.

    A writeable array is copied, so that nobody changes a part behind its back; a read-only one is shared.
    Raises ValueError when the shape does not fit, the values are no numbers, or a float is not finite.
    """
    try:
        array = np.asarray(value, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of {np.dtype(dtype).name}, got {short(repr(value))}.") from error
    if array.size == 0 and array.ndim < len(shape):
        array = np.zeros(tuple(0 if n is None else n for n in (None, *shape[1:])), dtype)
    fits = array.ndim == len(shape) and all(n is None or n == m for n, m in zip(shape, array.shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} must have shape ({wanted}), got {array.shape}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are not finite; remove them or write numbers.")
    return read_only(array, value)


def read_only(array: np.ndarray, original=None) -> np.ndarray:
    """`array` made read-only; copied first when it shares writeable memory with `original`."""
    if array.flags.writeable:
        if isinstance(original, np.ndarray) and np.may_share_memory(array, original):
            array = array.copy()
        array.flags.writeable = False
    return array


def short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


class Image(Part):
    """One picture, opened when first needed.

    source: a path, an http(s) URL, a data URI, the bytes of a picture file, a PIL image, or a uint8 array
        (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA.
    size: (width, height) of the upright picture when already known; spares opening the file. Checked on reading.
    of: index of the picture of the conversation that this one is a changed copy of; None for any other.
    restored: that copy shows the same, freed of what spoiled it, or turned (and may exchange width and height).

    Errors: ValueError with one sentence naming the picture, when it is made (wrong type of source) or first read
    (missing, truncated, not a picture, above 100 megapixels, not downloadable).
    """

    def __init__(self, source, size=None, of=None, restored=False):
        if isinstance(source, Image):
            restored, of = restored or source.restored, source.of if of is None else of
            source, size = source.source, size or source._declared
        self.of, self.restored = of, bool(restored)
        if isinstance(source, os.PathLike):
            source = os.fspath(source)
        self._declared = None if size is None else _checked_size(size)
        self._size = self._declared
        self._bytes = None
        if isinstance(source, np.ndarray):
            source = _checked_array(source)
        elif isinstance(source, (bytes, bytearray, memoryview)):
            source = bytes(source)
        elif not isinstance(source, str):
            source = _from_pil(source)
        elif not source.strip():
            raise ValueError("A picture's source is empty; give a path, a URL, a data URI, an array or a PIL image.")
        self._source = source
        if isinstance(source, np.ndarray):
            self._match((source.shape[1], source.shape[0]))

    @property
    def source(self):
        """str (path, URL or data URI), bytes, or a read-only uint8 array (PIL images are held as arrays, with their alpha channel)."""
        return self._source

    @property
    def declared_size(self) -> tuple[int, int] | None:
        """The `size` given when this was made."""
        return self._declared

    @property
    def kind(self) -> str:
        """"array", "bytes", "data" (URI), "url" or "path"."""
        if isinstance(self._source, np.ndarray):
            return "array"
        if isinstance(self._source, bytes):
            return "bytes"
        start = self._source[:8].lower()
        if start.startswith("data:"):
            return "data"
        return "url" if start.startswith(("http://", "https://")) else "path"

    @property
    def name(self) -> str:
        """How sentences call this picture: its path or URL, or a few words."""
        kind = self.kind
        if kind in ("path", "url"):
            return f"'{short(self._source, 200)}'"
        return {"array": "the picture given as an array", "bytes": "the picture given as bytes",
                "data": "the picture given as a data URI"}[kind]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, upright. Reads the header of the file only."""
        if self._size is None:
            with self._open() as opened:
                turned = opened.format != "TIFF" and _orientation(opened) in _TURNED
                self._size = opened.size[::-1] if turned else opened.size
        return self._size

    @property
    def known_size(self) -> tuple[int, int] | None:
        """`size` where it costs no download, else None."""
        return None if self._size is None and self.kind == "url" and self._bytes is None else self.size

    @property
    def pixels(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, upright, read-only; transparent places are white. Decoded anew at every call (keep
        the array if you need it twice), so that a list of many pictures stays small."""
        return _array_to_rgb(self._source) if isinstance(self._source, np.ndarray) else self._decoded(_to_rgb)

    @property
    def transparent(self) -> np.ndarray | None:
        """(H, W, 4) uint8 RGBA, upright: colours as they are under the transparency. None for a picture without an alpha channel."""
        if isinstance(self._source, np.ndarray):
            return self._source if self._source.ndim == 3 and self._source.shape[2] == 4 else None
        rgba_HW4 = self._decoded(_to_rgba)
        return rgba_HW4 if rgba_HW4.ndim == 3 else None

    def _decoded(self, read) -> np.ndarray:
        """What `read` makes of the opened file, turned upright."""
        with self._open() as opened:
            orientation = 1 if opened.format == "TIFF" else _orientation(opened)  # Pillow turns TIFF files itself
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    opened.load()
                    array = read(opened)
            except Exception as error:  # decoders of damaged files raise nearly anything
                raise ValueError(f"Cannot decode {self.name}: {reason(error)}; the file is truncated or damaged."
                                 ) from error
        if orientation in _ORIENTATION:
            turns, mirror = _ORIENTATION[orientation]
            array = np.ascontiguousarray(np.rot90(array[:, ::-1] if mirror else array, turns))
        if array.ndim == 3:
            self._match((array.shape[1], array.shape[0]))
        return read_only(array)

    def pil(self, transparent: bool = False):
        """The upright picture as an RGB PIL image; as RGBA where it has an alpha channel and `transparent` asks for it."""
        from PIL import Image as PilImage

        rgba_HW4 = self.transparent if transparent else None
        return PilImage.fromarray(self.pixels if rgba_HW4 is None else rgba_HW4)

    def data_uri(self) -> str:
        """The picture as a data URI: the original file if there is one, else a PNG of the array (lossless)."""
        if self.kind == "data":
            return self._source
        if self.kind == "array":
            raw = _png(self._source)
        else:
            raw = self._read()
        return f"data:{_mime(raw)};base64,{base64.b64encode(raw).decode('ascii')}"

    def _match(self, size: tuple[int, int]) -> None:
        if self._declared is not None and self._declared != size:
            raise ValueError(f"{_capital(self.name)} is {size[0]} x {size[1]} pixels when upright, but "
                             f"{self._declared[0]} x {self._declared[1]} was declared; correct the declared size.")
        _checked_size(size, self.name)
        self._size = size

    def _read(self) -> bytes:
        """The bytes of the picture file."""
        kind = self.kind
        if kind == "bytes":
            return self._source
        if kind == "data":
            return _decode_data_uri(self._source)
        if kind == "url":
            if self._bytes is None:
                self._bytes = _download(self._source)
            return self._bytes
        with _opened_file(self._source) as file:
            return file.read()

    @contextmanager
    def _open(self):
        """The PIL image, header read, its size checked."""
        from PIL import Image as PilImage

        with _opened_file(self._source) if self.kind == "path" else io.BytesIO(self._read()) as stream:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    opened = PilImage.open(stream)
            except PilImage.DecompressionBombError as error:
                raise ValueError(f"{_too_large(self.name)} Shrink it first.") from error
            except Exception as error:
                empty = stream.seek(0, io.SEEK_END) == 0
                why = "it is empty" if empty else "it is not a picture file that Pillow knows, or its header is damaged"
                raise ValueError(f"Cannot open {self.name} as a picture: {why}.") from error
            _checked_size(opened.size, self.name)
            yield opened

    def __eq__(self, other):
        if not isinstance(other, Image):
            return NotImplemented
        if (self.of, self.restored) != (other.of, other.restored):
            return False
        if self is other or (type(self._source) is type(other._source) and isinstance(self._source, (str, bytes))
                             and self._source == other._source):
            return True
        if isinstance(self._source, str) and isinstance(other._source, str):
            return False
        return self.size == other.size and np.array_equal(self.pixels, other.pixels)

    __hash__ = object.__hash__

    def __repr__(self):
        size = "" if self._size is None else f", size={self._size}"
        what = repr(short(self._source, 60)) if isinstance(self._source, str) else f"<{self.kind}>"
        return f"Image({what}{size})"


class Drafted(Image):
    """A picture made in turns, and what it was like before the last of them: for those who learn to make it so.

    drafts: pictures (or sources of such), the earliest first, each with more of what the finished one shows. Files of conversations
        do not keep them: read from one, it is an `Image`.
    """

    def __init__(self, source, drafts=()):
        super().__init__(source)
        self.drafts = tuple(Image(draft) for draft in drafts)


def _checked_size(size, name: str = "a picture") -> tuple[int, int]:
    try:
        width, height = (int(n) for n in size)
    except (TypeError, ValueError) as error:
        raise ValueError(f"A picture's size is (width, height) in pixels, got {short(repr(size))}.") from error
    if width < 1 or height < 1:
        raise ValueError(f"The size of {name} must be at least 1 x 1 pixel, got {width} x {height}.")
    if width * height > MAX_PIXELS:
        raise ValueError(f"{_too_large(name)} It has {width} x {height} pixels; shrink it first.")
    return width, height


def _too_large(name: str) -> str:
    return f"{_capital(name)} is above the limit of {MAX_PIXELS // 1_000_000} megapixels."


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def _checked_array(array: np.ndarray) -> np.ndarray:
    """A picture array, checked: uint8, (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)."""
    layout = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if array.dtype != np.uint8 or not layout:
        raise ValueError("A picture array must be uint8 of shape (H, W), (H, W, 3) or (H, W, 4), "
                         f"got {array.dtype} of shape {array.shape}.")
    _checked_size((array.shape[1], array.shape[0]), "the picture given as an array")
    return array if not array.flags.writeable else read_only(array.copy())


def _array_to_rgb(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2 or array.shape[2] == 1:
        return read_only(np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2))
    if array.shape[2] == 4:
        return read_only(_over_white(array))
    return array


def _over_white(rgba_HW4: np.ndarray) -> np.ndarray:
    """Transparent pixels over white, rounded; opaque ones bit-equal."""
    alpha = rgba_HW4[..., 3:].astype(np.uint16)
    blended = (rgba_HW4[..., :3].astype(np.uint16) * alpha + 255 * (255 - alpha) + 127) // 255
    return blended.astype(np.uint8)


def _to_rgb(opened) -> np.ndarray:
    """(H, W, 3) uint8 of a PIL image of any mode."""
    if opened.mode.startswith(("I", "F")):
        return np.repeat(_deep_to_8_bits(np.asarray(opened))[..., None], 3, axis=2)
    if opened.has_transparency_data:
        return _over_white(np.asarray(opened.convert("RGBA")))
    return np.array(opened.convert("RGB"))


def _to_rgba(opened) -> np.ndarray:
    """(H, W, 4) uint8 of a PIL image with transparency; two dimensions for one without."""
    return np.array(opened.convert("RGBA")) if opened.has_transparency_data else np.zeros((1, 1), np.uint8)


def _deep_to_8_bits(values: np.ndarray) -> np.ndarray:
    """Grey of more than 8 bits -> uint8. Whole numbers: the top 8 bits of the smallest usual depth (8, 12, 16 bits)
    that holds the brightest pixel (scanners store 12 bits in 16). Floats: 0-1 when none is above 1, else 0-255."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values)
        return np.clip(np.rint(values * 255 if values.max(initial=0) <= 1 else values), 0, 255).astype(np.uint8)
    values = np.clip(values.astype(np.int64), 0, 65535)
    brightest = int(values.max(initial=0))
    shift = 0 if brightest < 256 else 4 if brightest < 4096 else 8
    return (values >> shift).astype(np.uint8)


def _from_pil(source) -> np.ndarray:
    from PIL import Image as PilImage

    if not isinstance(source, PilImage.Image):
        raise ValueError("A picture is given as a path, URL, data URI, bytes, uint8 array or PIL image, "
                         f"got {type(source).__name__}.")
    _checked_size(source.size, "the PIL image")
    try:
        source.load()
        array = _to_rgba(source) if source.has_transparency_data else _to_rgb(source)
    except Exception as error:
        raise ValueError(f"Cannot decode the PIL image: {reason(error)}.") from error
    orientation = _orientation(source)
    if orientation in _ORIENTATION:
        turns, mirror = _ORIENTATION[orientation]
        array = np.ascontiguousarray(np.rot90(array[:, ::-1] if mirror else array, turns))
    return read_only(array)


def _orientation(opened) -> int:
    """EXIF orientation 1-8 from the header; 1 if there is none, or it can't be read."""
    keys = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")
    if opened.format == "PNG" and not any(key in opened.info for key in keys):
        return 1  # getexif would decode the whole PNG to look for a block behind the pixels
    try:
        return int(opened.getexif().get(0x0112, 1))
    except Exception:  # a damaged EXIF block must not cost the picture
        return 1


def _opened_file(path: str):
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path):
        raise ValueError(f"Cannot open '{short(path, 200)}': of the addresses only http:// and https:// are read.")
    if os.path.isdir(path):
        raise ValueError(f"'{path}' is a directory, not a picture.")
    try:
        return open(path, "rb")
    except FileNotFoundError as error:
        raise ValueError(f"The picture '{short(path, 200)}' does not exist.") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"Cannot read the picture '{short(path, 200)}': {reason(error)}.") from error


def _download(url: str) -> bytes:
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(url, headers={"User-Agent": "superlens"}), timeout=DOWNLOAD_SECONDS) as answer:
            data = answer.read(MAX_DOWNLOAD_BYTES + 1)
    except Exception as error:  # urllib raises OSError, ValueError and http.client's own family
        raise ValueError(f"Cannot download the picture '{short(url, 200)}': {reason(error)}.") from error
    if len(data) > MAX_DOWNLOAD_BYTES:
        raise ValueError(f"The picture '{short(url, 200)}' is above the limit of "
                         f"{MAX_DOWNLOAD_BYTES // 2**20} MiB for downloads.")
    return data


def _decode_data_uri(uri: str) -> bytes:
    from urllib.parse import unquote_to_bytes

    head, comma, payload = uri.partition(",")
    if not comma:
        raise ValueError("The picture given as a data URI has no comma before its data; "
                         "write data:image/png;base64,...")
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(payload)
    try:
        return base64.b64decode("".join(payload.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("The picture given as a data URI holds no valid base64 data.") from error


def _png(array: np.ndarray) -> bytes:
    from PIL import Image as PilImage

    stream = io.BytesIO()
    PilImage.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array).save(stream, "PNG")
    return stream.getvalue()


def _mime(raw: bytes) -> str:
    starts = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"GIF8": "image/gif", b"BM": "image/bmp",
              b"II*\0": "image/tiff", b"MM\0*": "image/tiff"}
    for start, mime in starts.items():
        if raw.startswith(start):
            return mime
    return "image/webp" if raw[8:12] == b"WEBP" else "application/octet-stream"


def reason(error: Exception) -> str:
    return short(str(error).split("\n")[0].rstrip("."), 160) or type(error).__name__
