"""The wordings of questions that are answered in words; as in `wordings.py`."""

from __future__ import annotations

TEXT_WORDINGS: dict[str, tuple[str, str]] = {
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
<please>(give|provide|make|add) (me |)a (caption|short caption|one-line caption|brief caption|\
one-sentence caption)( for (the|this) (picture|image|photo)|)<stop>
<please>(describe|summarise|sum up) (the|this) <image> (in one sentence|in a sentence|in a few words|briefly)<stop>
What (is shown|can be seen|is there|is to be seen|appears) in (the|this) <image>(, in one sentence|, in short|, briefly)?
<please>(say|tell me) (briefly |in one sentence |in short )what (this|the) (picture|image|photo) shows<stop>
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
<please>(list|name|enumerate|write down|go through) (all|all the|all of the) (objects|things|items|\
shapes)<place>, (from left to right|left to right|starting at the left|going right from the left)<stop>
<please>(list|name|enumerate|write down) (everything|every object|each thing|every single thing)<place>, (left to right|\
starting at the left|beginning on the left)<stop>
<please>(describe|go over) (everything|every object|each thing)<place> (in detail|in full|one by one|from left to right|in order)<stop>
From (the |)left to (the |)right, (list|name|describe|tell me|go through) (every object|all things|all objects|\
everything|each thing)<stop>
(Which|What) (things|objects|items) (are there|do you see|can you see|are shown)<place>, (from left to right|left to right|in order)?
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
How many {things} (are there|do you see|can you see|are visible|can you count|do you find|are drawn|are shown|\
exist)( in (the|this) (picture|scene)| here|)?
<please>(count|count up|tally|add up) <every>{things}<place><stop>
<please>(give me|give|state|say|name|write) the (number|count|total|total number|exact number) of {things}<place><stop>
<please>(tell me|say|work out|find out|write) how many {things} (there are|you see|are visible|you count)<place><stop>
<can>(count|count up) <every>{things}<place>?
What is the (number|count|total|total number) of {things}<place>?
(In|For) (this|the) (image|scene|picture), (what is the number of|count the) {things}?
(Number|Count|Total) of {things}(|<place>)(?|.|:)
{things}(, how many are there?|: how many?|. Count them.|. How many do you see?)
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
(What|Which) (colour|color) (is|has) {thing}<place>?
(What|Which) (colour|color) does {thing} have?
<please>(name|give|state|say|tell me|give me|report) the (colour|color) of {thing}<stop>
<please>(say|report) (what|which) (colour|color) {thing} (has|is)<stop>
<can>(name|say|give me|tell me|see) the (colour|color) of {thing}?
(Look at|Find|See|Take) {thing}(. What|. Which|: what|: which) (colour|color) (is it|does it have)?
(In|On) (this|the) (picture|image|scene), what (colour|color) is {thing}?
The (colour|color) of {thing}(, please.|?|.)
(Of what|In which) (colour|color) is {thing}?
<want> to know (the (colour|color) of {thing}|what (colour|color) {thing} is)<stop>
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
(Is there|Do you see|Can you see|Do you find|Can you find|Do we see) {thing}<place>?
(Does|Would) (the|this) <image> (show|contain|have|include|hold) {thing}?
<please>(say|check|find out|see) (if|whether) (there is|you see|you can see|you find) {thing}<place><stop>
(Yes or no|Answer yes or no|Say yes or no|True or not|A question|Tell me)(: |, )(is there|do you see|can you see|\
do you find|can you find) {thing}<place>?
(Is|Was) {thing} (there|present|shown|visible|in view|to be found|among the things)( in the picture|)?
<can>(tell me|check|say) (if|whether) {thing} is (there|present|shown|visible)?
(In|On) (this|the) <image>, (is there|do you see|can one see) {thing}?
<want> to know (if|whether) there is {thing}<place><stop>
{thing}(: is there one?|: yes or no?|, do you see it?|. Is it there?|: present or not?)
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
(In|On|For) (this|the) (picture|image|scene), is {first} {relation} {second}?
(Tell me|Say|Answer|Check|Look|Yes or no|Answer yes or no|True or false|A question|Now|Well)(: |\
, )is {first} {relation} {second}<place>?
<please>(tell me|say|check|find out|see|work out) (if|whether) {first} is {relation} {second}<place><stop>
(Would you say|Would you agree|Do you think|Do you find|Can you see|Can you confirm|Is it true|\
Is it right) that {first} is {relation} {second}?
<can>(tell me|check|say) (if|whether) {first} is {relation} {second}?
{first} is {relation} {second}(: yes or no?|, right?|, is it not?|. True?|: true or false?|. Is that so?)
<want> to know (if|whether) {first} is {relation} {second}<stop>
""", """
In this photo, is {first} {relation} {second}?
From what you see, is {first} {relation} {second}?
Please say: is {first} {relation} {second}?
Could you check, is {first} {relation} {second}?
Does the image show that {first} is {relation} {second}?
Going by the picture, is {first} {relation} {second}?
Quick question: is {first} {relation} {second}?
"""),
    "place": ("""
(Which|What) (part|region|corner or part|area) of (the|this) <image> (shows|holds|contains) {thing}?
(In which|In what) (part|region|area) of (the|this) <image> (is|do you see|can you see|lies|do you find) {thing}?
(Say|Tell me|Describe|Give) in words where {thing} is<place><stop>
In words: (where is|in which part is) {thing}?
In words, (where|in which part of the <image>) is {thing}?
<please>(say|tell me|name|state) the part of the <image> that (holds|shows|contains) {thing}<stop>
<please>(say|tell me|name) (in which part|in which third|in what region) of the <image> {thing} (is|lies)<stop>
(Whereabouts|Where) in the <image> is {thing}? (Answer|Reply|Say it) in words<stop>
Where is {thing}: (top, middle or bottom, left or right|left, middle or right, top or bottom)?
Is {thing} (at the top, in the middle or at the bottom|on the left, in the middle or on the right)?
{thing}: (in which part of the <image>|which part of the <image>|top or bottom, left or right)?
<can>(say|tell me) in words where {thing} is<place>?
Name the (place|position) of {thing} in words<stop>
""", """
Which part of the picture is {thing} in?
Describe in words the position of {thing}.
Towards which side or corner of the image is {thing}?
Please put into words where {thing} is.
Is {thing} in the top, middle or bottom part, and on which side?
Tell me the part of the photo where {thing} lies.
"""),
    "side": ("""
On (which|what) side of {second} is {first}?
On (which|what) side of {second} (do you see|can you see|do you find|lies) {first}?
In (which|what) direction (from|of) {second} (is|lies) {first}?
Seen from {second}, (where is|in which direction is|on which side is|where lies) {first}?
Is {first} (left or right of, above or below) {second}?
Is {first} (left of, right of, above or below|above, below, left of or right of) {second}?
Starting at {second}, (where is|which way is|in which direction is) {first}?
<please>(say|tell me|name) on which side of {second} {first} (is|lies)<stop>
<please>(say|tell me|name) the direction (from|of) {second} to {first}<stop>
Which way (is it|do I go|must I go) from {second} to {first}?
(With respect to|Relative to|Compared with) {second}, (where is|on which side is) {first}?
{first} and {second}: (on which side|in which direction) is the one named first?
From {second}, (which way|in what direction) (is|lies|do you see) {first}?
""", """
On which side of {second} does {first} lie?
Tell me the side of {second} where {first} is.
Going from {second} to {first}, which way is it?
Where, from {second}, is {first}?
Please say in which direction {first} lies from {second}.
How does {first} lie to {second}: left, right, above or below?
"""),
    "echo": ("""
<please>repeat(:| this:| these words:| after me:| what I say:|) {things}<stop>
<please>(say back|write back|give back)(:| this:| these words:|) {things}<stop>
<please>(copy|echo)(:| this:| what I write:|) {things}<stop>
<please>(repeat|say|write|copy|read out)( exactly|): {things}
<can>(repeat|say back) (this|these words|what I say): {things}?
<can>(copy|write back) (this|these words|what I write): {things}?
{things}: (repeat|copy|echo) (that|this|it).
{things}. (Repeat|Copy|Echo|Say it back|Write that again).
{things}(, word for word please.|, and now you.|: your turn to say it.)
(The words|My words|Word for word|As it stands|Once more|Again): {things}
<want> you to (repeat|say|write|copy): {things}
Now (say|write|repeat) exactly what I (say|write): {things}
What I (say|write) is what you (say|write): {things}
""", """
Say after me: {things}
Please say this back to me: {things}
What did I just say? I said {things}.
Write down the following words: {things}
Copy out the line that follows: {things}
I say {things}, and you say the same.
"""),
    "echo_marked": ("""
<please>(write|say|list|read out) {things}, (each|every one|each of them) followed by {mark}<stop>
<please>(write|put|set|add) {mark} (behind|after) each of these: {things}
<please>(mark|tag) each of these with {mark}: {things}
<please>(repeat|copy|write) {things} with {mark} (behind|after) (each|every one)<stop>
<can>(write|put) {mark} (behind|after) each of these: {things}?
<can>(repeat|say) {things} with {mark} (behind|after) each?
{things}: (repeat|copy|write) (them|these), {mark} (behind|after) each.
{things}. (Put|Set|Write) {mark} (behind|after) (each|every one).
(Behind|After) each of {things} (comes|stands|write|put) {mark}.
(Give|Hand) {mark} to each: {things}
<want> you to (put|write) {mark} (behind|after) each: {things}
What I (say|write) is what you (say|write), with {mark} (behind|after) each: {things}
(Word for word|Once more|Again), but {mark} (behind|after) each: {things}
(Each|Every one) (gets|is given) {mark}: {things}
""", """
Say after me, and add {mark} every time: {things}
Please say {things} back to me, and do not forget {mark} after any of them.
Copy out this line and append {mark} to all of its items: {things}
I say {things}, and you say the same, {mark} included each time.
Append {mark} to each item: {things}
Write down the following words, always with {mark} next to them: {things}
"""),
}
