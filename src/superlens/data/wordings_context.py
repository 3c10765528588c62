"""The wordings of questions with examples, as in `wordings.py`.

`{examples}` is what is marked in the first picture; what follows it in the sentence stands after the second picture.
"""

from __future__ import annotations

CONTEXT_WORDINGS: dict[str, tuple[str, str]] = {
    "context_boxes": ("""
(Here is|This is|Look at) {examples} (Find|Detect|Box|Locate) the same kind of thing in (this|the new) picture<stop>
(Example|Examples|An example): {examples} <please>(find|detect|box) (the same|such things|more of them|the like) here<stop>
{examples} Now (find|detect|box|locate) (the same kind|such things|things of that kind) (in this one|here)<stop>
I marked {examples} Where is the same kind of thing here? (Box it|Answer with boxes|Draw boxes)<stop>
What I want looks like {examples} (Box|Find|Detect) (it|them|all of it) (here|in the second picture)<stop>
Take {examples} (Box|Detect|Find) what is (like it|of that kind|the same) in the second picture<stop>
As {examples} (find|box|detect) things (here|in this picture|in the new picture)<stop>
{examples} Boxes (of|for) the same kind of thing(, please|)<stop>
(Learn|Remember) {examples} <please>(box|find|detect) (such things|those) (here|in this picture)<stop>
Given {examples} (which|what) things here are of the same kind? (Box them|Answer with boxes)<stop>
(One|Some) of these: {examples} And here? (Box them|Draw boxes|Find them)<stop>
{examples} (Same kind|The same), new picture: (boxes|find them|box them)<stop>
This kind of thing: {examples} <can>(find|box|detect) it here?
""", """
I show you {examples} Please box the same kind of thing in this picture.
Having seen {examples} where are things of the same kind? Reply with boxes.
Compare with {examples} Detect whatever is alike here.
Of the kind of {examples} put boxes on those in the new picture.
See {examples} Can you locate the same kind of thing here?
The pattern is {examples} Give bounding boxes of what matches.
"""),
    "context_masks": ("""
(Here is|This is|Look at) {examples} <please><segment> the same kind of thing in (this picture|the new picture|the next one)<stop>
(Example|Examples|An example): {examples} <please><segment> (the same|such things|more of them|the like) here<stop>
{examples} Now <segment> (the same kind|such things|things of that kind) (in this one|here)<stop>
I marked {examples} Which pixels here are of the same kind? (Segment them|Mask them|Answer with masks)<stop>
What I want looks like {examples} (Segment|Mask|Outline) (it|them|all of it) (here|in the second picture)<stop>
Take {examples} (Segment|Mask|Outline) what is (like it|of that kind|the same) in the second picture<stop>
As {examples} <segment> things (here|in this picture|in the new picture)<stop>
{examples} Masks (of|for) the same kind of thing(, please|)<stop>
(Learn|Remember) {examples} <please><segment> (such things|those) (here|in this picture)<stop>
Given {examples} (which|what) things here are of the same kind? (Segment them|Answer with masks)<stop>
(One|Some) of these: {examples} And here? (Segment them|Draw masks|Mask them)<stop>
{examples} (Same kind|The same), new picture: (masks|segment them|mask them)<stop>
This kind of thing: {examples} <can><segment> it here?
""", """
I show you {examples} Please segment the same kind of thing in this picture.
Having seen {examples} what is of the same kind? Reply with masks.
Compare with {examples} Mark the pixels of whatever is alike here.
Of the kind of {examples} create masks in the new picture.
See {examples} Can you mask the same kind of thing here?
The pattern is {examples} Give segmentation masks of what matches.
"""),
}
