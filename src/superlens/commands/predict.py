"""`superlens predict`: one question about pictures, or a file of conversations."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from superlens.commands.common import (
    BatchSize,
    Device,
    Dtype,
    FailedError,
    MaxNewTokens,
    MinScore,
    Model,
    Seed,
    StoppedError,
    as_json,
    checked_device,
    checked_dtype,
    file_to_write,
    folder_to_write,
    load_model,
    progress,
    result,
    say,
    table,
    walk,
)
from superlens.commands.pointing import (
    BoxOption,
    MaskOption,
    NotPoints,
    Points,
    ScribbleOption,
    placed,
    regions,
)
from superlens.progress import watching

if TYPE_CHECKING:
    from superlens.message import Conversation, Message, Region

Words = Annotated[str | None, typer.Argument(help="What to ask.", show_default=False)]
Pictures = Annotated[
    list[str] | None, typer.Option("--image", help="A picture: a file or a URL; may be given several times.")
]
Films = Annotated[list[str] | None, typer.Option("--video", help="A video file, for models that watch videos.")]
Lines = Annotated[
    str | None, typer.Option("--conversations", help='A JSONL file, {"messages": [...]} a line, to be answered.')
]
Out = Annotated[
    str | None,
    typer.Option("--out", help="Folder for picture.png, answer.json, new-1.png ...; with --conversations, the file of answers."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def predict(
    model: Model,
    words: Words = None,
    image: Pictures = None,
    video: Films = None,
    conversations: Lines = None,
    out: Out = None,
    as_json_line: Json = False,
    batch_size: BatchSize = 8,
    device: Device = None,
    dtype: Dtype = None,
    seed: Seed = 0,
    min_score: MinScore = 0.3,
    max_new_tokens: MaxNewTokens = 256,
    point: Points = None,
    not_point: NotPoints = None,
    box: BoxOption = None,
    mask: MaskOption = None,
    scribble: ScribbleOption = None,
) -> None:
    """Ask MODEL about pictures in words, or answer every conversation of a file.

    What is pointed at (--point, --box, ...) stands in the words where they say <region>, else after them.
    A conversation that can not be answered becomes a line {"error": ...}; the others are answered.
    """
    device, dtype = checked_device(device), checked_dtype(dtype)
    options = {"min_score": min_score, "max_new_tokens": max_new_tokens, "seed": seed}
    if conversations is None:
        question = _question(words, image, video, regions(point, not_point, box, mask, scribble))
        folder = None if out is None else folder_to_write(out)
        loaded = load_model(model, device, dtype)
        if not question.images and not question.videos and all(form.medium == "picture" for form in loaded.processor.formats.values()):
            raise ValueError("There is no picture to ask about: give --image FILE.")
        with watching(lambda pieces, what: walk(what)(pieces)):
            answer = loaded.ask(question, **options)
        _show(answer, question, folder, as_json_line)
        return
    if words is not None or image or video or point or not_point or box or mask or scribble:
        raise ValueError("--conversations brings its own words, pictures and regions: leave WORDS, --image, --point ... out.")
    if out is None:
        raise ValueError("--conversations needs --out FILE, the JSONL file to write the answers to.")
    if as_json_line:
        raise ValueError("--json is for a single question; the answers to --conversations are JSON in --out.")
    target = file_to_write(out)
    if target.exists() and Path(conversations).exists() and target.samefile(conversations):
        raise ValueError(f"--out: '{out}' is the file of the questions; give another name.")
    lines = _checked_lines(conversations)
    batch = Batch(lines, Path(conversations).parent, target, batch_size)
    batch.run(lambda: load_model(model, device, dtype), options | {"batch_size": batch_size})


def _question(words: str | None, image: list[str] | None, video: list[str] | None, pointed: list[Region]) -> Conversation:
    """The conversation to be answered, its pictures decoded once to see that they can be."""
    from superlens.checks import check_conversation
    from superlens.message import Conversation, Image, Message, Video

    if words is None or not words.strip():
        raise ValueError("There are no words to ask: write the question after MODEL, or give --conversations FILE.")
    pictures = [Image(source) for source in image or ()]
    for picture in pictures:
        if picture.kind == "path" and not os.path.isfile(picture.source):
            what = "is a folder" if os.path.isdir(picture.source) else "does not exist"
            raise ValueError(f"--image: {picture.name} {what}; give a picture file or a URL.")
        picture.pixels  # noqa: B018  (decoding shows what is wrong with the file)
    films = [Video(source) for source in video or ()]
    for film in films:
        film.seconds  # noqa: B018  (likewise)
    conversation = Conversation((Message("user", (*pictures, *films, *placed(words, pointed))),))
    check_conversation(conversation)
    return conversation


def _show(answer: Message, question: Conversation, folder: Path | None, as_json_line: bool) -> None:
    """The answer on stdout, and in the folder if there is one."""
    from superlens.draw import draw_video

    written = answer.to_json()
    if folder is not None:
        if question.videos and answer.moments:
            draw_video(answer, question.videos[answer.moments[0].video]).save(folder / "picture.png")
        else:
            answer.draw(question.images).save(folder / "picture.png")
        new = [folder / f"new-{number}.png" for number in range(1, len(answer.images) + 1)]
        for path, made in zip(new, answer.images):
            made.pil(transparent=True).save(path)
        (folder / "answer.json").write_text(json.dumps(written, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        say(", ".join(map(str, (*new, folder / "picture.png"))) + f" and {folder / 'answer.json'}")
    if as_json_line:
        result(as_json(written))
        return
    result(answer.text or (_pictures(answer, folder is not None) if answer.images else "(an empty answer)"))
    rows = list(_rows(answer))
    if rows:
        table(("part", "label", "score", "where (pixels: x1, y1, x2, y2; seconds)"), rows)
    for note in answer.notes:
        say(f"Note: {note}")


def _pictures(answer: Message, kept: bool) -> str:
    """An answer of pictures, in words."""
    sizes = ", ".join(" x ".join(map(str, made.size)) for made in answer.images)
    return f"(a picture of {sizes} pixels)" if kept else f"(a picture of {sizes} pixels: give --out FOLDER to keep it)"


def _rows(answer: Message) -> Iterator[tuple[str, str, str, str]]:
    """One row for each object, one for each asked thing that is not there."""
    for part in answer.outputs:
        kind = type(part).__name__.lower()
        if not part.count:
            yield kind, part.label, "", "none"
            continue
        bounds = part.bounds if hasattr(part, "bounds") else getattr(part, "xyxy", None)
        scores = getattr(part, "scores", None)
        for k in range(part.count):
            place = "" if bounds is None else ", ".join(f"{value:.1f}" for value in bounds[k])
            if kind == "moments":
                place = "{:.1f} - {:.1f} s".format(*part.seconds[k])
            area = f" ({int(part.masks[k].sum())} px)" if kind == "masks" else ""
            yield kind, part.label, "" if scores is None else f"{scores[k]:.2f}", place + area


def _checked_lines(path: str) -> list[tuple[int, int]]:
    """(line number, byte where it starts) of every line that is not blank."""
    from superlens.data.sources.jsonl import read_lines

    if not Path(path).is_file():
        raise ValueError(f"--conversations: there is no file '{path}'.")
    lines = [(line, offset) for line, offset, _ in read_lines(path)]
    if not lines:
        raise ValueError(f"--conversations: '{path}' has no lines; write one {{\"messages\": [...]}} a line.")
    return [(line, offset, path) for line, offset in lines]


class Batch:
    """A job over a file of conversations: one line of answer for each, in order, whatever is wrong with single ones.

    Answers go to `<out>.part` as they come; it is renamed to `out` when all is written.
    """

    def __init__(self, lines: list, root: Path, target: Path, size: int):
        self.lines, self.root, self.target, self.size = lines, root, target, size
        self.failed = 0

    def run(self, load, options: dict) -> None:
        """Answer everything. Raises FailedError at the end when some lines could not be answered."""
        part = self.target.with_name(self.target.name + ".part")
        first = self._read(self.lines[: self.size])  # before the model: shows at once when every line is broken
        try:
            with open(part, "w", encoding="utf-8") as file, progress("Answering", len(self.lines)) as done:
                model = None
                for start in range(0, len(self.lines), self.size):
                    read = first if start == 0 else self._read(self.lines[start : start + self.size])
                    if model is None and any(not isinstance(item, Exception) for item in read):
                        model = load()
                    for line in self._answered(model, read, options, start):
                        file.write(line + "\n")
                    file.flush()
                    done(len(read))
        except KeyboardInterrupt as stop:
            raise StoppedError(f"Stopped; the answers so far are in '{part}'.") from stop
        os.replace(part, self.target)
        if self.failed:
            what = "conversation" if len(self.lines) == 1 else "conversations"
            raise FailedError(
                f"{self.failed} of {len(self.lines)} {what} could not be answered: see the lines with \"error\" in "
                f"'{self.target}'."
            )
        say(f"{len(self.lines)} answers in {self.target}")

    def _read(self, lines: list) -> list[Conversation | Exception]:
        """The conversations of some lines; an exception stands where one is broken."""
        return [self._conversation(*place) for place in lines]

    def _conversation(self, line: int, offset: int, path: str) -> Conversation | Exception:
        from superlens.data.sources.jsonl import wrong_line
        from superlens.message import Conversation

        try:
            with open(path, "rb") as file:
                file.seek(offset)
                raw = file.readline()
            wrong = wrong_line(raw)
            if wrong:
                raise ValueError(wrong)
            conversation = Conversation.from_json(json.loads(raw), root=str(self.root))
            if conversation.messages[-1].role != "user":
                raise ValueError("The last message must be the user's; take the answer to be predicted away.")
            if not any(message.text.strip() for message in conversation.messages if message.role == "user"):
                raise ValueError("The user's messages have no words; write a question.")
            for image in conversation.images:
                image.pixels  # noqa: B018  (decoding shows what is wrong with the file)
            return conversation
        except (ValueError, OSError, TypeError, AttributeError) as error:  # whatever a line may hold
            return error

    def _answered(self, model, read: list, options: dict, first: int) -> list[str]:
        """One line of JSON for each conversation that was read; `first` is the number of the first of them."""
        numbers = [first + place for place, item in enumerate(read) if not isinstance(item, Exception)]
        asked = [read[number - first] for number in numbers]
        answers = iter(model.ask(asked, errors="return", numbers=numbers, **options) if asked else ())
        lines = []
        for item in read:
            answer = item if isinstance(item, Exception) else next(answers)
            if isinstance(answer, Exception):
                self.failed += 1
                words = " ".join(str(answer).split()) or type(answer).__name__
                lines.append(as_json({"error": words}))
            else:
                lines.append(as_json(answer.to_json()))
        return lines
