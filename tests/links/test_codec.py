"""The codec link: what a code spells is written as words and tokens, and found again in an answer. Codes have tests of their own."""

import numpy as np
import pytest
import tiny
import torch

from superlens.batch import collate
from superlens.links.base import Token, Words, kind_of
from superlens.links.codec import CodecFormat, CodecLink
from superlens.message import Boxes, Conversation, Image, Keypoints, Masks, Message, Polygons, Region, Text
from superlens.parts import CODES, find_class
from superlens.reading import Written
from superlens.vision.canvas import CanvasRule


def test_a_code_is_chosen_by_name_and_has_options():
    form, canvas = CodecFormat("boxes", "boxes", code="qwen-vl", options={"most": 99}), CanvasRule().canvas(100, 100)
    pieces = form.write(Boxes("a", [[0, 0, 10, 10], [5, 5, 9, 9]], ignore=[True, False]), canvas)
    assert pieces == [Token("<ref>"), Words(" a"), Token("</ref>"), Token("<box>"), Words("(5,5),(9,9)"), Token("</box>")]
    assert form.write(Boxes("a", np.zeros((0, 4))), canvas)[-2:] == [Token("<box>"), Token("</box>")]
    with pytest.raises(ValueError, match="the code 'qwen-vl' writes boxes, got part 'masks'"):
        CodecFormat("masks", "masks")
    with pytest.raises(ValueError, match="can not be forced"):
        CodecFormat("boxes", "boxes", code="shikra").start("a")


@pytest.fixture(scope="module")
def model():
    return tiny.model(links={"boxes": {"type": "codec"}, "masks": {"type": "query", "token": "[SEG]", "decoder": "segment"}})


def written(model, said, chance=0.5) -> Written:
    """What a sample would have generated: a list of words and token names."""
    ids = []
    for piece in said:
        known = model.processor.token_ids.get(piece)
        ids += [known] if known is not None else model.processor.words(piece)
    return Written(ids, [chance] * len(ids), list(range(100, 100 + len(ids))))


def read(model, *said, chance=0.5):
    question = Conversation((Message("user", (Image(np.zeros((60, 80, 3), np.uint8)), Text("Where?"))),))
    prompt = model.processor.encode(question, answer=False)
    return model.processor.decode(written(model, said, chance), question, prompt.canvases)


def test_an_answer_is_written_and_read_back(model):
    boxes_N4 = [[8, 6, 40, 30], [40, 6, 80, 60]]
    talk = Conversation((
        Message("user", (Image(np.zeros((60, 80, 3), np.uint8)), Text("Where are the dogs?"))),
        Message("assistant", (Text("Here: "), Boxes("dogs", boxes_N4), Text("."))),
    ))  # fmt: skip
    sample = model.processor.encode(talk)
    prompt = model.processor.encode(Conversation(talk.messages[:1]), answer=False)
    ids = [i for i in sample.ids_T[len(prompt) :].tolist() if i not in model.processor.end_ids]
    content, groups, notes = model.processor.decode(
        Written(ids, [0.25] * len(ids), list(range(len(ids)))), Conversation(talk.messages[:1]), prompt.canvases
    )
    assert [type(part) for part in content[:3]] == [Text, Boxes, Text] and not groups and not notes
    assert content[1].label == "dogs" and np.abs(content[1].xyxy - boxes_N4).max() <= 80 / 999 / 2 + 1e-3
    assert content[1].scores.tolist() == pytest.approx([0.25, 0.25])
    assert collate([sample]).groups == []


def test_broken_answers_give_notes(model):
    content, _, notes = read(model, "<ref>", " dogs", "</ref>", "<box>", "(1,2),(3,4)", "</box>", "<box>", "(5,")
    assert content[0].count == 1 and any("not finished" in note for note in notes) and any("could not read" in note for note in notes)
    content, _, notes = read(model, "<ref>", " dogs", "</ref>", "<box>", "(1,2),(3,4)", "<box>", "(5,6),(7,8)", "</box>")
    assert [part.count for part in content] == [2] and content[0].label == "dogs"
    content, _, notes = read(model, "a", "</box>", "b")
    assert "".join(part.text for part in content) == "ab" and notes
    content, _, notes = read(model, "<ref>", " dogs", "</ref>", " run")
    assert "".join(part.text for part in content).split() == ["dogs", "run"] and notes


def test_plain_words_are_read_where_they_stand():
    model = tiny.model(links={"boxes": {"type": "codec", "code": "shikra"}})
    assert set(model.processor.token_ids) == set()
    content, _, notes = read(model, "Here is a dog[0.100,0.200,0.300,0.400] and a cat[0.500,0.500,0.600,0.600;0.1,0.1,0.2,0.2]. Bye")
    assert [getattr(part, "label", None) for part in content] == ["Here is a dog", "a cat", None] and content[-1].text == ". Bye"
    assert [part.count for part in content[:2]] == [1, 2] and not notes
    content, _, notes = read(model, "None.dog[0.1,0.2,0.3,0.4]cat[0.1,0.2,0.3,0.4]!")
    assert [getattr(part, "label", None) or part.text for part in content] == ["None.", "dog", "cat", "!"]
    content, _, notes = read(model, "No numbers [here], nor there.")
    assert [part.text for part in content] == ["No numbers [here], nor there."] and not notes
    content, _, notes = read(model, "voilà un café 狗[0.1,0.2,0.3,0.4]")
    assert content[0].label == "voilà un café 狗"
    for label in ("狗", "élan", "🦌🦌"):  # letters that are several tokens, at the very start of what is read
        content, _, notes = read(model, f"{label}[0.1,0.2,0.3,0.4], {label}[0.1,0.2,0.3,0.4]")
        assert [getattr(part, "label", None) or part.text for part in content] == [label, ",", label] and not notes


def test_every_code_is_written_tokenised_and_read_back():
    boxes_N4 = np.array([[8, 6, 40, 30], [40, 6, 80, 60]], np.float32)
    user = Message("user", (Image(np.zeros((60, 80, 3), np.uint8)), Text("Where are the dogs?")))
    for code in (code for code in CODES if find_class("codes", code).part == "boxes"):
        model = tiny.model(links={"boxes": {"type": "codec", "code": code}})
        prompt = model.processor.encode(Conversation((user,)), answer=False)
        whole = model.processor.encode(Conversation((user, Message("assistant", (Boxes("dogs", boxes_N4), Text("."))))))
        ids = [i for i in whole.ids_T[len(prompt) :].tolist() if i not in model.processor.end_ids]
        content, _, notes = model.processor.decode(
            Written(ids, [0.25] * len(ids), list(range(len(ids)))), Conversation((user,)), prompt.canvases
        )
        assert [type(part) for part in content] == [Boxes, Text] and not notes, code
        assert content[0].label == "dogs" and np.abs(content[0].xyxy - boxes_N4).max() <= 80 / 32 / 2 + 0.01
        assert content[0].scores.tolist() == pytest.approx([0.25, 0.25])


SPELLED = {"keypoints": Keypoints("mice", ("nose", "tail base"), [[[8, 6, 2], [40, 30, 2]]]),
           "polygons": Polygons("the text", (np.array([[8, 6], [40, 6], [40, 30], [8, 30]], np.float32),), texts=("EXIT",)),
           "masks": Masks("dogs", np.pad(np.ones((1, 24, 32), bool), ((0, 0), (6, 30), (8, 40))))}  # fmt: skip


@pytest.mark.parametrize("code", [code for code in CODES if find_class("codes", code).part in SPELLED])
def test_points_and_outlines_are_written_tokenised_and_read_back(code):
    part = SPELLED[find_class("codes", code).part]
    options = {"names": list(part.names)} if isinstance(part, Keypoints) else {}
    model = tiny.model(links={"answer": {"type": "codec", "part": kind_of(part), "code": code, "options": options}})
    user = Message("user", (Image(np.zeros((60, 80, 3), np.uint8)), Text("What is there?")))
    prompt = model.processor.encode(Conversation((user,)), answer=False)
    whole = model.processor.encode(Conversation((user, Message("assistant", (part, Text("."))))))
    ids = [i for i in whole.ids_T[len(prompt) :].tolist() if i not in model.processor.end_ids]
    said = Written(ids, [0.25] * len(ids), list(range(len(ids))))
    content, _, notes = model.processor.decode(said, Conversation((user,)), prompt.canvases)
    assert [type(one) for one in content] == [type(part), Text] and not notes
    if isinstance(part, Masks):
        assert content[0].label == "dogs" and (content[0].masks == part.masks).mean() > 0.97
    elif isinstance(part, Keypoints):
        assert content[0].label == "mice" and np.abs(content[0].xyv - part.xyv).max() < 0.1
    else:
        assert content[0].texts == ("EXIT",) and np.abs(content[0].points[0] - part.points[0]).max() < 0.1


def test_a_task_may_have_a_prompt_of_its_own():
    """Pix2Seq v2: one token before the question, by its words; rows of its own, nothing learned of it, never part of an answer."""
    links = {"boxes": {"type": "codec", "code": "pix2seq-v2", "prompts": {"<detect>": r"detect|\bbox", "<find>": "find"}},
             "masks": {"type": "codec", "code": "pix2seq-v2-masks", "prompts": {"<segment>": "segment"}}}  # fmt: skip
    model = tiny.model(links=links)
    names = {index: name for name, index in model.processor.token_ids.items()}

    def shown(*content):
        sample = model.processor.encode(Conversation((Message("user", content),)), answer=False)
        return "".join(names.get(i) or model.processor.tokenizer.decode([i]) for i in sample.ids_T.tolist() if i >= 0)

    picture = Image(np.zeros((60, 80, 3), np.uint8))
    assert "<detect>Detect and find a dog" in shown(picture, "Detect and find a dog")
    assert "<find>Please find" in shown(picture, "Please find a dog") and "<segment>Segment" in shown(picture, "Segment a dog")
    assert all(token not in shown(picture, "How many dogs?") for token in ("<detect>", "<find>", "<segment>"))
    assert "<detect>" not in shown("Detect nothing")  # nothing was shown
    assert "<detect>" in model.links["boxes"].tokens and "<segment>" in model.links["masks"].tokens
    content, _, notes = read(model, "<detect>", " a dog")
    assert "".join(part.text for part in content) == " a dog" and notes
    with pytest.raises(ValueError, match=r"links.boxes.prompts: each token wants a pattern of words"):
        CodecFormat("boxes", "boxes", prompts={"<detect>": "("})


def test_any_order_of_tokens_is_read(model):
    rng = np.random.default_rng(0)
    pieces = [*model.processor.token_ids, " dog", "(1,2),(3,4)", "(5,6", ")"]
    for _ in range(300):
        content, groups, notes = read(model, *rng.choice(pieces, rng.integers(0, 12)))
        assert all(group in content for group in groups) and all(isinstance(note, str) for note in notes)


def test_a_box_that_the_user_drew_is_written_as_the_code_writes_boxes():
    picture = Image(np.zeros((60, 80, 3), np.uint8))
    spellings = {
        "kosmos-2": "<object><patch_index_0000><patch_index_0495></object>", "shikra": "[0.000,0.000,0.500,0.500]",
        "qwen-vl": "<box>(0,0),(500,500)</box>", "qwen2-vl": "<|box_start|>(0,0),(500,500)<|box_end|>",
        "qwen2.5-vl": '```json\n[{"bbox_2d": [0, 0, 40, 30]}]\n```', "qwen3-vl": '```json\n[{"bbox_2d": [0, 0, 500, 500]}]\n```',
        "minigpt-v2": "{<0><0><50><50>}", "paligemma": "<loc0000><loc0000><loc0512><loc0512>",
        "pix2seq-v2": "[<bin_0><bin_0><bin_500><bin_500>]", "unitab": "<obj><0><0><100><100></obj>",
        "visionllm-v1": "<c><p-512><p-512><p0><p0></c>",
    }
    assert set(spellings) == {code for code in CODES if find_class("codes", code).part == "boxes"}
    for code, spelled in spellings.items():
        model = tiny.model(links={"boxes": {"type": "codec", "code": code}})
        user = Message("user", (picture, Text("What is "), Region.box(0, 0, 40, 30), Text("?")))
        sample = model.processor.encode(Conversation((user,)), answer=False)
        names = {index: name for name, index in model.processor.token_ids.items()}
        shown = "".join(names.get(i) or model.processor.tokenizer.decode([i]) for i in sample.ids_T.tolist() if i >= 0)
        assert f"What is {spelled}?" in shown and not sample.regions
        for region in (Region.point(3, 3), Region.box(0, 0, 40, 30, positive=False)):
            with pytest.raises(ValueError, match="by boxes alone"):
                model.processor.encode(Conversation((Message("user", (picture, region)),)), answer=False)


def test_boxes_and_masks_of_one_system_share_their_bins():
    model = tiny.model(links={"boxes": {"type": "codec", "code": "pix2seq-v2"}, "masks": {"type": "codec", "code": "pix2seq-v2-masks"}})
    mask = np.zeros((1, 60, 80), bool)
    mask[0, 10:30, 20:50] = True
    user = Message("user", (Image(np.zeros((60, 80, 3), np.uint8)), Text("Where are the dogs?")))
    answer = Message("assistant", (Boxes("dogs", [[8, 6, 40, 30]]), Text(" and "), Masks("cat", mask), Text(".")))
    prompt = model.processor.encode(Conversation((user,)), answer=False)
    whole = model.processor.encode(Conversation((user, answer))).ids_T[len(prompt) :].tolist()
    ids = [i for i in whole if i not in model.processor.end_ids]
    said = Written(ids, [0.25] * len(ids), list(range(len(ids))))
    content, _, notes = model.processor.decode(said, Conversation((user,)), prompt.canvases)
    assert [type(part) for part in content] == [Boxes, Text, Masks, Text] and not notes
    assert (content[2].masks & mask).sum() / (content[2].masks | mask).sum() > 0.9


@pytest.mark.parametrize("code", ["kosmos-2", "pix2seq-v2", "lita"])
def test_rows_of_neighbouring_places_begin_alike(code):
    """Similar beside each other and less and less so further away, on either axis; in and out alike; all else is random."""
    torch.manual_seed(0)
    part = "moments" if code == "lita" else "boxes"
    format = CodecFormat(part, part, code=code)
    link = CodecLink(format, tuple(format.roles()), 256, 256, 0.02)
    places = format.code.places
    index = {places[token]: row for row, token in enumerate(link.tokens) if token in places}
    rows = torch.nn.functional.normalize(link.token_rows.detach(), dim=1)
    assert abs(float(link.token_rows.detach().std()) / 0.02 - 1) < 0.1
    ordered = sorted(index)
    near, far = index[ordered[1]], index[ordered[len(ordered) // 2]]
    first = rows[index[ordered[0]]]
    assert first @ rows[near] > 0.5 > 0.3 > first @ rows[far]
    assert torch.equal(link.token_rows[near], link.head_rows[near])
    others = [row for row, token in enumerate(link.tokens) if token not in places]
    assert all(not torch.equal(link.token_rows[row], link.head_rows[row]) for row in others)
