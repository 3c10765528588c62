"""The wordings of questions about videos, as in `wordings.py`. `{event}` is a whole statement ("the red ring moves up")."""

from __future__ import annotations

MOMENT_WORDINGS: dict[str, tuple[str, str]] = {
    "moments": ("""
When (is it that|does it happen that) {event}?
(At what time|During which seconds|In which part of the video|From when to when) (is it that|does it happen that) {event}?
<please>(find|give|say|mark) the (moment|time|seconds|part) (when|in which|during which) {event}<stop>
(Locate|Find) in the video: {event}<stop>
{event}: (when|when is that|at what time|from when to when)?
(Start|Beginning) and end of this: {event}<stop>
(Which|What) (moment|stretch|part) of the (video|clip) shows that {event}?
<can>(say|tell me) when {event}?
How long into the (video|clip) is it that {event}? (Start and end|From when to when)<stop>
<want> the (seconds|time|moment) (in|at) which {event}<stop>
(Watch|Look at) the (video|clip)<stop> When {event}, (what is the time|between which seconds is that)?
(Search|Go through) the (video|clip) for this: {event}<stop>
Is there a (moment|time) when {event}? (Which|When)?
""", """
Give the start and the end of the event: {event}.
In what interval of the clip can one see that {event}?
Point out the time span during which {event}.
I want to cut out the scene in which {event}. From where to where?
Time of the following, please: {event}.
Note the seconds between which {event}.
"""),
    "happens": ("""
What (happens|is happening|goes on|takes place) in (this|the) (video|clip)?
<please>(describe|say|tell me) what (happens|changes|goes on) in (this|the) (video|clip)<stop>
(List|Name) (all events|everything that happens|all that happens) in (this|the) (video|clip)<stop>
What (changes|can be seen to change) (during|over the course of) (this|the) (video|clip)?
(Watch|Look at) the (video|clip)<stop> What (happens|is going on)?
<want> (a description|an account) of what (happens|goes on) in (this|the) (video|clip)<stop>
<can>(say|tell me) what (happens|goes on|changes) in (this|the) (video|clip)?
(Tell|Show) me in words what (moves|changes|comes and goes) in (this|the) (video|clip)<stop>
(This|The) (video|clip) in (words|one sentence)<stop>
What (did|do) you see (happen|going on) in (this|the) (video|clip)?
Which events (are there|can be seen) in (this|the) (video|clip)?
(Caption|Describe) (this|the) (video|clip)<stop>
(Go through|Play) the (video|clip) and (write down|note) what happens<stop>
""", """
Sum up the events of the footage.
Which things do something in this recording, and what?
Give me a short report of this clip.
Could you put into words all that moves or changes here?
What have I missed in this recording?
Retell the footage.
"""),
    "timeline": ("""
(Cut|Split|Divide) the (video|clip) into 24 (equal parts|parts of equal length)<stop> In which of them is it that {event}?
For each of 24 (equal parts|parts of equal length) of the (video|clip), 1 (where|when|if) {event}, (else|otherwise) 0<stop>
(Give|Write|Say) (a|the) timeline of 24 (digits|marks), with 1 (where|when) {event} and 0 (elsewhere|where not)<stop>
{event}: (a timeline|mark the times) in 24 (steps|parts), 0 or 1<stop>
<please>(mark|note) in 24 (steps|parts), from the start to the end of the (video|clip), when {event}<stop>
(When|At which times) (is it that|does it happen that) {event}? (Answer|Reply) with 24 digits, 1 for yes and 0 for no<stop>
24 (parts|steps) of the (video|clip): is it so that {event}? (0 for no, 1 for yes|1 if so, else 0)<stop>
<can>(draw|write) a line of 24 digits, 1 while {event} and 0 (before and after|otherwise)?
<want> 24 (zeros and ones|digits): 1 in the parts of the (video|clip) in which {event}<stop>
(Go through|Watch) the (video|clip) in 24 steps and (say|write) 1 (when|where) {event}, else 0<stop>
Step by step, 24 (steps|parts) in all: does it happen that {event}? 0 or 1<stop>
(Look at|Take) 24 (moments|parts) of the (video|clip)<stop> Mark those (in|at) which {event} with 1, the rest with 0<stop>
A (bar|line) of 24 digits for the (video|clip): 1 (as long as|while) {event}<stop>
""", """
Of twenty-four pieces of the footage, all equally long, mark by 1 those in which {event}, the others by 0.
I would like 24 binary digits over the length of the clip that say when {event}.
Chop up the recording into 24 slices and flag by 1 all slices in which {event}, by 0 all others.
Over 24 equal stretches of the footage, print 1 if {event} and 0 if not.
Sample the recording 24 times. Is it then the case that {event}? Zero means no, one means yes.
Presence chart, 24 columns, ones and zeros: {event}.
"""),
}
