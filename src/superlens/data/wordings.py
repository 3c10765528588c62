"""The wordings of `templates.py`: for every task those to train with, then those kept apart to test with."""

from __future__ import annotations

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
    "caption": ("""
Caption this picture.
Give a caption.
Write a caption for this image.
Write a one-sentence caption.
Describe the picture in one sentence.
Describe this image briefly.
Describe the scene in a few words.
Give a short description of the picture.
Sum up the picture in one sentence.
Summarise this image.
What does this picture show?
What is shown here?
What is in this picture?
What can be seen in the image?
What do you see?
What is this a picture of?
Tell me briefly what is in the photo.
Tell me what this image shows.
In one sentence, what is in the picture?
Please caption this photo.
Please describe the image in a sentence.
A short caption, please.
Provide a brief caption for the photo.
Say in one sentence what you see.
Can you caption this image?
Can you tell me what is in the picture?
Briefly: what is in this image?
Give me a one-line description.
""", """
Please write a short caption for the picture.
What is going on in this image?
Give a brief description of this photo.
Describe what you see in one sentence.
Could you sum up this picture for me?
What does the photo show?
Caption the image in one sentence.
"""),
    "describe": ("""
List everything from left to right.
List every object from left to right.
List all objects, left to right.
Describe everything from left to right.
Describe every object in the picture, left to right.
Describe the picture in full, from left to right.
Describe the picture in detail.
Describe the image thoroughly.
Give a dense description.
Give a detailed description of the picture.
Give a full list of the objects.
Name every object from left to right.
Name all things in the picture, left to right.
Name everything you can see.
Name each thing, going from left to right.
Go from left to right and name each object.
Read the scene from left to right.
Enumerate the objects from left to right.
Make an inventory of the picture.
Write down every object, left to right.
Tell me every object you see, from left to right.
Tell me everything that is in the picture.
Which objects are there, from left to right?
Please list all objects from left to right.
Please describe each object in order.
What are all the objects in the picture?
What is there, from left to right?
I want a complete list of the objects.
""", """
Please name every object from left to right.
Give me a list of all objects, going left to right.
Describe all that you see in detail.
From left to right, what objects are there?
Write a complete list of the things in this picture.
List each object in the image in order.
Can you list everything you see, left to right?
"""),
    "count": ("""
How many {things} are there?
How many {things} are in the picture?
How many {things} do you see?
How many {things} can you see?
How many {things} are visible?
How many {things} does the image show?
How many {things} can be counted?
How many {things}?
Count the {things}.
Count {things}.
Count all {things} in this image.
Count how many {things} there are.
Please count the {things}.
Give the number of {things}.
Give me the count of {things}.
What is the number of {things}?
What is the count of {things} in the picture?
Number of {things}?
Tell me how many {things} there are.
Tell me the number of {things}.
Can you count the {things}?
Could you tell me how many {things} are here?
I want to know how many {things} there are.
In this picture, how many {things} are there?
Look at the image: how many {things} are there?
State the number of {things}.
Say how many {things} you see.
Find out how many {things} are shown.
""", """
How many {things} are shown in this image?
Please tell me the number of {things} in the picture.
Can you tell how many {things} there are?
What number of {things} do you see here?
Count the {things} you can see.
In the photo, how many {things} can you find?
How many {things} appear in the picture?
"""),
    "colour": ("""
What colour is {thing}?
What color is {thing}?
Which colour is {thing}?
Which color does {thing} have?
What colour does {thing} have?
What is the colour of {thing}?
What is the color of {thing}?
Name the colour of {thing}.
Give the colour of {thing}.
Give me the color of {thing}.
Tell me the colour of {thing}.
Tell me what colour {thing} is.
Tell me which color {thing} has.
Say what colour {thing} is.
State the colour of {thing}.
Please name the colour of {thing}.
Please tell me the color of {thing}.
Can you tell me the colour of {thing}?
Can you name the color of {thing}?
Could you say what colour {thing} is?
I want to know the colour of {thing}.
In this picture, what colour is {thing}?
Look at {thing}. What colour is it?
Look at {thing}: which color is it?
Find {thing} and name its colour.
How would you name the colour of {thing}?
In what colour is {thing} painted?
The colour of {thing}?
""", """
What colour would you say {thing} is?
Please tell me what color {thing} is.
In the image, which colour does {thing} have?
Do you know the colour of {thing}?
What is the color of {thing} in this photo?
Describe the colour of {thing} in one word.
Which colour has {thing} been given?
"""),
    "exists": ("""
Is there {thing}?
Is there {thing} here?
Is there {thing} in the picture?
Is there {thing} in this image?
Is there {thing} to be seen?
Is {thing} there?
Is {thing} in the picture?
Is {thing} visible?
Is {thing} shown here?
Do you see {thing}?
Do you see {thing} anywhere?
Can you see {thing}?
Can you see {thing} in the image?
Can you find {thing}? Yes or no?
Can {thing} be seen?
Does the picture show {thing}?
Does this image contain {thing}?
Does the scene have {thing}?
Does {thing} appear in the picture?
Tell me whether there is {thing}.
Tell me if you see {thing}.
Say yes or no: is there {thing}?
Yes or no: do you see {thing}?
Check whether there is {thing}.
Please check if there is {thing}.
I wonder if there is {thing} here.
Look at the picture. Is there {thing}?
Could there be {thing} in this picture?
""", """
Is there {thing} anywhere in this photo?
Please tell me if there is {thing}.
Would you say there is {thing} in the image?
Does {thing} appear anywhere here?
Yes or no: does the image contain {thing}?
Can you spot {thing}? Answer yes or no.
Do you notice {thing} in the picture?
"""),
    "relation": ("""
Is {first} {relation} {second}?
Is {first} {relation} {second} in the picture?
Is {first} {relation} {second} in this image?
Is {first} {relation} {second} here?
In this picture, is {first} {relation} {second}?
In the image, is {first} {relation} {second}?
In this scene, is {first} {relation} {second}?
Here, is {first} {relation} {second}?
Look at the picture: is {first} {relation} {second}?
Look closely: is {first} {relation} {second}?
Looking at the image, is {first} {relation} {second}?
Tell me: is {first} {relation} {second}?
Answer yes or no: is {first} {relation} {second}?
A question: is {first} {relation} {second}?
One question: is {first} {relation} {second}?
Please answer: is {first} {relation} {second}?
Please tell me: is {first} {relation} {second}?
Would you say that {first} is {relation} {second}?
Would you agree that {first} is {relation} {second}?
Can you tell me, is {first} {relation} {second}?
Can you see it: is {first} {relation} {second}?
Check this: is {first} {relation} {second}?
Compare them: is {first} {relation} {second}?
I want to know: is {first} {relation} {second}?
Do you think {first} is {relation} {second}?
Does it look as if {first} is {relation} {second}?
As you see it, is {first} {relation} {second}?
What do you think, is {first} {relation} {second}?
""", """
In this photo, is {first} {relation} {second}?
From what you see, is {first} {relation} {second}?
Please say: is {first} {relation} {second}?
Could you check, is {first} {relation} {second}?
Does the image show that {first} is {relation} {second}?
Going by the picture, is {first} {relation} {second}?
Quick question: is {first} {relation} {second}?
"""),
}
