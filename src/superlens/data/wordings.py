"""The wordings of `templates.py`: for every task those to train with, then those kept apart to test with."""

from __future__ import annotations

from superlens.data.wordings_text import TEXT_WORDINGS

WORDINGS: dict[str, tuple[str, str]] = {
    "boxes": ("""
Detect {things}.
Detect every instance of {things}.
Find {things}.
Find all {things} in the picture.
Locate {things}.
Locate {things} in this image.
Where are {things}?
Where do you see {things}?
Draw boxes around {things}.
Draw a bounding box around each of these: {things}.
Give the bounding boxes of {things}.
Give me boxes for {things}.
Put a box on every one of these: {things}.
Box {things}.
Show me where {things} are.
Show the location of {things}.
Please detect {things}.
Please find {things} and mark them with boxes.
Can you find {things}?
Can you detect {things} in this photo?
Could you point out {things} with bounding boxes?
I am looking for {things}. Where are they?
Look for {things} in the picture.
Search the image for {things}.
Object detection: {things}.
Bounding boxes for {things}.
Return boxes for {things}.
Mark the position of {things} with boxes.
I need the bounding boxes of {things}.
Which parts of the image show {things}? Answer with boxes.
Spot {things}.
Spot all {things} here.
Help me find {things} in this picture.
Detect all {things} in the image.
Run detection for {things}.
Frame each of {things} with a rectangle.
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
Segment {things}.
Segment every instance of {things}.
Segment all {things} in the picture.
Please segment {things}.
Can you segment {things} in this image?
Give the masks of {things}.
Give me a mask for {things}.
Give segmentation masks for {things}.
Mask {things}.
Mask out {things}.
Outline {things}.
Outline {things} exactly.
Trace the outline of {things}.
Draw the masks of {things}.
Which pixels belong to {things}?
Which pixels show {things}?
Mark the pixels of {things}.
Colour in {things}.
Cut out {things}.
Show the exact shape of {things}.
Show me the masks of {things}.
Return segmentation masks for {things}.
Segmentation: {things}.
Masks for {things}.
I need masks of {things}.
I want {things} segmented.
Could you outline {things} for me?
Find the pixels of {things}.
Produce a mask for each of these: {things}.
Separate {things} from the background.
Highlight the area covered by {things}.
Paint over {things}.
Do a segmentation of {things}.
Select the pixels of {things} in this photo.
Predict the masks of {things}.
Help me segment {things}.
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
Where is {thing}?
Find {thing}.
Locate {thing}.
Detect {thing}.
Point to {thing} with a box.
Draw a box around {thing}.
Draw a bounding box around {thing}.
Give the bounding box of {thing}.
Give me the box of {thing}.
Put a box on {thing}.
Box {thing}.
Show me {thing} with a box.
Show me where {thing} is.
Please find {thing}.
Please locate {thing} in the picture.
Can you find {thing}?
Can you show me where {thing} is?
Could you draw a box around {thing}?
Look for {thing}.
I mean {thing}. Where is it?
I am looking for {thing}.
I need the bounding box of {thing}.
Where do you see {thing}?
Which box holds {thing}?
Return the box of {thing}.
Mark {thing} with a box.
Frame {thing}.
Spot {thing}.
In this picture, find {thing}.
Bounding box of {thing}.
Locate {thing} and give its box.
Help me find {thing}.
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
Segment {thing}.
Please segment {thing}.
Can you segment {thing}?
Segment {thing} in this picture.
Give the mask of {thing}.
Give me a mask of {thing}.
Mask {thing}.
Mask out {thing}.
Outline {thing}.
Trace the outline of {thing}.
Draw the mask of {thing}.
Which pixels belong to {thing}?
Which pixels show {thing}?
Mark the pixels of {thing}.
Colour in {thing}.
Cut out {thing}.
Show the exact shape of {thing}.
Show me the mask of {thing}.
Return the segmentation mask of {thing}.
Segmentation of {thing}.
Mask of {thing}.
I need a mask of {thing}.
I want {thing} segmented.
Could you outline {thing} for me?
Find the pixels of {thing}.
Produce a mask for {thing}.
Separate {thing} from the rest.
Highlight the area of {thing}.
Paint over {thing}.
Select the pixels of {thing}.
Predict the mask of {thing}.
Help me segment {thing}.
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
{question}? Answer with a box.
{question}? Draw a box around it.
{question}? Show it with a box.
{question}? Give its bounding box.
{question}? Give me the box.
{question}? Box it.
{question}? Put a box on it.
{question}? Mark it with a box.
{question}? Point it out with a box.
{question}? Please draw a box around it.
{question}? Please answer with a bounding box.
{question}? Return its box.
{question}? Detect it.
{question}? Locate it.
{question}? Find it.
{question}? Where is it?
{question}? Show me where it is.
{question}? I need its bounding box.
{question}? Frame it.
{question}? Please locate it.
Look at the picture: {question}? Answer with a box.
Think about this: {question}? Draw a box around it.
Tell me, {question}? Show me with a box.
A question: {question}? Give the box.
In this picture, {question}? Find it.
Consider the scene. Then {question}? Box the answer.
Draw a box around the answer: {question}?
Find the answer and box it: {question}?
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
{question}? Answer with a mask.
{question}? Segment it.
{question}? Outline it.
{question}? Show it with a mask.
{question}? Give its mask.
{question}? Give me the mask.
{question}? Mask it.
{question}? Mark its pixels.
{question}? Please segment it.
{question}? Please answer with a segmentation mask.
{question}? Return its mask.
{question}? Cut it out.
{question}? Trace its outline.
{question}? Which pixels are it?
{question}? Colour it in.
{question}? I need its mask.
{question}? Show its exact shape.
{question}? Please outline it.
{question}? Paint over it.
{question}? Find its pixels.
Look at the picture: {question}? Answer with a mask.
Think about this: {question}? Segment it.
Tell me, {question}? Show me with a mask.
A question: {question}? Give the mask.
In this picture, {question}? Segment it.
Consider the scene. Then {question}? Mask the answer.
Segment the answer: {question}?
Find the answer and outline it: {question}?
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
}
