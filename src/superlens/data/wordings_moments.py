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
}
