"""The demo's web page: one self-contained HTML file, pictures inside."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

QUALITY = 88


@dataclass(frozen=True)
class Card:
    """One answer on the page. expected: the right answer in words, "" when it is not known. file: the PNG beside it."""

    task: str
    title: str
    question: str
    answer: str
    expected: str
    seconds: float
    picture: Picture
    file: str


STYLE = """
:root { --ink: #1d2733; --soft: #66717f; --line: #dfe4ea; --paper: #fff; --ground: #f3f5f8; --accent: #0a66c2 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ecf1; --soft: #9aa6b4; --line: #2c3540; --paper: #1b222b; --ground: #12171d; --accent: #6db3ff } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
header, main, footer { max-width: 1400px; margin: 0 auto; padding: 0 24px }
header { padding-top: 40px } h1 { margin: 0; font-size: 34px; letter-spacing: -.5px }
header p, footer { color: var(--soft); max-width: 75ch }
nav { display: flex; flex-wrap: wrap; gap: 8px; margin: 20px 0 }
nav a { color: var(--accent); text-decoration: none; border: 1px solid var(--line); border-radius: 999px;
  padding: 3px 12px; background: var(--paper); font-size: 14px }
h2 { font-size: 20px; margin: 32px 0 12px }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 18px; align-items: start }
figure { margin: 0; background: var(--paper); border: 1px solid var(--line); border-radius: 12px; overflow: hidden }
figure img { width: 100%; display: block; background: #fff }
figcaption { padding: 12px 14px 14px } .question { font-weight: 600; margin: 0 0 6px }
.answer { margin: 0 0 6px } .answer::before { content: "nano: "; color: var(--accent); font-weight: 600 }
.expected, .seconds { margin: 0; color: var(--soft); font-size: 14px }
.seconds { display: flex; justify-content: space-between; margin-top: 6px } .seconds a { color: inherit }
footer { padding-top: 28px; padding-bottom: 48px; font-size: 14px }
"""


def page(cards: Sequence[Card], titles: Mapping[str, str]) -> str:
    """The whole page; `titles`: headings by task. Every word is escaped."""
    tasks = list(dict.fromkeys(card.task for card in cards))
    links = "".join(f'<a href="#{task}">{html.escape(titles[task])}</a>' for task in tasks)
    sections = "".join(
        f'<h2 id="{task}">{html.escape(titles[task])}</h2><div class="cards">'
        + "".join(_figure(card) for card in cards if card.task == task)
        + "</div>"
        for task in tasks
    )
    total = sum(card.seconds for card in cards)
    return (
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Superlens demo</title>"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        f"<style>{STYLE}</style></head><body><header><h1>Superlens</h1>"
        f"<p>{len(cards)} answers of nano, the model inside the package, in {total:.1f} seconds. Drawn scenes are of "
        "the validation split, which training never sees; where the right answer is known, it stands underneath. "
        "Numbers in brackets say how many were found.</p>"
        f"<nav>{links}</nav></header><main>{sections}</main>"
        "<footer>nano learned from drawn scenes, blood cells, road scenes, circuit boards, aerial views, athletes, mice, and "
        "photographs to be restored. Other photographs show what it does with what it knows nothing about. Made by "
        "<code>superlens demo</code>.</footer></body></html>\n"
    )


def _figure(card: Card) -> str:
    expected = f'<p class="expected">right: {html.escape(card.expected)}</p>' if card.expected else ""
    return (
        f'<figure><img src="{_data_uri(card.picture)}" alt="{html.escape(card.answer, quote=True)}" loading="lazy">'
        f'<figcaption><p class="question">{html.escape(card.question)}</p>'
        f'<p class="answer">{html.escape(card.answer)}</p>{expected}'
        f'<p class="seconds"><span>{html.escape(card.title)} · {card.seconds:.2f} s</span>'
        f'<a href="{html.escape(card.file, quote=True)}">{html.escape(card.file)}</a></p></figcaption></figure>'
    )


def _data_uri(picture: Picture) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
