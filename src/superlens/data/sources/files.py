"""Reading JSON files and telling the supported formats apart by their content."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FORMATS = (
    "COCO JSON, Pascal VOC (an XML file or a folder of them), a CollectedData CSV of DeepLabCut, refs of RefCOCO, a ReasonSeg folder, "
    "an InstructPix2Pix folder, pictures with words (.txt beside them, or lines of JSON), a folder of pictures, LLaVA JSON, our JSONL"
)
# Keys of pictures with words and of edits, in lines of JSON (sources/pairs.py).
PICTURE_KEYS, WORDS_KEYS = ("file_name", "image"), ("text", "caption")
BEFORE_KEYS, EDIT_KEYS, AFTER_KEYS = ("input_image", "original_image"), ("edit_prompt", "instruction"), ("edited_image", "output_image")
PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".JPG", ".JPEG", ".PNG")


def existing(path: str | os.PathLike) -> Path:
    """The path, if there is such a file or folder; else ValueError."""
    found = Path(path)
    if not found.exists():
        raise ValueError(f"No such data set: {path}; expected {FORMATS}.")
    return found


def read_json(path: str | os.PathLike) -> Any:
    """The content of a JSON file. ValueError names the line where it breaks."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text file: {error.reason} at byte {error.start}.") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{path} is not valid JSON: {place}: {error.msg}.") from error


def recognise(path: str | os.PathLike) -> str:
    """One of "coco", "voc", "deeplabcut", "refcoco", "reasonseg", "pairs", "photos" (pictures without labels: a folder of them, or a
    COCO file), "llava", "jsonl" and "llava_lines", by content.

    ValueError when it is none of them.
    """
    path = existing(path)
    if path.is_dir():
        if voc_files(path):
            return "voc"
        if deeplabcut_files(path):
            return "deeplabcut"
        if any(b'"shapes"' in _head(file) or b'"is_sentence"' in _head(file) for file in sorted(path.glob("*.json"))[:20]):
            return "reasonseg"
        if has_pairs(path):
            return "pairs"
        if next(iter(pictures_in(path)), None) is not None:
            return "photos"
        raise ValueError(f"The folder {path} holds no pictures and nothing that describes any; expected {FORMATS}.")
    with open(path, "rb") as file:
        start = file.read(65536).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        raise ValueError(f"{path} is empty; expected {FORMATS}.")
    if start[:1] == b"<":
        return "voc"
    if start.startswith(b"scorer,"):
        return "deeplabcut"
    if start[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"(l"):  # pickles of lists
        return "refcoco"
    if start[:1] == b"[":
        return _recognise_list(path)
    if start[:1] == b"{":
        return _recognise_object(path, start)
    raise ValueError(f"{path} is in no known format; expected {FORMATS}.")


def has_pairs(folder: Path) -> bool:
    """Whether a folder holds edits as InstructPix2Pix has them, or pictures with words."""
    listed = (folder / "seeds.json").is_file() or (folder / "metadata.jsonl").is_file()
    return listed or any(picture_beside(file) is not None for file in folder.rglob("*.txt"))


def pictures_in(folder: Path) -> list[Path]:
    """All pictures of a folder, at any depth, sorted."""
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in PICTURE_ENDINGS)


def picture_beside(file: Path) -> Path | None:
    """The picture of the same name, in the same folder."""
    return next((found for ending in PICTURE_ENDINGS if (found := file.with_suffix(ending)).is_file()), None)


def is_pair(record: dict) -> bool:
    """Whether a line's object is a picture with words, or an edit."""
    shown = any(key.removesuffix("_file_name") in (*PICTURE_KEYS, *BEFORE_KEYS) for key in record)
    return shown and any(key in record for key in (*WORDS_KEYS, *EDIT_KEYS))


def _head(file: Path) -> bytes:
    with open(file, "rb") as opened:
        return opened.read(65536)


def voc_files(folder: Path):
    """The XML files of a VOC folder, sorted: of `Annotations/` if there is one, else of the folder itself."""
    inner = folder / "Annotations"
    return sorted((inner if inner.is_dir() else folder).glob("*.xml"))


def deeplabcut_files(folder: Path):
    """The CollectedData files of a DeepLabCut project, of its `labeled-data`, or of one video in it, sorted."""
    places = ("CollectedData*.csv", "*/CollectedData*.csv", "labeled-data/*/CollectedData*.csv")
    return sorted(file for place in places for file in folder.glob(place))


def _recognise_list(path: Path) -> str:
    data = read_json(path)
    first = data[0] if data else None
    if isinstance(first, dict) and ("conversations" in first or "messages" in first):
        return "llava"
    if isinstance(first, dict) and "sentences" in first and "image_id" in first:
        return "refcoco"
    what = f"a list of {type(first).__name__}" if data else "an empty list"
    raise ValueError(f'{path} is {what}; a LLaVA file is a list of {{"image": ..., "conversations": [...]}}.')


def _recognise_object(path: Path, start: bytes) -> str:
    """Lines of objects, or one object: a first line that is an object by itself decides."""
    line = _first_line(path) if b"\n" in start or len(start) < 65536 else None
    if line is not None:
        try:
            first = json.loads(line)
        except ValueError:
            first = None
        if isinstance(first, dict) and "messages" in first:
            return "jsonl"
        if isinstance(first, dict) and "conversations" in first:
            return "llava_lines"
        if isinstance(first, dict) and is_pair(first):
            return "pairs"
    # A broken line of ours must be reported as a line of ours, not as a broken COCO file.
    head = start.lstrip(b"{ \t\r\n")
    if head.startswith(b'"messages"'):
        return "jsonl"
    if head.startswith(b'"conversations"'):
        return "llava_lines"
    data = read_json(path) if line is None or not isinstance(first, dict) or _more_lines(path) else first
    if isinstance(data, dict) and isinstance(data.get("images"), list):
        labelled = any(data.get(key) for key in ("annotations", "categories"))
        return "coco" if labelled or not data["images"] else "photos"
    keys = ", ".join(list(data)[:6]) if isinstance(data, dict) else type(data).__name__
    raise ValueError(f"{path} is in no known format (its keys: {keys or 'none'}); expected {FORMATS}.")


def _first_line(path: Path) -> str:
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        for line in file:
            if line.strip():
                return line
    return ""


def _more_lines(path: Path) -> bool:
    with open(path, "rb") as file:
        return sum(1 for line in file if line.strip()) > 1
