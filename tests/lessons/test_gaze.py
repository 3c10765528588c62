"""Phrases learn where what they name lies."""

import numpy as np
import tiny
import torch

from superlens.lessons.gaze import ANSWER, NESTED, PHRASE, Gaze, Phrases, gaze_loss, gazed
from superlens.lessons.naming import covered
from superlens.message import Boxes, Conversation, Text
from superlens.processor import label_of
from superlens.recipes.schema import Stage
from superlens.train import trainer
from superlens.train.rows import Collator

TASKS = {"relation": 1, "place": 1, "count": 1}


def samples(model, count=6):
    return [model.processor.encode(talk) for talk in tiny.conversations(count, tasks=TASKS, turns=(2, 3))]


def test_a_mention_is_read_at_its_last_token():
    model = tiny.model()
    for talk in tiny.conversations(6, tasks=TASKS, turns=(2, 3)):
        texts = [part for message in talk.messages for part in message.content if getattr(part, "mentions", ())]
        wanted = [text.text[mention.start : mention.end].lower() for text in texts for mention in text.mentions]
        sample = model.processor.encode(talk)
        assert len(sample.mentions) == len(wanted) > 0
        for (at, picture, said, _, _), words in zip(sample.mentions, wanted, strict=True):
            before = model.processor.tokenizer.decode([index for index in sample.ids_T[: at + 1] if index >= 0]).lower()
            assert picture == 0 and before.endswith(words)
            assert model.processor.tokenizer.decode(said).strip().lower() == words


def test_phrases_look_at_what_their_things_cover():
    model = tiny.model()
    kept = samples(model)
    batch = Collator(640, teachers={"gaze": Gaze.of(model.processor)})(kept)["batch"]
    assert batch.lessons["gaze"].count == len(batch.mentions) == sum(len(sample.mentions) for sample in kept) > 4
    (((size, depth), (positions_M, share_MP)),) = batch.lessons["gaze"].looks.items()
    canvas = model.processor.canvas.canvas(128, 128)
    assert canvas.size == size and depth == PHRASE
    nowhere = model.processor.grid.count(size)
    for mention, position, share_P in zip(batch.mentions, positions_M.tolist(), share_MP.numpy()):
        assert position == mention.position
        there = covered(Boxes("", mention.xyxy_N4), canvas, model.processor.grid).tolist()
        assert there and nowhere not in there and np.flatnonzero(share_P).tolist() == there
        assert abs(share_P.sum() - 1) < 1e-6


def test_words_for_what_is_not_there_look_nowhere():
    model = tiny.model()
    kept = [model.processor.encode(talk) for talk in tiny.conversations(8, tasks={"exists": 1}, turns=(2, 2))]
    batch = Collator(640, teachers={"gaze": Phrases.of(model.processor)})(kept)["batch"]
    (((size, _), (_, share_MP)),) = batch.lessons["gaze"].looks.items()
    there = [len(mention.xyxy_N4) > 0 for mention in batch.mentions]
    assert (share_MP[:, -1] == 0).tolist() == there and set(there) == {True, False}
    assert share_MP.shape[1] == model.processor.grid.count(size) + 1


def test_labels_of_answers_are_mentions_where_they_end():
    model = tiny.model()
    seen = set()
    for talk in tiny.conversations(8, tasks={"boxes": 1, "masks": 1}, turns=(1, 1)):
        sample = model.processor.encode(talk)
        answered = [mention for mention in sample.mentions if sample.labels_T[mention[0] - 1] >= 0]
        parts = [part for part in talk.messages[-1].content if not isinstance(part, Text)]
        assert len(answered) == len(parts)
        for (at, picture, said, boxes_N4, nested), part in zip(answered, parts, strict=True):
            kept = [index for index in sample.ids_T[: at + 1] if 0 <= index < model.vocabulary]
            assert model.processor.tokenizer.decode(kept).endswith(part.label)
            assert sample.ids_T[at + 1] == model.processor.token_ids["</p>"]
            assert model.processor.tokenizer.decode(said).strip() == part.label and not nested and picture == 0
            seen.add(len(boxes_N4) > 0)
            assert len(boxes_N4) in (part.count, part.select(~part.ignore).count if part.ignore is not None else part.count)
        asked = model.processor.encode(Conversation(talk.messages[:-1]), answer=False)
        assert len(asked.mentions) == len(sample.mentions) - len(answered)
    assert seen == {True, False}


def test_a_label_is_found_as_a_word_of_its_own():
    words = '{"bbox_2d": [1, 2, 3, 4], "label": "box"}'
    mention = label_of(Boxes("box", [[1, 2, 3, 4]]), words)
    assert (mention.start, words[mention.start : mention.end]) == (words.rindex("box"), "box")
    assert label_of(Boxes("ring", [[1, 2, 3, 4]]), " string") is None
    hidden = Boxes("box", [[1, 2, 3, 4]], ignore=[True])
    assert label_of(hidden, words) is None and not len(label_of(Boxes("box", []), words).xyxy)


def test_the_states_of_an_answer_look_at_what_it_shows():
    model = tiny.model()
    talks = tiny.conversations(8, tasks={"boxes": 1, "masks": 1}, turns=(2, 2))
    batch = Collator(640, teachers={"gaze": Gaze.of(model.processor)})([model.processor.encode(talk) for talk in talks])["batch"]
    looks = {depth: pair for (_, depth), pair in batch.lessons["gaze"].looks.items()}
    placed = [one for one in batch.groups if one.group.target.count]
    positions_M, share_MT = looks[ANSWER]
    assert positions_M.tolist() == [position for one in placed for position in one.positions] and len(placed) > 6
    assert len(placed) < len(batch.groups)  # what is not there is looked at nowhere
    canvas = model.processor.canvas.canvas(128, 128)
    for number, one in enumerate(placed):
        wanted = covered(one.group.target, canvas, model.processor.grid).tolist()
        assert np.flatnonzero(share_MT[2 * number].numpy()).tolist() == wanted  # two slots each


def test_phrases_leave_the_states_of_answers_alone():
    model = tiny.model()
    kept = [model.processor.encode(talk) for talk in tiny.conversations(8, tasks={"boxes": 1}, turns=(2, 2))]
    teachers = {"gaze": Gaze.of(model.processor), "phrases": Phrases.of(model.processor)}
    lessons = Collator(640, teachers=teachers)(kept)["batch"].lessons
    depths = {name: {depth for _, depth in lesson.looks} for name, lesson in lessons.items()}
    assert depths["phrases"] | {ANSWER} == depths["gaze"] and ANSWER not in depths["phrases"]
    assert 0 < lessons["phrases"].count < lessons["gaze"].count


def test_looking_at_the_right_place_costs_least():
    model = tiny.model()
    looks = gazed(Collator(640)(samples(model))["batch"], model.processor.grid)
    (((size, _), (positions_M, share_MP)),) = looks.looks.items()
    place_TD = model.projector.places(size).detach()
    place_PD = torch.cat([place_TD - place_TD.mean(0), place_TD.mean(0, keepdim=True)])
    middle_LD = torch.zeros(int(positions_M.max()) + 1, place_PD.shape[1])
    costs = []
    for looked_MP in (share_MP, share_MP.roll(1, 1)):
        middle_LD[positions_M] = looked_MP @ place_PD
        total, count = gaze_loss([middle_LD[None]] * 3, model.projector, looks)
        costs.append(float(total.detach()) / count)
    assert costs[0] < costs[1]


def test_gaze_teaches_the_lower_half_of_the_language_model():
    model = tiny.model()
    batch = Collator(640, teachers={"gaze": Gaze.of(model.processor)})(samples(model))["batch"]
    total, count = model.losses(model.answer(batch), batch)["gaze"]
    (total / count).backward()
    layers = model.language.model.model.layers
    moved = [bool(layer.mlp.down_proj.weight.grad is not None and layer.mlp.down_proj.weight.grad.any()) for layer in layers]
    assert moved == [True] * (len(layers) // 2) + [False] * (len(layers) - len(layers) // 2)
    model.lessons = ("gaze",)
    assert model.counts(batch)["gaze"] == count and "gaze" in model.counts_names()


def test_phrases_with_others_in_them_are_taught_later():
    model = tiny.model()
    talks = tiny.conversations(12, tasks={"refer_boxes": 1}, turns=(2, 3))
    sample = next(sample for sample in map(model.processor.encode, talks) if any(nested for *_, nested in sample.mentions))
    batch = Collator(640, teachers={"gaze": Gaze.of(model.processor)})([sample])["batch"]
    batch.lessons["gaze"].looks = {key: look for key, look in batch.lessons["gaze"].looks.items() if key[1] == NESTED}
    states = [torch.zeros(1, len(sample), model.language.width, requires_grad=True) for _ in range(7)]
    gaze_loss(states, model.projector, batch.lessons["gaze"])[0].backward()
    assert [state.grad is not None for state in states] == [False, False, False, False, True, False, False]


def test_the_last_states_are_those_of_forward():
    language = tiny.model().eval().language
    ids_1T = torch.arange(12)[None]
    embeds, places = language.embed(ids_1T), torch.arange(12)[None]
    states = language.states(embeds, places)
    torch.testing.assert_close(states[-1], language(embeds, places), rtol=0, atol=0)
    torch.testing.assert_close(states[0], embeds, rtol=0, atol=0)
    assert len(states) == len(language.model.model.layers) + 1


def test_a_stage_that_asks_for_gaze_learns_it(tmp_path):
    model = tiny.model()
    stage = Stage(name="words", train=["language.*"], steps=30, batch=4, lr=1e-2, row_tokens=640, lessons=["gaze"])
    talks = tiny.conversations(4, tasks=TASKS, turns=(2, 2)) * 30
    made = trainer.make_trainer(model, stage, talks, tmp_path, trainer.Precision("cpu", "float32"), 0, "none")
    made.train()
    losses = [entry["loss/gaze"] for entry in made.state.log_history if "loss/gaze" in entry]
    assert losses[-1] < 0.9 * losses[0]
