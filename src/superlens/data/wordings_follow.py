"""The wordings of questions that go on from an answer; `{which}` says which of its things ("the second one"). As in `wordings.py`."""

from __future__ import annotations

FOLLOW_WORDINGS: dict[str, tuple[str, str]] = {
    "follow_boxes": ("""
Now (detect|box|find|locate) {which}.
<please>(box|detect|locate|frame) {which}<stop>
<please>(draw|put) (a box|boxes|bounding boxes) (around|on) {which}<stop>
<please>(give|show|return) (me |)(the box|boxes|the bounding box) (of|for) {which}<stop>
<can>(box|detect|locate|frame) {which}?
Where (is|was) {which}? (Box it|Answer with boxes|Draw a box)<stop>
(Of these|Of them|Among these), (box|detect|frame) {which}<stop>
(And|So|Then|Next), (box|detect|locate) {which}<stop>
<want> (a box|boxes) (of|for|around) {which} only<stop>
(Box|Detect|Frame) (just|only|nothing but) {which}<stop>
{which}: (box it|boxes, please|its box)<stop>
(Boxes|A box|Bounding boxes) (of|for) {which} only<stop>
(Take|Keep) {which} and (box it|draw the box again|give the box)<stop>
""", """
Now put a rectangle around {which}.
Please frame nothing else than {which}.
What is the bounding box of {which}?
Of those, which box is that of {which}?
Reply with boxes for {which}.
Once more with boxes, only {which}.
"""),
    "follow_masks": ("""
Now <segment> {which}.
<please><segment> {which}<stop>
<please>(draw|lay) (a mask|masks) (over|on) {which}<stop>
<please>(give|show|return) (me |)(the mask|masks|the exact shape) (of|for) {which}<stop>
<can><segment> {which}?
Which pixels (belong to|are part of|make up) {which}<stop>
(Of these|Of them|Among these), <segment> {which}<stop>
(And|So|Then|Next), <segment> {which}<stop>
<want> (a mask|masks) (of|for) {which} only<stop>
(Segment|Mask|Outline) (just|only|nothing but) {which}<stop>
{which}: (segment it|mask it|its mask)<stop>
(Masks|A mask|Segmentation) (of|for) {which} only<stop>
(Take|Keep) {which} and (segment it|draw its mask|outline it)<stop>
""", """
Now mark the pixels of {which}.
Please segment nothing else than {which}.
What is the mask of {which}?
Create a mask of {which}.
Reply with masks for {which}.
Once more with masks, only {which}.
"""),
    "follow_same": ("""
(Now|And now|Then|Next,|Please,|So) only {which}<stop>
(Only|Just) {which}(, please|)<stop>
(Keep|Leave|Take|Retain) (only |just |){which}<stop>
(Now|And|Next) (the same|that again) (for|with) {which}<stop>
(Nothing|None) but {which}<stop>
I (only |just )(want|need|mean|meant) {which}<stop>
(Drop|Leave out|Forget|Remove) all but {which}<stop>
(Again|Once more)(,|:) only {which}<stop>
(Restrict|Limit) (it|that|the answer) to {which}<stop>
What about {which} (only|alone)?
(Show|Repeat|Give) (only |just ){which}<stop>
(Of these|Of them|Among these), only {which}<stop>
{which} (only|alone)(, please|)<stop>
""", """
Now I want just {which}.
Please keep nothing except {which}.
The same again, but for {which} alone.
Narrow it down to {which}.
Show {which} and nothing else.
Throw away everything but {which}.
"""),
    "follow_colour": ("""
(What|Which) (colour|color) (is|has) {which}?
And (what|which) (colour|color) is {which}?
<please>(name|give|say|tell me) the (colour|color) of {which}<stop>
<please>(say|tell me) (what|which) (colour|color) {which} has<stop>
(Of what|In which) (colour|color) is {which}?
The (colour|color) of {which}(, please.|?|.)
<can>(name|tell me|say) the (colour|color) of {which}?
(Look at|Take|See) {which}(. What|: what|. Which) (colour|color) (is it|does it have)?
(And|So|Then|Now), the (colour|color) of {which}<stop>
I (want|need|would like) to know (the colour of {which}|what colour {which} is)<stop>
(Of these|Of them), what (colour|color) has {which}?
{which}(: what colour?|: which color?|, what colour is it?)
How would you name the (colour|color) of {which}?
""", """
What colour would you say {which} is?
Describe the colour of {which} in one word.
Do you see the colour of {which}? Name it.
Please report the color {which} has.
And {which}, of what colour is it?
Which colour was {which} given?
"""),
}
