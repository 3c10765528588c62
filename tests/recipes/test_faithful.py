"""Systems against what they published: what an answer looks like, where it is read, how many queries there are, what losses weigh."""

import numpy as np
import pytest
import tiny

from superlens.assemble import formats_of
from superlens.links.base import Slots, Token, Value, Words
from superlens.message import Boxes, Conversation, Image, Keypoints, Masks, Message, Moments
from superlens.parts import construct
from superlens.reading import Written, label_at_end
from superlens.recipes.schema import read_recipe
from superlens.vision.canvas import CanvasRule
from superlens.vision.clip import Clip

CANVAS = CanvasRule().canvas(100, 200)
CLIP = Clip(30.0, (0.0, 30.0), CANVAS)
THERE, GONE = Masks("a dog", np.ones((1, 100, 200), bool)), Masks("a cat", np.zeros((0, 100, 200), bool))


def form(recipe, link):
    return formats_of(read_recipe(recipe).to_dict())[link]


def letters(pieces):
    """Pieces as one line; slots as dots."""
    said = {Words: lambda one: one.text, Token: lambda one: one.name, Slots: lambda one: "." * one.count}
    said[Value] = lambda one: f"<{one.value:.1f}>"
    return "".join(said[type(one)](one) for one in pieces)


@pytest.mark.parametrize("recipe, link, part, geometry, line", [
    ("visionllm-v2", "boxes", Boxes("a dog", [[0, 0, 9, 9]]), CANVAS, "<p> a dog</p>[DET]...."),
    ("visionllm-v2", "keypoints", Keypoints("a dog", ("nose",), [[[5, 5, 2]]]), CANVAS, "<p> a dog</p>[POSE]....<p> nose</p>[KPT]...."),
    ("visionllm-v2", "image", Image(np.zeros((9, 9, 3), np.uint8)), CANVAS, "[GEN]" + "." * 64),
    ("visionllm-v2", "edit", Image(np.zeros((9, 9, 3), np.uint8), of=0), CANVAS, "[EDIT]" + "." * 64),
    ("phrase-tool", "boxes", Boxes("a dog", [[0, 0, 9, 9]]), CANVAS, "<box> a dog</box>"),
    ("phrase-tool", "masks", THERE, CANVAS, "<seg> a dog</seg>"),
    ("lisa", "masks", THERE, CANVAS, "[SEG]"),
    ("gsva", "masks", THERE, CANVAS, " a dog:[SEG]"),
    ("gsva", "masks", GONE, CANVAS, " a cat:[REJ]"),
    ("gsva", "masks", Masks("a cat", np.zeros((1, 100, 200), bool)), CANVAS, " a cat:[REJ]"),
    ("lasagna", "masks", THERE, CANVAS, " a dog<ins>"),
    ("lasagna", "masks", GONE, CANVAS, " a cat<no_ins>"),
    ("pixellm", "masks", THERE, CANVAS, " a dog[SEG0][SEG1][SEG2][SEG3][SEG4][SEG5]"),
    ("lita", "moments", Moments("a dog barks", [[3.0, 15.0]]), CLIP, "<t10> <t50>"),
    ("timechat", "moments", Moments("a dog barks", [[3.0, 15.04]]), CLIP, "3.0 - 15.0 seconds, a dog barks"),
    ("momentor", "moments", Moments("a dog barks", [[3.0, 15.0]]), CLIP, "<29.9> to <149.5>"),
])  # fmt: skip
def test_a_written_answer_to_the_letter(recipe, link, part, geometry, line):
    assert letters(form(recipe, link).write(part, geometry)) == line


@pytest.mark.parametrize("recipe, written, read", [
    ("lisa", [7], [6]),  # the state that predicts [SEG], not the one at it
    ("gsva", [7], [6]),
    ("lasagna", [7], [6]),
    ("pixellm", [7, 8, 9, 10, 11, 12], [6, 7, 8, 9, 10, 11]),
    ("visionllm-v2", [7, 8, 9, 10, 11], [8, 9, 10, 11]),  # the queries, after the routing token
])  # fmt: skip
def test_where_states_are_read(recipe, written, read):
    assert form(recipe, "masks").read_positions(written) == read


def test_loss_weights_and_sizes():
    decoder = construct("decoders", read_recipe("lisa").to_dict()["decoders"]["segment"], in_channels=8)
    assert (decoder.pixel_weight, decoder.dice_weight, decoder.dice_scale) == (2.0, 0.5, 1000.0)
    pixellm = read_recipe("pixellm").to_dict()
    light = construct("decoders", pixellm["decoders"]["segment"], in_channels=8)
    assert (light.pixel_weight, light.dice_weight, light.overlap, light.tokens, len(light.levels)) == (2.0, 0.5, 2.0, 3, 2)
    v2 = read_recipe("visionllm-v2").to_dict()["links"]  # the mean of four queries through three layers; of pictures all 64
    assert [v2[link].get("depth") for link in ("boxes", "masks", "keypoints")] == [3, 3, 3]
    assert v2["image"]["pool"] == v2["edit"]["pool"] == "none" and all("pool" not in v2[link] for link in ("boxes", "masks"))
    assert len(form("pixellm", "masks").emitted) + 1 == 2 * 3 and pixellm["links"]["masks"]["pool"] == "none"
    for name in ("lisa", "gsva", "lasagna", "pixellm"):
        adapter = read_recipe(name).to_dict()["language"]["adapter"]
        assert (adapter["rank"], adapter["alpha"], adapter["targets"]) == (8, 16, ["q_proj", "v_proj"])
    assert len(form("momentor", "moments").roles()) == 300 and len(form("lita", "moments").roles()) == 100
    assert read_recipe("timechat").to_dict()["language"]["adapter"]["rank"] == 32
    assert [form("visionllm-v2", link).slots for link in ("boxes", "masks", "keypoints", "image", "edit")] == [4, 4, 4, 64, 64]


def test_a_list_of_classes_is_answered_in_its_order():
    """LaSagnA: every class, in the order asked, with <ins> or <no_ins> behind it; commas between them are ours."""
    link = form("lasagna", "masks")
    told = [*link.write(GONE, CANVAS), Words(", "), *link.write(THERE, CANVAS)]
    assert letters(told) == " a cat<no_ins>,  a dog<ins>"


@pytest.mark.parametrize("text, ends, said, label", [
    (" a dog:", ":", "", "a dog"),
    ("Here: a dog", "", "Here: ", "a dog"),
    (", a cat", "", ", ", "a cat"),
    (" and the red ring left of it:", ":", " and ", "the red ring left of it"),
    ("Android", "", "", "Android"),
    ("", "", "", ""),
])  # fmt: skip
def test_a_label_in_plain_words(text, ends, said, label):
    assert label_at_end(text, ends) == (said, label)


@pytest.mark.parametrize("ends, route, absent", [(":", "[SEG]", "[REJ]"), ("", "<ins>", "<no_ins>")])
def test_labels_in_plain_words_come_back(ends, route, absent):
    link = {"type": "query", "token": route, "absent": absent, "queries": 0, "read": "before", "phrase": None, "ends": ends}
    model = tiny.model(links={"masks": link | {"decoder": "segment"}})
    picture = Image(np.zeros((100, 200, 3), np.uint8))
    talk = Conversation((
        Message("user", (picture, "Segment a dog, a cat and the sky.")),
        Message("assistant", (THERE, ", ", GONE, " and ", Masks("the sky", THERE.masks), ".")),
    ))  # fmt: skip
    sample = model.processor.encode(talk)
    prompt = model.processor.encode(Conversation(talk.messages[:1]), answer=False)
    ids = [index for index in sample.ids_T[len(prompt) :].tolist() if index not in model.processor.end_ids]
    said = Written(ids, [1.0] * len(ids), list(range(len(prompt), len(prompt) + len(ids))))
    content, groups, notes = model.processor.decode(said, Conversation(talk.messages[:1]), prompt.canvases)
    assert not notes
    assert [getattr(one, "label", None) or one.text.strip() for one in content] == ["a dog", ",", "a cat", "and", "the sky", "."]
    assert content[2].count == 0 and [group.label for group in groups] == ["a dog", "the sky"]
    assert [group.positions for group in groups] == [group.positions for group in sample.groups]  # absent things ask no decoder


def test_labels_in_plain_words_need_no_phrase_tokens():
    with pytest.raises(ValueError, match="set phrase: null"):
        formats_of(tiny.recipe(links={"masks": {"type": "query", "token": "[SEG]", "ends": ":", "decoder": "segment"}}))


def test_lm4lv_197_features_ten_tokens_a_task_and_two_linear_layers():
    """LM4LV (arXiv 2405.15734): `<Img>` + 197 + `</Img>`, class token kept; 10 tokens a task; two linear adapters train alone
    with the tokens; lr 3e-4, batch 256, 2 epochs of 595 k pictures."""
    from superlens.links.feature import FeatureFormat
    from superlens.vision.canvas import EveryToken

    plan = read_recipe("lm4lv").to_dict()
    assert plan["eye"]["type"] == "mae" and plan["projector"] == {"type": "tokens", "lead": 1}
    assert EveryToken(stride=16, lead=1).count((plan["canvas"]["longest"],) * 2) == 197
    entry = plan["links"]["restore"]
    form = FeatureFormat("restore", "restore", entry["decoder"], entry["tasks"], entry["last"])
    assert {len(tokens) for tokens in form.prompts.values()} == {10}
    pieces = [piece.name for piece in form.asked("Please remove the noise.")]
    assert pieces == [f"<noise:{index}>" for index in range(10)]
    adapt = plan["stages"][-1]
    assert adapt["train"] == ["projector.*", "links.*"] and (adapt["lr"], adapt["batch"]) == (3e-4, 256)
    assert abs(adapt["steps"] * adapt["batch"] / 595_000 - 2) < 0.01
    assert adapt["weight_decay"] == 0 and round(adapt["warmup"] * adapt["steps"]) == 200
    invert = plan["stages"][0]
    assert (invert["lr"], invert["batch"], round(invert["warmup"] * invert["steps"], -1)) == (1.6e-3, 4096, 100)
