"""The wordings of questions for new and for edited pictures, as in `wordings.py`.

How a picture is asked for does not depend on what it shall show, so the tasks for new pictures share their wordings. An edit is
worded twice over: what to do to the picture (`CHANGES`, by the form of the change), and the sentence around it.
"""

from __future__ import annotations

_NEW = ("""
Draw {scene}.
<please>(draw|paint|sketch|create|generate|produce) {scene}<stop>
<please>(draw|paint|sketch) (me|us) {scene}<stop>
<please>(draw|paint|create|generate|make|produce) (a new|one) <image> (of|with|that shows|showing) {scene}<stop>
<please>(draw|paint|create|generate|make|produce) (an|one) (illustration|image) (of|with|that shows|showing) {scene}<stop>
<please>make (me |us |)(a|a new) (picture|drawing|painting|photo) (of|with|showing) {scene}<stop>
<can>(draw|paint|sketch|create|generate|produce) {scene}?
<can>(draw|paint|create|generate|make) (me |us |)(a new|one) <image> (of|with|that shows) {scene}?
<want> (a new|one) <image> (of|with|that shows|showing) {scene}<stop>
<want> you to (draw|paint|create|generate) {scene}<stop>
(A|A new|One) (picture|photo|drawing|painting) (of|with|that shows|showing) {scene}(, please|)<stop>
(Drawing|Picture|New picture|To be drawn|To be painted|Task: drawing|Image generation|Generate|Wanted, as a picture): {scene}<stop>
{scene}: (draw it|paint it|a picture of this, please|make a picture of it|as a picture, please)<stop>
{scene}, (drawn|painted|as a picture|as a new image)(, please|)<stop>
<please>(draw|paint|create|make) a (scene|drawing) (with|of) {scene}<stop>
<please>(draw|paint|make) a (new <image>|picture|photo): {scene}<stop>
<help> (draw|paint|create) {scene}<stop>
<help> (make|create|produce) (a new|one) <image> (of|with|showing) {scene}<stop>
(Take|Use|Get) (a brush|an empty canvas|a blank page|your pencils) and (draw|paint) {scene}<stop>
(Fill|Start with) an empty (canvas|page)(: draw| and draw|: paint| and paint) {scene}<stop>
(Imagine|Think of|Picture) {scene}(. Now draw it| and draw it|. Paint it| and paint it)<stop>
(What would|What does|What might) {scene} look like? (Draw it|Paint it|Make a picture|Show me a drawing)<stop>
The (picture|photo|drawing) (shall|should|is to|must) show {scene}(. Draw it|. Make it|. Create it)<stop>
On (the|a) (new picture|drawing|blank page) (I want|we want|there shall be|put|draw) {scene}<stop>
""", """
Please give me a picture in which there is {scene}.
Render {scene}.
Could you design an image that has {scene} in it?
My wish is a drawing of {scene}.
Illustrate this: {scene}.
Let there be {scene} on an empty sheet.
Compose an image out of {scene}.
Depict {scene} for me, please.
""")

PICTURE_TASKS = ("one_image", "two_image", "count_image", "colour_image", "relation_image", "bind_image")

_CHANGED = ("""
{change}.
<please>{change}<place><stop>
<please>{change}<stop>
<can>{change}?
<can>{change} (in the|in this) <image>?
<want> you to {change}<stop>
(Edit|Change|Alter|Modify|Retouch|Rework) (the|this) <image>: {change}<stop>
<please>(edit|change|alter|modify|retouch) (the|this) <image> and {change}<stop>
<please>(take|use) (the|this) <image> and {change}<stop>
In (the|this) <image>, {change}<stop>
In (the|this) <image>, (can|could|would) you (please |kindly |){change}?
<help> {change}<stop>
<help> (edit|change|retouch) (the|this) <image>: {change}<stop>
(Edit|Image editing|Picture editing|To be changed|Task: editing|One change|A small change|An edit): {change}<stop>
(Look at|Here is|This is) (the|a|my) <image>. (Now |Please |){change}<stop>
(One thing|One change|Only one thing|Just this): {change}(, and leave the rest|, nothing else|)<stop>
<please>{change}, (and leave|but leave|but keep|and keep) (everything else|the rest|all else) (as it is|alone|unchanged)<stop>
<please>{change}(, but change nothing else|, without changing anything else| and nothing else|, no more than that)<stop>
<please>(give|show|send) (me |us |)(the|this) <image> again, but {change}<stop>
(The|This) <image> (again|once more)(, but|: now|, only) {change}<stop>
<please>(copy|repeat|redraw|repaint) (the|this) <image>, but {change}<stop>
How would (it|the <image>) look if you {change}? (Draw it|Show the picture|Make the picture)<stop>
""", """
Do me a favour and {change} in the photo.
Return the same picture after this: {change}.
I have one wish for the image: {change}.
Here you have a photo; {change}, please.
Would it be possible to {change}?
Apply this edit: {change}.
Give back the image, but first {change}.
Touch the picture up: {change}.
""")

PICTURE_WORDINGS: dict[str, tuple[str, str]] = {
    **dict.fromkeys((*PICTURE_TASKS, "caption_image"), _NEW),
    **dict.fromkeys(("edit_image", "restore_image"), _CHANGED),
}

# By form of the change: those to train with, those kept apart.
CHANGES: dict[str, tuple[str, str]] = {
    "recolour": ("""
(make|paint|colour|dye|turn) {thing} {colour}
(repaint|recolour|redo) {thing} in {colour}
change the (colour|color) of {thing} to {colour}
(change|switch) {thing} to {colour}
(set|switch) the (colour|color) of {thing} to {colour}
(give|lend) {thing} a {colour} (coat|tone|skin|look)
(let|see that) {thing} (turn|become|go) {colour}
(use|take|choose) {colour} for {thing}
""", """
give {thing} the colour {colour}
let {thing} be {colour}
have {thing} in {colour}
"""),
    "recolour_all": ("""
(make|paint|colour|dye|turn) (all|all of the|all the) {things} {colour}
(repaint|recolour) (all|all the) {things} in {colour}
(make|paint) (every one of|each of) the {things} {colour}
change the (colour|color) of (all|all the) {things} to {colour}
(give|lend) (all|all the) {things} a {colour} (coat|tone|skin|look)
(let|see that) (all|all the) {things} (turn|become|go) {colour}
(use|take|choose) {colour} for (all|all the) {things}
""", """
give all {things} the colour {colour}
let all of the {things} be {colour}
"""),
    "remove": ("""
(remove|delete|erase) {thing}
take (away|out) {thing}
take {thing} (away|out|off)
(get rid|dispose) of {thing}
(wipe|leave) out {thing}
make {thing} (disappear|vanish|go away)
""", """
clear {thing} away
drop {thing} from the picture
have {thing} gone
"""),
    "reshape": ("""
(turn|change|transform|make) {thing} into {shape}
(replace|swap) {thing} (by|with|for) {shape}
make {shape} (of|out of) {thing}
(put|draw) {shape} (in place of|instead of) {thing}
""", """
let {thing} become {shape}
exchange {thing} for {shape}
"""),
}
