"""The wordings of questions answered in words whose phrases carry boxes or masks, as in `wordings.py`."""

from __future__ import annotations

GROUNDED_WORDINGS: dict[str, tuple[str, str]] = {
    "caption_boxes": ("""
<please>describe (the|this) <image> and (box|put a box on) (what|everything) you (name|mention)<stop>
<please>(caption|describe) (the|this) <image> with boxes<stop>
<please>(give|write) a caption(,| and) (with a box for every phrase|boxes included|box each thing in it)<stop>
(What|Which things) (do you see|can you see)? (Box|Frame) (each|all) of (them|it)<stop>
<please>(say|tell me) what (is there|you see) and (box it|show it with boxes|draw boxes around it)<stop>
A caption with boxes(, please|)<stop>
Grounded caption, boxes<stop>
(Name|Describe) and box what (is|you see)<place><stop>
<can>describe (the|this) <image> and (box|frame) what you (name|mention)?
Sum up the <image>, with boxes<stop>
In one sentence with boxes: what (do you see|is there)?
Describe the scene. (Every thing you name gets a box|Box all you name|Add boxes)<stop>
<want> a caption with boxes<stop>
""", """
Write a description in which each phrase has a bounding box.
Tell me what this shows and mark it with boxes.
Please give a caption and its boxes.
What is going on here? Ground your answer with boxes.
Say what you see, boxes and all.
Could you caption the photo and locate what you mention?
"""),
    "caption_masks": ("""
<please>describe (the|this) <image> and (segment|mask|outline) (what|everything) you (name|mention)<stop>
<please>(caption|describe) (the|this) <image> with masks<stop>
<please>(give|write) a caption(,| and) (with a mask for every phrase|masks included|segment each thing in it)<stop>
(What|Which things) (do you see|can you see)? (Segment|Outline) (each|all) of (them|it)<stop>
<please>(say|tell me) what (is there|you see) and (segment it|show it with masks|draw masks over it)<stop>
A caption with masks(, please|)<stop>
Grounded caption, masks<stop>
(Name|Describe) and segment what (is|you see)<place><stop>
<can>describe (the|this) <image> and (segment|mask) what you (name|mention)?
Sum up the <image>, with masks<stop>
In one sentence with masks: what (do you see|is there)?
Describe the scene. (Every thing you name gets a mask|Segment all you name|Add masks)<stop>
<want> a caption with masks<stop>
""", """
Write a description in which each phrase has a mask.
Tell me what this shows and mark its pixels.
Please give a caption and its masks.
What is going on here? Ground your answer with masks.
Say what you see, masks and all.
Could you caption the photo and cut out what you mention?
"""),
    "panoptic_masks": ("""
<please>segment (everything|all there is|all things and what is behind them)<stop>
<please>segment (all|every part) of (the|this) <image><stop>
<please>(split|divide) (the|this) <image> into (things and background|all its parts)<stop>
Panoptic (segmentation|masks)(, please|)<stop>
Masks (for|of) (everything|all things and the background)<stop>
<please>(label|name) every pixel(| of (the|this) <image>)<stop>
<can>segment (everything|all there is)?
<please>give every (pixel|thing and all stuff) a (name|label) and a mask<stop>
<want> a mask for everything<place><stop>
What is where<place>? (Segment|Mask) it all<stop>
<please>(outline|mask) (each thing|every thing|all things) and the background<stop>
Segment (things and stuff|foreground and background)(, please|)<stop>
(Every|Each) pixel (of (the|this) <image>|here) (needs|gets) a (name|label)<stop>
""", """
Assign each pixel of the picture to something.
Please provide a panoptic segmentation of this.
Cut the entire photo into named segments.
Could you segment every single thing, background included?
Full segmentation of the scene, please.
Leave no pixel without a label.
"""),
    "count_boxes": ("""
How many {things} (are there|do you see|can you see)? (Box|Frame|Show|Mark) (them|each)( with boxes|)<stop>
<please>count <every>{things} and (box them|box each|draw boxes|put a box on each)<stop>
Count {things} with boxes<stop>
<please>count {things} by (boxing|detecting|framing) them<stop>
(Detect|Find|Box) <every>{things} and (count them|say how many|give their number)<stop>
<can>count {things} and box (them|each)?
The number of {things}, with boxes<stop>
How many {things}? Answer with (a number and boxes|boxes too)<stop>
<please>(box|find) {things} and tell me how many<stop>
<want> the number of {things} and their boxes<stop>
{things}: how many, and where?
How many {things} are (there|in view), and where (are they|do you see them)?
Tell me how many {things} there are and box (them|each)<stop>
""", """
How many {things} can be found? Give a box for each.
Please count {things}, one box each.
What number of {things} is shown, and at which boxes?
Count all {things} and prove it with boxes.
Say how many {things} there are; show boxes.
Find out the number of {things} by detection.
"""),
}
