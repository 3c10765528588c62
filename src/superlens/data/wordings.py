"""The wordings of `templates.py`: for every task those to train with, then those kept apart to test with.

`(a|b|)` stands for one of its alternatives, the last one empty, and may hold others; `<please>` and its like for what `SHORT` says.
"""

from __future__ import annotations

from superlens.data.wordings_context import CONTEXT_WORDINGS
from superlens.data.wordings_follow import FOLLOW_WORDINGS
from superlens.data.wordings_grounded import GROUNDED_WORDINGS
from superlens.data.wordings_moments import MOMENT_WORDINGS
from superlens.data.wordings_pictures import PICTURE_WORDINGS
from superlens.data.wordings_regions import REGION_WORDINGS
from superlens.data.wordings_text import TEXT_WORDINGS

SHORT = {
    "<please>": "(||||Please |Please |Now |Kindly |Just |Next, |Go ahead and |I want you to |You should )",
    "<can>": "(Can|Could|Would|Will) you (please |kindly |)",
    "<want>": "(I|We) (want|need|would like|ask for)",
    "<help>": "(Help me|Help us|I want to|I need to|I would like to|My task is to|We must)",
    "<listen>": "(Look at the picture|Look closely|Think about this|A question|One question|Tell me|Consider this|Say|Look|Now)",
    "<detect>": "(detect|find|locate|spot|identify|box|frame|search for|look for|pick out|point out|point at)",
    "<segment>": "(segment|mask|outline|cut out)",
    "<every>": "(||||all |every one of |each of |all of )",
    "<place>": "(|||| in (the|this) <image>| here| in view)",
    "<image>": "(picture|image|photo|scene)",
    "<with>": "(with|using)",
    "<stop>": "(.|.|.|.|!|. Thanks.|. Thank you.)",
}

WORDINGS: dict[str, tuple[str, str]] = {
    "boxes": ("""
<please><detect> <every>{things}<place><stop>
<please>(detect|find|locate|spot|box|frame|look for) {things}.
<can><detect> <every>{things}<place>?
(Find|Detect|Locate|Look for|Search for) {things}<place>.
(Find|Detect|Locate|Box|Frame) <every>{things}<stop>
<please>(mark|show|highlight|annotate|label|indicate) <every>{things}<place> with (boxes|a box each)<stop>
<please>(highlight|annotate|enclose|surround|tag|outline) {things}<place> <with> (bounding boxes|rectangles|frames|boxes)<stop>
(Where|Whereabouts) (are|do you see|can you see|can I see|do I find|can I find|should I look for) {things}?
(Where|In which places|At what positions) (do you see|can you see|can you find|do you find|can I spot) {things}<place>?
<please>(show|tell) me where {things} (are|is|can be found|can be seen|appear)<place><stop>
<please>(give|send|list|return|output|write|get) (me |us |)(the |)(boxes|bounding boxes|box coordinates|rectangles|\
locations|positions) (of|for) <every>{things}<place><stop>
<want> (the |)(boxes|bounding boxes|rectangles|locations|positions) (of|for|around) {things}<place><stop>
<please>(draw|put|place|set|add|make|lay) (boxes|bounding boxes|a box|a bounding box|a frame|tight boxes) (around|on|\
over|for) <every>{things}<place><stop>
(Locate|Spot|Identify|Look for|Search for) and (mark|frame|enclose|box) {things}<place><stop>
(Search|Scan|Go through|Look over) the <image> (for|and find|and box) {things}<stop>
(Detection|Object detection|Boxes|Bounding boxes|Localization|Locations|Task: detection|To be boxed|To be found|Wanted): {things}<stop>
(Boxes|Bounding boxes|Rectangles|Object detection|Detection|A box) (of|for|around) {things}<stop>
(The following|These) (things|objects|classes|items|kinds) (should be|are to be|must be) (detected|boxed|found|\
located)<place>: {things}.
<please>(find|locate|box|look for|put a box on|draw a bounding box around) (each of these|the following|all of these|\
these)<place>: {things}<stop>
{things}: (where are they|detect them|box them|find them|locate them|draw their boxes|bounding boxes|boxes, please)<stop>
{things}<place>(, where are they?|. Find them.|. Box them.| - locate them.| - boxes?)
(Are there|Do you see|Can you see|Do you notice) {things}<place>? (Box them|Frame them|Locate them|Detect them|\
Mark them with boxes|Show me with boxes|Answer with boxes).
(In|On|For) (the|this) <image>, (<detect>|draw boxes around|give the boxes of) {things}<stop>
I (am looking|look|search) for {things}<place>. (Where are they?|Box them.|Can you help?|Show me where.|Find them.)
<help> (find|locate|detect|spot|box) {things}<place><stop>
Which (parts|regions|places) of the (image|picture|photo) (show|hold|contain) {things}? (Answer|Reply|Respond) with boxes.
(Which|What) (boxes|bounding boxes|rectangles) (hold|contain|enclose|belong to|fit) {things}<place>?
(Run|Do|Perform) (object |)detection (for|of|on) {things}<place><stop>
Let me (see|know) where {things} are<place><stop>
Are {things} (here|there|in it|in the picture)? (Draw boxes|Detect|Give boxes|Find them|Box what you find).
""", """
Please locate all {things} you can see.
Draw rectangles around {things}.
Point me to {things} in the image.
What are the bounding boxes of {things}?
Find and box {things}.
Detect these things in the photo: {things}.
Where in this picture are {things}?
Mark {things} with bounding boxes, please.
"""),
    "masks": ("""
<please>(segment|mask|mask out|trace|cut out|paint over|colour in|shade|silhouette) <every>{things}<place><stop>
<please>(segment|mask|outline) {things}.
<can>(segment|outline|trace|cut out|mask out|colour in|paint over) <every>{things}<place>?
(Segment|Mask|Outline) <every>{things}<stop>
<please>(mark|show|highlight|annotate|label|indicate) <every>{things}<place> with (masks|a mask each|segmentation masks)<stop>
<please>(highlight|annotate|cover|tag|enclose) {things}<place> <with> (masks|exact outlines|segmentation masks|pixel masks)<stop>
Which (pixels|areas|regions) (belong to|show|make up|are part of) {things}<place>?
<please>(mark|select|find|highlight|give|show|label) the (pixels|exact area|exact shape|silhouettes|\
region) of <every>{things}<place><stop>
<please>(give|send|return|output|predict|produce|get) (me |us |)(the |)(masks|segmentation|exact outlines|pixel masks|\
segmentation masks) for <every>{things}<place><stop>
<want> (the |)(masks|segmentation|segmentation masks|outlines) (of|for) {things}<place><stop>
<want> {things} (segmented|masked|outlined|cut out)<place><stop>
<please>(draw|put|place|lay|make|paint) (masks|a mask|segmentation masks|exact masks|an outline) (over|on|for|\
around) <every>{things}<place><stop>
(Find|Spot|Look for|Identify) and (segment|mask|outline|trace) {things}<place><stop>
(Search|Scan|Go through|Look over) the <image> and (segment|mask|outline) {things}<stop>
(Segmentation|Instance segmentation|Masks|Outlines|Task: segmentation|To be segmented|To be masked): {things}<stop>
(Masks|Segmentation masks|Outlines|Segmentation|Instance segmentation|A mask) (of|for) {things}<stop>
(The following|These) (things|objects|classes|items|kinds) (should be|are to be|must be) (segmented|masked|outlined)<place>: {things}.
<please>(segment|mask|outline|produce a mask for|draw the masks of) (each of these|the following|all of these)<place>: {things}<stop>
{things}: (segment them|mask them|outline them|which pixels|draw their masks|segmentation|masks, please)<stop>
{things}<place>(, which pixels are they?|. Segment them.|. Mask them.| - outline them.| - masks?)
(Are there|Do you see|Can you see|Do you notice) {things}<place>? (Segment them|Mask them|Outline them|Cut them out|\
Show me with masks|Answer with masks).
(In|On|For) (the|this) <image>, (segment|mask|outline|trace|cut out|draw masks over|give the masks of) {things}<stop>
I (am looking|look|search) for {things}<place>. (Which pixels are they?|Mask them.|Segment them.|Show me their shape.|Outline them.)
<help> <segment> {things}<place><stop>
Which (parts|regions) of the (image|picture|photo) (are|show|belong to) {things}? (Answer|Reply|Respond) with (masks|pixels).
(Which|What) (masks|outlines) (cover|belong to|fit) {things}<place>?
(Run|Do|Perform) (a |an instance |)segmentation (for|of) {things}<place><stop>
Separate {things} from (the background|the rest|everything else)<stop>
Show (me |)the exact (shape|outline|extent|pixels) of {things}<place><stop>
Are {things} (here|there|in it|in the picture)? (Draw masks|Segment|Give masks|Mask them|Mask what you find).
""", """
Please give me segmentation masks of {things}.
Can you mask {things} in this photo?
Segment these things: {things}.
Which area is covered by {things}? Answer with masks.
Outline all {things} in the image.
Create masks for {things}.
Mark every pixel that belongs to {things}.
What are the masks of {things}?
"""),
    "keypoints": ("""
Mark the {names} of {things}.
Find the {names} of {things}.
Locate the {names} of {things}.
Point to the {names} of {things}.
Point out the {names} of {things}.
Where are the {names} of {things}?
Where do you see the {names} of {things}?
Show the {names} of {things}.
Show me the {names} of {things}.
Show me where the {names} of {things} are.
Give the {names} of {things}.
Give me the {names} of {things}.
Give the position of the {names} of {things}.
Detect the {names} of {things}.
Detect the {names} of {things} in this image.
Predict the {names} of {things}.
Estimate the {names} of {things}.
Estimate the pose of {things}: {names}.
Pose of {things}: {names}.
Keypoint detection for {things}: {names}.
Put a point on the {names} of {things}.
Place points on the {names} of {things}.
Put dots on the {names} of {things}.
Annotate the {names} of {things}.
Label the {names} of {things}.
Return the {names} of {things}.
I need the {names} of {things}.
I want the {names} of {things} marked.
Please find the {names} of {things}.
Please mark the {names} of {things} in the picture.
Can you find the {names} of {things}?
Can you mark the {names} of {things} in this photo?
Could you point to the {names} of {things}?
Look for {things} and mark the {names}.
Find {things} and mark the {names} with points.
For each of {things}, mark the {names}.
In this picture, find the {names} of {things}.
Help me find the {names} of {things}.
At which pixels are the {names} of {things}?
""", """
Please locate the {names} of {things}.
What are the positions of the {names} of {things}?
Mark where the {names} of {things} are.
Draw points on the {names} of {things}.
Which points are the {names} of {things}?
Find these points of {things}: {names}.
Put markers on the {names} of {things}, please.
Can you locate the {names} of {things} in the image?
"""),
    "refer_boxes": ("""
<please><detect> {thing}<place><stop>
<please>(detect|find|locate|box|frame) {thing}.
<can>(detect|find|spot|identify|box|frame|pick out|point out|look for) {thing}<place>?
<please>(mark|show|highlight|annotate|label|indicate|point to) {thing} with a box<stop>
<please>(highlight|annotate|enclose|surround|tag) {thing} <with> (a bounding box|a rectangle|a frame)<stop>
Where (is|do you see|can you see|can I see|do I find|should I look for) {thing}?
(Where|In which place|At what position) (do you see|can you see|can you find|do you find|can I spot) {thing}<place>?
<please>(show|tell) me where {thing} (is|can be found|can be seen|lies)<place><stop>
<please>(give|send|return|output|write|get) (me |us |)the (box|bounding box|box coordinates|rectangle|location|\
position) (of|for) {thing}<stop>
<want> the (box|bounding box|rectangle|location|position) (of|for|around) {thing}<stop>
<please>(draw|place|set|add|make|lay) (a box|a bounding box|a frame|one box|a tight box) (around|on|over|for) {thing}<stop>
(Locate|Spot|Identify|Look for|Search for) and (mark|frame|enclose|box) {thing}<stop>
(Search|Scan|Look over) the <image> (for|and find|and box) {thing}<stop>
(Detection|Box|Bounding box|Location|Task: detection|To be boxed|To be found|Wanted): {thing}<stop>
(Box|Bounding box|Rectangle|The box|One box) (of|for|around) {thing}<stop>
{thing}: (where is it|detect it|box it|find it|locate it|draw its box|bounding box|box, please)<stop>
{thing}(, where is it?|. Find it.|. Box it.| - locate it.| - its box?)
Do you see {thing}? (Box it|Frame it|Locate it|Detect it|Mark it with a box|Show me with a box|Answer with a box).
(In|On|For) (the|this) <image>, (<detect>|draw a box around|give the box of) {thing}<stop>
I (am looking|look|search) for {thing}. (Where is it?|Box it.|Can you help?|Show me where.|Find it.)
I mean {thing}. (Where is it?|Box it.|Find it.|Mark it with a box.)
<help> (find|locate|detect|spot|box) {thing}<stop>
(Which|What) (box|bounding box|rectangle) (holds|contains|encloses|belongs to|fits) {thing}?
(Look at|Take|Consider) {thing}. (Where is it|Box it|Give its box|Frame it)<stop>
(Only|Just) {thing}: (one box|box it|find it|locate it)<stop>
Put a box on {thing}<stop>
""", """
Where in the image is {thing}?
What is the bounding box of {thing}?
Please draw a rectangle around {thing}.
Find and box {thing}.
Can you locate {thing} for me?
Point me to {thing}.
Put a bounding box around {thing}, please.
"""),
    "refer_masks": ("""
<please>(segment|mask|mask out|outline|trace|cut out|paint over|colour in|shade) {thing}<stop>
<please>(segment|mask|outline) {thing}.
<can>(segment|outline|trace|cut out|mask out|colour in) {thing}<place>?
<please>(mark|show|highlight|annotate|label|indicate) {thing} with (a mask|a segmentation mask)<stop>
<please>(highlight|annotate|cover|tag) {thing} <with> (one mask|its exact outline|a pixel mask)<stop>
Which pixels (belong to|show|make up|are part of) {thing}<place>?
<please>(mark|select|find|highlight|give|show|label) the (pixels|exact area|exact shape|silhouette|region) of {thing}<stop>
<please>(give|send|return|output|predict|produce|get) (me |us |)the (mask|segmentation|exact outline|pixel mask) (of|for) {thing}<stop>
<want> (the|a) (mask|segmentation|segmentation mask|outline) (of|for) {thing}<stop>
<want> {thing} (segmented|masked|outlined|cut out)<stop>
<please>(draw|put|place|lay|make|paint) (a mask|a segmentation mask|an exact mask|one mask) (over|on) {thing}<stop>
(Find|Spot|Look for|Identify) and (segment|mask|outline|trace) {thing}<stop>
(Search|Scan|Look over) the <image> and (segment|mask|outline) {thing}<stop>
(Segmentation|Mask|Outline|Task: segmentation|To be segmented|To be masked): {thing}<stop>
(Mask|Segmentation mask|Outline|Segmentation|The mask) (of|for) {thing}<stop>
{thing}: (segment it|mask it|outline it|which pixels|draw its mask|segmentation|mask, please)<stop>
{thing}(, which pixels are it?|. Segment it.|. Mask it.| - outline it.| - its mask?)
Do you see {thing}? (Segment it|Mask it|Outline it|Cut it out|Show me with a mask|Answer with a mask).
(In|On|For) (the|this) <image>, (segment|mask|outline|trace|cut out|draw a mask over|give the mask of) {thing}<stop>
I (am looking|look|search) for {thing}. (Which pixels are it?|Mask it.|Segment it.|Show me its shape.|Outline it.)
<help> <segment> {thing}<stop>
(Which|What) (mask|outline) (covers|belongs to|fits) {thing}?
Separate {thing} from (the background|the rest|everything else)<stop>
Show (me |)the exact (shape|outline|extent|pixels) of {thing}<stop>
(Look at|Take|Consider) {thing}. (Segment it|Mask it|Give its mask|Outline it)<stop>
(Only|Just) {thing}: (one mask|mask it|segment it)<stop>
""", """
Please give me the segmentation mask of {thing}.
Can you mask {thing} in this photo?
What is the mask of {thing}?
Create a mask for {thing}.
Mark every pixel of {thing}.
Segment only {thing}.
Outline {thing} in the image.
"""),
    "reason_boxes": ("""
{question}? (Answer|Respond|Show me|Show it|Point it out|Mark it|Tell me) with a box<stop>
{question}? <please>(draw|put|place|lay) a (box|frame|tight box|bounding box) (around|on|over) it<stop>
{question}? (Give|Return|Send|Output|Write|Get|I need|I want) (me |)(its|the) (box|bounding box|rectangle|location|position)<stop>
{question}? <please>(box|detect|locate|find|frame|spot|enclose|pick out|look for) (it|that thing|the thing|that one)<stop>
{question}? (Where is it|Show me where it is|Where do you see it|Where can I find it)?
{question}? (Point to it|Point at it|Take me to it|Lead me there|Show me the place)<stop>
{question}? (Box|Frame|Locate|Find|Detect) (it|the answer|what you mean)<place><stop>
<listen>: {question}? (Answer with a box|Draw a box around it|Box it|Give the box|Find it|Show me with a box)<stop>
In (this|the) <image>, {question}? (Find it|Box it|Answer with a box|Locate it|Give its box|Show its box)<stop>
(Consider|Look at|Think about) the (scene|picture). (Then |Now |){question}? (Box the answer|Find it|Draw its box|\
Mark it with a box)<stop>
<please>(draw a box around|box|frame|locate|find|detect|put a box on) the answer: {question}?
(Find|Work out|Guess|Decide) the answer and (box|frame|locate) it: {question}?
(A box|One box|The box|Bounding box|Box), please: {question}?
With (a box|one box), (answer|tell me|show me): {question}?
""", """
{question}? Please give me its bounding box.
{question}? Reply with a box.
{question}? Draw a rectangle around it.
{question}? Can you locate it?
Here is a riddle: {question}? Box it.
Looking at this image, {question}? Answer with a bounding box.
{question}? Point me to it.
"""),
    "reason_masks": ("""
{question}? (Answer|Respond|Show me|Show it|Point it out|Mark it|Tell me) with a mask<stop>
{question}? <please>(draw|put|place|lay) a (mask|segmentation mask|pixel mask) (on|over) it<stop>
{question}? (Give|Return|Send|Output|Get|I need|I want) (me |)(its|the) (mask|segmentation|exact outline|pixels)<stop>
{question}? <please>(segment|mask|outline|trace|cut out|paint over|colour in) (it|that thing|the thing|that one)<stop>
{question}? (Which pixels are it|Which pixels belong to it|Which area is it|What is its exact shape)?
{question}? (Segment|Mask|Outline|Trace) (it|the answer|what you mean)<place><stop>
<listen>: {question}? (Answer with a mask|Draw a mask over it|Mask it|Give the mask|Segment it|Show me with a mask)<stop>
In (this|the) <image>, {question}? (Segment it|Mask it|Answer with a mask|Outline it|Give its mask|Show its mask)<stop>
(Consider|Look at|Think about) the (scene|picture). (Then |Now |){question}? (Mask the answer|Segment it|Draw its mask|\
Mark it with a mask)<stop>
<please>(segment|mask|outline|trace|draw a mask over) the answer: {question}?
(Find|Work out|Guess|Decide) the answer and (mask|outline|segment) it: {question}?
(A mask|One mask|The mask|Segmentation mask|Mask), please: {question}?
With (a mask|one mask), (answer|tell me|show me): {question}?
""", """
{question}? Please give me its segmentation mask.
{question}? Reply with a mask.
{question}? Mark every pixel of it.
{question}? Can you segment it?
Here is a riddle: {question}? Mask it.
Looking at this image, {question}? Answer with a segmentation mask.
{question}? Create a mask for it.
"""),
    **TEXT_WORDINGS,
    **REGION_WORDINGS,
    **FOLLOW_WORDINGS,
    **CONTEXT_WORDINGS,
    **GROUNDED_WORDINGS,
    **PICTURE_WORDINGS,
    **MOMENT_WORDINGS,
}
