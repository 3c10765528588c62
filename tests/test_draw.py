"""What is drawn is where it should be, in its colour, with the words underneath; odd pictures and messages draw too."""

import warnings

import numpy as np
import pytest
from PIL import ImageColor

from superlens.draw import COLOURS, draw, draw_video
from superlens.media import Image
from superlens.message import Boxes, Keypoints, Map, Masks, Message, Moments, Polygons, Region
from superlens.video import Video

GREY = np.full((500, 600, 3), 128, np.uint8)
FIRST, SECOND = (np.array(ImageColor.getrgb(colour)) for colour in COLOURS[:2])


def has(page, y, x, colour, reach=2):
    """Whether the colour is within `reach` pixels of (x, y)."""
    patch = np.asarray(page)[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    return bool((np.abs(patch.astype(int) - colour).max(-1) < 12).any())


def test_boxes_stand_where_they_should_in_their_colours():
    answer = Message(
        "assistant",
        ("See ", Boxes("dog", [[100, 100, 300, 200]], [0.9]), " and ", Boxes("cat", [[350, 300, 450, 400]])),
    )
    page = draw(answer, [GREY])
    assert page.mode == "RGB" and page.width == 600 and page.height > 500
    assert has(page, 150, 100, FIRST) and has(page, 200, 200, FIRST) and not has(page, 150, 100, SECOND)
    assert has(page, 350, 350, SECOND) and not has(page, 250, 250, FIRST, 20)
    assert np.array_equal(np.asarray(page)[250, 200], [128] * 3), "nothing is drawn elsewhere"
    caption = np.asarray(page)[500:].astype(int)
    assert (caption == 255).all(-1).mean() > 0.5
    assert (np.abs(caption - FIRST).max(-1) < 12).any() and (np.abs(caption - SECOND).max(-1) < 12).any()
    assert np.array_equal(np.asarray(page), np.asarray(answer.about([Image(GREY)]).draw())), "the same twice"


def test_masks_tint_their_pixels():
    mask = np.zeros((1, 500, 600), bool)
    mask[0, 100:200, 100:300] = True
    page = np.asarray(draw(Message("assistant", Masks("dog", mask)), GREY)).astype(int)
    expected = 128 * 0.55 + FIRST * 0.45
    assert np.abs(page[150, 200] - expected).max() <= 3 and (page[300, 300] == 128).all()
    assert np.abs(page[199, 200] - FIRST).max() < 3, "a rim"


def test_outlines_keypoints_and_small_pictures():
    small = np.full((50, 60, 3), 128, np.uint8)
    answer = Message(
        "assistant",
        (
            Polygons("sign", [[[10, 30], [30, 30], [30, 40], [10, 40]]], texts=["STOP"]),
            Keypoints("man", ("nose", "ear"), [[[40, 20, 2], [0, 0, 0]]], scores=[0.5]),
        ),
    )
    page = draw(answer, small)
    factor = page.width / 60
    assert factor >= 7 and factor == int(factor)
    assert has(page, int(35 * factor), int(30 * factor), FIRST) and has(
        page, int(20 * factor), int(40 * factor), SECOND
    )
    assert not has(page, 0, 0, SECOND, 8), "points that are not labelled stay away"


def test_limbs_are_drawn_between_points_with_the_names_of_coco():
    points = [[100, 100, 2], [300, 100, 2], [300, 400, 0]]
    body = Message("assistant", Keypoints("man", ("left_shoulder", "left elbow", "left wrist"), [points]))
    page = draw(body, GREY)
    assert has(page, 100, 200, FIRST) and has(page, 100, 100, FIRST) and not has(page, 250, 300, FIRST, 20)
    other = draw(Message("assistant", Keypoints("mouse", ("snout", "ear", "tail"), [points])), GREY)
    assert has(other, 100, 100, FIRST) and not has(other, 100, 220, FIRST, 20)
    assert has(other, 104, 307, FIRST) and not has(other, 404, 307, FIRST, 20), "names stand beside the points that are there"


@pytest.mark.parametrize("shape", [(1, 1), (50, 20000), (20000, 50), (3, 2000), (2000, 3)])
def test_odd_pictures(shape):
    picture = np.zeros((*shape, 3), np.uint8)
    answer = Message(
        "assistant", ("It is ", Boxes("all", [[0, 0, shape[1], shape[0]]], [0.5]), Masks("m", np.ones((1, *shape))))
    )
    page = draw(answer, picture)
    assert 320 <= page.width <= 1700 and page.height <= 1800


def test_messages_of_every_kind_draw_without_a_warning():
    messages = [
        (Message("assistant", ("red, " * 60, Boxes("dog", [])), notes=("a note",)), GREY),
        (Message("assistant", ("W" * 500, "\n\n", "new line", "日本語")), GREY),
        (Message("assistant", (Map("depth", np.ones((500, 600))), Map("normals", np.random.rand(500, 600, 3)))), GREY),
        (Message("assistant", (Moments("run", [[0, 1]]), Boxes("dog", [[0, 0, 1, 1]], seconds=1))), None),
        (
            Message(
                "user",
                (
                    Image(GREY),
                    "this?",
                    Region.box(1, 1, 50, 50),
                    Region.point(90, 90),
                    Region.circle(200, 200, 30),
                    Region.scribble([[5, 5], [50, 90]], positive=False),
                    Region.scribble([[9, 9]]),
                    Region.from_mask(np.ones((500, 600)), positive=False),
                ),
            ),
            None,
        ),
        (Message("assistant", (Boxes("", [[1, 1, 2, 2]] * 30, scores=[0.5] * 30),)), GREY),
        (
            Message(
                "assistant",
                (Keypoints("man", tuple("abcdefghijklmnopq"), np.ones((2, 17, 3)), xyxy=[[0, 0, 9, 9]] * 2),),
            ),
            GREY,
        ),
        (Message("assistant", (Image(GREY), "a new picture")), None),
        (Message("assistant", "only words"), None),
        (Message("assistant"), None),
        (Message("user", (Video([GREY]), "when?")), None),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for message, images in messages:
            assert draw(message, images).mode == "RGB"


def test_only_the_pictures_spoken_of_are_shown():
    answer = Message("assistant", (Boxes("dog", [[1, 1, 9, 9]], image=1),))
    other = np.full((500, 800, 3), 9, np.uint8)
    assert draw(answer, [GREY, other]).width == 800
    both = Message("assistant", (Boxes("dog", [[1, 1, 9, 9]], image=1), Boxes("dog", [[1, 1, 9, 9]])))
    assert draw(both, [GREY, other]).width > 1400
    with pytest.raises(ValueError, match="picture 1"):
        draw(answer, [GREY])
    with pytest.raises(ValueError, match="picture 1"):
        answer.draw()


def test_new_pictures_are_drawn_and_changed_ones_stand_behind_their_source():
    source, other, made = (Image(np.full((40, 40, 3), value, np.uint8)) for value in (10, 60, 200))
    new = draw(Message("assistant", (made,)), [])
    changed = draw(Message("assistant", (Image(made, of=0),)), [source, other])
    assert changed.size[0] > 1.8 * new.size[0]
    colours = {tuple(pixel) for pixel in np.asarray(changed).reshape(-1, 3)}
    assert {(10, 10, 10), (200, 200, 200)} <= colours and (60, 60, 60) not in colours


def test_moments_are_bars_under_their_frames():
    video = Video([np.full((40, 60, 3), 30 * index, np.uint8) for index in range(8)], fps=2)
    answer = Message("assistant", (Moments("it moves", [[0, 1], [3, 4]]), " and ", Moments("it stops", [[2, 2.5]])))
    picture = np.asarray(draw_video(answer, video))
    rows = [row for row in range(picture.shape[0]) if (picture[row] == hex_colour(COLOURS[0])).all(1).any()]
    bar = (picture[rows[3]] == hex_colour(COLOURS[0])).all(1)
    width = 8 * 180
    assert abs(bar.sum() - width / 2) < 8 and bar[:20].any() and not bar[int(width * 0.3) : int(width * 0.7)].any()
    assert len(np.unique(picture[10, : width : 180, 0])) == 8


def hex_colour(words):
    return [int(words[at : at + 2], 16) for at in (1, 3, 5)]
