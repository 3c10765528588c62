"""What a picture is to be freed of, in words: by what is to be done, those to train with, then those kept apart to test with.

`templates.ask("restore_image", change=...)` says the sentence around them, which is that of any change to a picture.
"""

from __future__ import annotations

# `{degrees}` stands in "turn by" alone.
REPAIRS: dict[str, tuple[str, str]] = {
    "noise": ("""
(remove|delete|take away|take out|get rid of) (the|all|all the|this) (noise|image noise|noise)
(reduce|filter out|clean up|clear away) (the|all the|this) (noise|image noise|noise)
(remove|take away|get rid of|reduce|clean up|clear away) the (grain|film grain|graininess|colour noise|sensor noise)
denoise (it|this|the <image>|this <image>)
make (it|the <image>) (less noisy|less grainy|free of noise|noise-free|clean of noise)
clean (the noisy <image>|the <image> of noise|this noisy <image>)
(smooth|take) out the (noise|grain)
(do|run) (a noise removal|noise reduction|a denoising)
""", """
wipe out the noise
have the noise taken away
lower the noise and the grain
free the photo from noise
"""),
    "blur": ("""
sharpen (it|this|the <image>|this <image>)
(remove|take away|get rid of|reduce|undo|take out) (the|this|all the|all) (blur|blurriness|softness|gaussian blur)
deblur (it|this|the <image>|this <image>)
make (it|the <image>|this <image>) (sharp|sharper|sharp again|crisp|crisper|less blurry|less soft|clear and sharp)
(bring|give) (the|this) <image> (back its sharpness|into focus|its edges back)
(sharpen|restore) (the edges|the details|the fine details|the blurry <image>|this blurry <image>)
""", """
undo the blurriness of this
give me a sharper version of it
clear away the blur
get this crisp again
"""),
    "pepper": ("""
(remove|delete|take away|take out|clear away) (the|all|all the|these) (black dots|black specks|black pixels|dead pixels|dark dots)
(get rid of|clean up|filter out|reduce) (the|all|all the|these) (pepper noise|pepper|black points|dark specks|black dots)
(fill|fill in|repair|mend|paint over) (the|all|all the|these) (black dots|black specks|black pixels|dead pixels|dark specks)
make the (black dots|black specks|dead pixels|pepper) (go away|disappear|vanish)
clean the <image> of (black dots|black specks|dead pixels|pepper)
""", """
wipe out the black specks
have the dead pixels mended
drop the black dots from it
free this from pepper
"""),
    "rain": ("""
(remove|delete|take away|take out) (the|all|all the|this) (rain|rain streaks|streaks of rain|raindrops|falling rain)
(get rid of|clear away|filter out) (the|all the) (rain|rain streaks|streaks of rain|raindrops)
derain (it|this|the <image>|this <image>)
make (the rain|all the rain|the rain streaks) (stop|go away|disappear|vanish)
(show|paint|make) (it|the <image>|this <image>) (without rain|without the rain|without rain streaks|dry|as if it did not rain)
clean the <image> of (rain|rain streaks)
""", """
wipe out the rain
let it stop raining
have the streaks of rain taken out
free this view from rain
"""),
    "mask": ("""
(fill|fill in|repair|mend|inpaint|paint in) (the|all|all the|these) (black squares|missing squares|missing blocks|holes|gaps)
(complete|restore|fill in) (the|all|all the|these) (missing parts|missing patches|masked squares|black blocks|missing squares)
(remove|take away|get rid of|delete) (the|all|all the|these) (black squares|black blocks|missing squares|squares|holes)
(fill in|paint|guess|complete) what is (missing|hidden|masked|behind the squares|behind the black squares)
(complete|inpaint) (it|this|the <image>|this <image>)
""", """
close the holes
wipe out the black squares
put back the missing parts
have the gaps filled
"""),
    "turn left": ("""
(turn|rotate|spin) (it|this|the <image>|this <image>) (to the left|left|counterclockwise|anticlockwise)
(turn|rotate|spin) (it|this|the <image>) (a quarter turn|90 degrees|by 90 degrees|by a quarter) (to the left|left|counterclockwise)
(make|do|give it) a quarter turn (to the left|counterclockwise)
""", """
have it rotated a quarter to the left
let the photo make a quarter turn counterclockwise
swing it 90 degrees to the left
"""),
    "turn right": ("""
(turn|rotate|spin) (it|this|the <image>|this <image>) (to the right|right|clockwise)
(turn|rotate|spin) (it|this|the <image>) (a quarter turn|90 degrees|by 90 degrees|by a quarter) (to the right|right|clockwise)
(make|do|give it) a quarter turn (to the right|clockwise)
""", """
have it rotated a quarter to the right
let the photo make a quarter turn clockwise
swing it 90 degrees to the right
"""),
    "turn over": ("""
(turn|rotate|spin) (it|this|the <image>) (upside down|by 180 degrees|180 degrees|half a turn|by half a turn|the other way up)
(make|do|give it) (a half turn|half a turn)
(put|set) (it|the <image>) (back on its feet|upright|the right way up)
""", """
have it rotated by 180 degrees
let the photo make half a turn
stand it on its head
"""),
    "turn by": ("""
(turn|rotate) (it|this|the <image>) (by |){degrees} degrees (to the left|counterclockwise)
""", """
have it rotated {degrees} degrees to the left
"""),
    "flip": ("""
(mirror|flip|reflect) (it|this|the <image>|this <image>)
(mirror|flip|reflect) (it|this|the <image>|this <image>) (left to right|horizontally|sideways|from side to side)
(swap|exchange) (left and right|the left and the right side)
(make|show|give) (a mirror image|its mirror image|the mirrored <image>)
""", """
have left and right swapped
let me see its mirror image
turn it into a mirror image
"""),
    "leave": ("""
(leave|keep) (it|this|the <image>|this <image>|everything) (as it is|unchanged|untouched|the same|alone|just as it is)
(copy|repeat|return|give back) (it|this|the <image>|this <image>) (as it is|unchanged|untouched|exactly|without a change)
(do not change|change nothing in|do nothing to) (it|this|the <image>|this <image>|anything)
make no change
(give|send|show) me (the same|the very same|an identical) <image>
keep (all of it|every pixel|the whole <image>) (as it was|the way it is|just so)
pass (it|the <image>|this <image>) on (without a change|untouched|unchanged|exactly as it came)
spare (it|the <image>|this <image>) (any|every) change
stay with (it|the <image>|this <image>) as it is
(leave|keep|copy|repeat|show) (it|the <image>|this <image>), (unchanged|untouched|as it is|without a change|nothing else)
""", """
return the same thing again, untouched
let it be as it is
hand it back unchanged
"""),
    "restore": ("""
(restore|repair|clean up|fix|improve|enhance|mend|clean) (it|this|the <image>|this <image>)
(remove|undo|take away|repair) (all damage|the damage|whatever spoils it|what spoils it|all flaws|every flaw)
make (it|the <image>|this <image>) (clean|good|as good as new|clean again|good again)
""", """
bring it back to a good state
have the damage undone
make this look as it should
"""),
}
