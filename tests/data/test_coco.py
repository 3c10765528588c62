import pickle
import re

import numpy as np
import pytest

from superlens.data.augment import Augment
from superlens.data.grammar import pattern
from superlens.data.sources import open_source
from superlens.data.sources.coco import CocoCaptions, CocoSource
from superlens.data.templates import HELD_OUT, TRAINING
from superlens.message import Boxes, Conversation, Masks, Text


def sample(source, index=0, seed=0):
    return source.conversation(index, np.random.default_rng(seed))


def test_training_samples_ask_and_answer_the_same_phrases(write_coco):
    source = CocoSource(write_coco(), tasks={"boxes": 1})
    absent = asked = 0
    for seed in range(200):
        conversation = sample(source, seed % 3, seed)
        question, answer = conversation.messages
        assert 1 <= len(answer.boxes) <= 3
        for part in answer.boxes:
            assert part.label in question.text
            asked += 1
            absent += part.count == 0
        assert answer.text.endswith(".")
    assert 0.25 < absent / asked < 0.75


def test_labels_vary_but_acronyms_only_in_case(write_coco):
    source = CocoSource(write_coco(), tasks={"boxes": 1})
    labels = {part.label for seed in range(300) for part in sample(source, seed % 3, seed).messages[1].boxes}
    assert {"rbc", "RBC", "platelet", "platelets", "traffic light", "traffic lights"} <= labels
    assert labels <= {"rbc", "RBC", "platelet", "platelets", "Platelets", "traffic light", "traffic lights"}


def test_boxes_are_those_of_the_file(write_coco):
    source = CocoSource(write_coco(), tasks={"boxes": 1})
    for seed in range(30):
        for part in sample(source, 0, seed).messages[1].boxes:
            if part.label.lower() == "rbc":
                assert part.xyxy.tolist() == [[5, 5, 25, 15], [30, 20, 50, 40]] and part.ignore is None
            if part.label == "traffic light":
                assert part.xyxy.shape == (0, 4)


def test_a_sample_is_a_pure_function_of_index_and_rng(write_coco):
    path = write_coco(masks=True)
    first, second = (CocoSource(path, augment=Augment(side=32, long_side=64)) for _ in range(2))
    for seed in range(20):
        sample(second, (seed + 1) % 3, seed + 100)
        assert sample(first, seed % 3, seed) == sample(second, seed % 3, seed)
    copy = pickle.loads(pickle.dumps(first))
    assert sample(copy, 0, 5) == sample(first, 0, 5)


def test_a_cache_without_room_changes_nothing(write_coco):
    path = write_coco(masks=True)
    roomy, none = CocoSource(path), CocoSource(path, cache_mb=0)
    assert all(sample(roomy, n % 3, n) == sample(none, n % 3, n) for n in range(20))


def test_examples_ask_every_category_in_held_out_wordings(write_coco):
    source = CocoSource(write_coco())
    examples = source.examples("boxes")
    assert len(examples) == 3 and [example.picture for example in examples] == [1, 2, 3]
    wordings = {wording.format(things="rbc, platelets and traffic light") for wording in HELD_OUT["boxes"]}
    for example in examples:
        assert [part.label for part in example.answer.boxes] == ["rbc", "platelets", "traffic light"]
        assert example.question.messages[-1].role == "user" and example.task == "boxes"
        assert example.question.messages[-1].text in wordings
    assert [part.count for part in examples[2].answer.boxes] == [0, 0, 0]
    assert len(source.examples("boxes", limit=2)) == 2 and len(examples[1:]) == 2
    assert examples[0].question == source.examples("boxes")[0].question


def test_many_categories_are_asked_in_chunks_of_twelve(write_coco):
    def more(data):
        data["categories"] = [{"id": n, "name": f"thing {n}"} for n in range(1, 31)]

    source = CocoSource(write_coco(more))
    examples = source.examples("boxes")
    assert len(examples) == 9
    first = [part.label for example in examples[:3] for part in example.answer.boxes]
    assert first == [f"thing {n}" for n in range(1, 31)]
    sizes = {len(sample(source, 0, seed).messages[1].boxes) for seed in range(100)}
    assert max(sizes) == 12 and 1 in sizes


def test_unlabelled_classes_are_never_asked_for(write_coco):
    def hide(data):
        data["images"][0]["unlabelled_classes"] = ["rbc"]
        data["images"][1]["unlabelled_classes"] = ["RBC", "Platelets", 3]

    source = CocoSource(write_coco(hide))
    assert len(source) == 2
    for seed in range(80):
        assert "rbc" not in sample(source, 0, seed).messages[0].text.lower()
    assert [part.label for part in source.examples("boxes")[0].answer.boxes] == ["platelets", "traffic light"]


def test_what_is_all_to_be_ignored_is_neither_there_nor_not(write_coco):
    def crowd(data):
        for annotation in data["annotations"]:
            if annotation["image_id"] == data["images"][0]["id"]:
                annotation["iscrowd"] = int(annotation["category_id"] == data["annotations"][0]["category_id"])

    source = CocoSource(write_coco(crowd))
    picture = source.pictures[0]
    (which,) = set(picture.classes_N[picture.crowd_N].tolist())
    assert which not in picture.classes_N[~picture.crowd_N]
    asked = {part.label for seed in range(80) for part in sample(source, 0, seed).messages[1].boxes}
    assert asked and not any(source.names[which].lower() in label.lower() for label in asked)


def test_a_category_listed_twice_is_one(write_coco):
    def twice(data):
        data["categories"].append({"id": 9, "name": "rbc"})
        data["annotations"][1]["category_id"] = 9

    source = CocoSource(write_coco(twice))
    assert source.names == ("RBC", "Platelets", "traffic light")
    assert source.examples("boxes")[0].answer.boxes[0].count == 2


def test_crowds_are_ignored_and_never_counted(write_coco):
    def crowd(data):
        data["annotations"][1]["iscrowd"] = 1

    source = CocoSource(write_coco(crowd))
    rbc = source.examples("boxes")[0].answer.boxes[0]
    assert rbc.ignore.tolist() == [False, True]
    counting = CocoSource(write_coco(crowd), tasks={"count": 0.5, "exists": 0.5})
    for seed in range(60):
        conversation = sample(counting, 0, seed)
        if conversation.messages[1].boxes:
            continue
        assert "rbc" not in conversation.messages[0].text


def test_count_and_exists_answer_rightly(write_coco):
    source = CocoSource(write_coco(), tasks={"count": 0.5, "exists": 0.5})
    answers = set()
    for seed in range(120):
        question, answer = sample(source, 0, seed).messages
        assert isinstance(answer.content[0], Text)
        answers.add(answer.text)
        if "rbcs" in question.text:
            assert answer.text == "2."
        if "traffic light" in question.text:
            assert answer.text == "No."
        if "an rbc" in question.text:
            assert answer.text == "Yes."
    assert answers == {"1.", "2.", "Yes.", "No."}


def test_instance_masks(write_coco):
    source = CocoSource(write_coco(masks=True), tasks={"masks": 1})
    rbc = source.examples("masks")[0].answer.masks[0]
    assert rbc.masks.shape == (2, 48, 64) and rbc.masks[0].sum() == 200 and rbc.masks[0, 5:15, 5:25].all()
    assert source.examples("masks")[2].answer.masks[0].masks.shape == (0, 48, 64)
    assert sample(source).messages[1].masks


def test_semantic_masks_one_per_class(write_semantic):
    path, sky, road = write_semantic()
    source = CocoSource(path)
    assert source.semantic and source.parts == ("masks",)
    parts = source.examples("masks")[0].answer.masks
    assert [part.label for part in parts] == ["sky", "road", "signsymbol"]
    assert (parts[0].masks[0] == sky).all() and (parts[1].masks[0] == road).all() and parts[2].count == 0
    labels = {part.label for seed in range(200) for part in sample(source, 0, seed).messages[1].masks}
    assert "sign symbol" in labels and "sky" in labels
    with pytest.raises(ValueError, match="choose one of these"):
        source.examples("boxes")


def test_panoptic_answers_name_what_is_in_sight_and_the_question_does_not(write_semantic):
    path, sky, road = write_semantic()
    source = CocoSource(path, tasks={"panoptic_masks": 1})
    user, answer = sample(source).messages
    assert [part.label for part in answer.masks] == ["sky", "road"]  # and no sign, which is not there
    assert (answer.masks[0].masks[0] == sky).all() and (answer.masks[1].masks[0] == road).all()
    assert not {"sky", "road"} & set(user.text.lower().split())
    near = CocoSource(path, tasks={"panoptic_masks": 1}, augment=Augment(side=24, long_side=64, scale=(1.5, 1.5)))
    shown = [tuple(part.label for part in sample(near, 0, seed).messages[1].masks) for seed in range(40)]
    assert any(labels == ("sky",) for labels in shown), set(shown)  # a view that leaves the road outside says nothing of it


def test_overlapping_semantic_masks_stay_whole(write_semantic):
    path, sky, road = write_semantic(overlap=True)
    parts = CocoSource(path).examples("masks")[0].answer.masks
    assert (parts[0].masks[0] == sky).all() and (parts[1].masks[0] == road).all()


def test_captions(write_captions):
    source = open_source(write_captions())
    assert isinstance(source, CocoCaptions) and len(source) == 2
    answers = {sample(source, 0, seed).messages[1].text for seed in range(20)}
    assert answers == {"A dog on a bench.", "A dog sits."}
    for question in {sample(source, 1, seed).messages[0].text.rstrip(".?!") for seed in range(300)}:
        forms = [pattern(wording, {}) for wording in TRAINING["caption"]]
        assert any(re.fullmatch(form, question + end, re.IGNORECASE) for form in forms for end in (".", "?", "!", ""))
    example = source.examples("text")[0]
    assert example.task == "caption" and example.answer.text == "A dog on a bench." and example.picture == 1
    with pytest.raises(ValueError, match="choose text"):
        source.examples("boxes")


def test_augmented_samples_stay_valid(write_coco):
    source = CocoSource(write_coco(masks=True), augment=Augment(side=24, long_side=64, vertical=True, turn=True))
    kinds = set()
    for seed in range(150):
        conversation = sample(source, seed % 3, seed)
        assert isinstance(conversation, Conversation)
        kinds |= {type(part) for part in conversation.messages[1].content}
        if {Boxes, Masks} & {type(part) for part in conversation.messages[1].content}:
            assert max(conversation.images[0].size) <= 24
    assert kinds == {Boxes, Masks, Text}


def test_keypoint_files_do_not_claim_completeness(write_coco):
    def points(data):
        data["categories"][0]["keypoints"] = ["nose"]

    assert set(CocoSource(write_coco(points)).tasks) == {"boxes"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data["annotations"][0].update(category_id=77), "annotation 1: Its category_id 77"),
        (lambda data: data["annotations"][2].update(bbox=[60, 40, 10, 4]), "leaves the picture"),
        (lambda data: data["images"][1].update(file_name="images/gone.png"), "image 2: There is no picture"),
        (lambda data: data["categories"].clear(), "no category"),
        (lambda data: data.pop("categories"), "no category"),
    ],
)
def test_broken_files_are_refused_with_the_record(write_coco, change, words):
    with pytest.raises(ValueError, match=words):
        CocoSource(write_coco(change))


def test_unknown_tasks_are_refused(write_coco):
    with pytest.raises(ValueError, match='"masks"'):
        CocoSource(write_coco(), tasks={"masks": 1})
    with pytest.raises(ValueError, match="above 0"):
        CocoSource(write_coco(), tasks={"boxes": 0})


def test_index_out_of_range(write_coco):
    with pytest.raises(IndexError):
        sample(CocoSource(write_coco()), 3)
