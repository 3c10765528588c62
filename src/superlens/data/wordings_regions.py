"""The wordings of questions about what is pointed at, as in `wordings.py`; the region stands in the sentence at `{region}`."""

from __future__ import annotations

REGION_WORDINGS: dict[str, tuple[str, str]] = {
    "region_text": ("""
What is {region}?
What is this {region}?
What (do you see|is shown|is there|lies) (at|in|inside) {region}?
What (thing|object) is (this|that|it) {region}?
<please>(name|say) what {region} is<stop>
<please>(name|identify|describe) {region}<stop>
<please>(name|identify|describe) the (thing|object) (at|in|marked by|I point at with) {region}<stop>
<please>tell me what (is at|you see at|lies in) {region}<stop>
I point at {region}. What is (it|there)?
I (marked|clicked|circled) {region}. (What is it|Name it|Describe it)<stop>
Look at {region}. What is (it|that)?
{region}: what is it?
{region}<place>: (name it|describe it|what is this)<stop>
""", """
Can you tell me what {region} is?
What have I marked with {region}?
Which thing is {region}?
Please give the name of {region}.
Describe what is at {region}.
Here is {region}. What do you call it?
"""),
    "region_masks": ("""
Segment {region}.
<please><segment> {region}<stop>
<please><segment> what (I point at|is marked|is meant|lies) (by|at|with|under) {region}<stop>
<please><segment> the (thing|things|object|objects) (at|under|marked by|in) {region}<stop>
<please>(give|return|draw|show) (me |)the mask (of|for) {region}<stop>
<can><segment> {region}?
I point at {region}. (Segment it|Mask it|Outline it)<stop>
I (marked|clicked|circled) {region}. (Segment it|Which pixels belong to it|Mask it)<stop>
{region}: (segment it|mask it|outline it|which pixels)<stop>
Which pixels (belong to|are part of|make up) {region}?
Mask for {region}<stop>
<want> the mask of {region}<stop>
From {region}, (find|grow|work out) the (mask|exact shape)<stop>
""", """
Create a mask for {region}.
Segment whatever is at {region}.
Which pixels are those of {region}?
Please outline what {region} shows.
Here is {region}. Give its segmentation mask.
Cut {region} out of the picture.
"""),
    "like_boxes": ("""
Find (others|more things|other things|the others|more objects) like {region}.
<please>(find|detect|locate|box) (others|more|other things|all others) (like|that look like) {region}<stop>
<please>(find|box|detect) everything else that (looks like|is like|is the same as) {region}<stop>
Where (else|besides) do you see (things|something|objects) like {region}?
I point at {region}. (Find|Box|Detect) (others|more) (like it|of its kind)<stop>
(Boxes|Bounding boxes) for (others|more things) like {region}<stop>
{region}: (find others like it|more of these|box the others of its kind)<stop>
Are there (others|more) like {region}? (Box them|Draw boxes|Find them)<stop>
<please>draw boxes around (the others|other things) (like|of the kind of) {region}<stop>
Which (other|further) (things|objects) are like {region}? Answer with boxes<stop>
Take {region} as an example and (box|detect|find) the others<stop>
What else is like {region}? (Box it|Answer with boxes)<stop>
(Look|Search) for (things|objects) of the (same kind|kind) as {region}<stop>
""", """
Please find the other ones like {region}.
Detect all that is similar to {region}.
Here is {region}. Where are others of the same kind?
Can you box more things like {region}?
Put boxes on the others that look like {region}.
Which further things look like {region}? Box them.
"""),
}
