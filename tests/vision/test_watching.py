"""Videos become tokens: which frames are looked at, how many tokens they are, and what is refused."""

import numpy as np
import pytest
import tiny
import torch

from superlens.batch import collate
from superlens.message import Conversation, Message
from superlens.video import Video
from superlens.vision.canvas import CanvasRule, TokenGrid
from superlens.vision.clip import Clip, RateSampling, SegmentSampling, UniformSampling
from superlens.vision.qformer import QFormer
from superlens.vision.watching import FrameReader, Mixer, SlowFastReader, TimeQFormerReader, Watched, frame_means

SAMPLING = {"type": "uniform", "frames": 6}
GRID = TokenGrid(8, 2, 16)


def test_samplings():
    assert UniformSampling(5).times(8.0).tolist() == [0, 2, 4, 6, 8]
    assert SegmentSampling(4).times(8.0).tolist() == [1, 3, 5, 7]
    assert RateSampling(2.0, most=8).times(1.9).tolist() == [0, 0.5, 1.0, 1.5]
    assert len(RateSampling(2.0, most=8).times(60.0)) == 8 and RateSampling(1.0).times(0.01).tolist() == [0]
    for bad in (lambda: UniformSampling(0), lambda: SegmentSampling(1.5), lambda: RateSampling(0)):
        with pytest.raises(ValueError):
            bad()


def seen(frames=6, size=64):
    canvas = CanvasRule().canvas(size, size)
    clip = Clip(5.0, tuple(np.linspace(0, 5, frames).tolist()), canvas)
    count = GRID.count(canvas.size)
    stamps = [[1, 2, 3 + index] if index % 2 else [1, 2] for index in range(frames)]
    return Watched(torch.randn(frames, count, 8), torch.randn(frames, 12, 8, 8), clip, stamps)


@pytest.mark.parametrize("reader", [
    FrameReader(SAMPLING, GRID, 8), FrameReader(SAMPLING, GRID, 8, mean=True, mix=6),
    SlowFastReader(SAMPLING, GRID, 8, mix=6),
    TimeQFormerReader(SAMPLING, GRID, 12, 8, 50, 0.02, queries=3, window=4, stride=4, hidden=16, layers=2, mix=6),
], ids=["frames", "means", "slow and fast", "Q-Formers"])  # fmt: skip
def test_the_rule_counts_what_the_reader_gives(reader):
    for frames in (1, 3, 6):
        watched = seen(frames)
        assert reader(watched).shape == (reader.rule.count(watched.clip), 8)


def test_slow_and_fast_as_in_lita():
    """100 frames: 100 means and 4 frames pooled 2 x 2 of 16 x 16 tokens, 356 in all (arXiv 2403.19046)."""
    reader = SlowFastReader({"type": "uniform", "frames": 100}, TokenGrid(14, 1, 4096), 4)
    clip = Clip(30.0, tuple(range(100)), CanvasRule(224, 64, 14, square=True).canvas(224, 224))
    assert reader.rule.count(clip) == 100 + 4 * 64 and reader.rule.slow(100) == [0, 33, 66, 99]
    watched = Watched(torch.randn(100, 256, 4), torch.zeros(100, 1, 1, 1), clip, [])
    out = reader(watched)
    assert torch.allclose(out[:100], watched.tokens_FTD.mean(1))
    first = watched.tokens_FTD[0].view(16, 16, 4)[:2, :2].mean((0, 1))
    assert torch.allclose(out[100], first, atol=1e-6)


def test_mixed_means_tell_who_moves_and_plain_ones_only_that_something_does():
    """Two clips in which one of two things goes from the left to the right: what stands in a cell and where it lies are added up in
    tokens, so that their mean is the same whichever it is."""
    canvas = CanvasRule().canvas(64, 64)
    clip = Clip(2.0, (0.0, 1.0), canvas)
    red, blue, place = torch.randn(3, 8)
    cells = torch.zeros(2, GRID.count(canvas.size), 8) + place * torch.linspace(-1, 1, GRID.count(canvas.size))[:, None]
    clips = []
    for mover, other in ((red, blue), (blue, red)):
        tokens = cells.clone()
        tokens[:, 1] += other
        tokens[0, 0], tokens[1, 2] = tokens[0, 0] + mover, tokens[1, 2] + mover
        clips.append(Watched(tokens, torch.zeros(2, 12, 8, 8), clip, []))
    plain, mixing = FrameReader(SAMPLING, GRID, 8, mean=True), FrameReader(SAMPLING, GRID, 8, mean=True, mix=16)
    assert torch.allclose(plain(clips[0]), plain(clips[1]), atol=1e-6)
    assert not torch.allclose(mixing(clips[0]), mixing(clips[1]), atol=1e-6)


def test_the_frame_in_which_something_moves_stands_out_from_those_at_rest():
    """One cell of 64 changes, in a clip of tokens that are large against what a mixer starts with."""
    torch.manual_seed(0)
    cells = torch.randn(1, 64, 8).expand(6, -1, -1).clone() * 5
    cells[3:, 20] = torch.randn(8) * 5
    mixer = Mixer(8, 16)
    mixed, change = mixer(cells, (8, 8), torch.zeros(6))
    assert change[:2].abs().max() == 0 and change[4:].abs().max() == 0  # frames 2 and 3 lie at the change
    assert change[2:4, 20].abs().max() > 0 and change[2:4, :20].abs().max() == 0
    plain, lifted = mixed.mean(1), frame_means(mixed, change)
    step = (lifted[2] - lifted[1]).norm() / lifted[1].norm()
    assert step > 0.1 and step > 5 * (plain[3] - plain[2]).norm() / plain[1].norm()
    later = frame_means(*mixer(cells, (8, 8), torch.linspace(0, 1, 6)))
    assert torch.allclose(lifted[0], lifted[1]) and not torch.allclose(later[0], later[1], atol=1e-3)  # at rest, the time alone differs
    many = cells.clone()
    many[3:] = torch.randn(64, 8) * 5
    assert (frame_means(*mixer(many, (8, 8), torch.zeros(6)))[2] - lifted[1]).norm() < 2.5 * lifted[1].norm()  # a cut drowns nothing


def test_timechat_says_when_a_frame_was_taken_and_windows_slide():
    reader = TimeQFormerReader({"type": "uniform", "frames": 96}, GRID, 12, 8, 50, 0.02, hidden=16, layers=1)
    assert reader.rule.stamp(3.04) == "This frame is sampled at 3.0 second."
    assert reader.rule.starts(96) == [0, 32, 64] and reader.rule.queries == 32  # 96 tokens
    with pytest.raises(ValueError, match="at most 96 frames"):
        reader(seen(97))


def test_words_change_what_a_q_former_sees_and_padding_does_not():
    torch.manual_seed(0)
    former = QFormer(12, 3, 16, 2, vocabulary=50).eval()
    cells = torch.randn(2, 20, 12)
    told = former(cells, [[1, 2, 3, 4], [5]])
    assert told.shape == (2, 3, 16)
    assert torch.allclose(told[1:], former(cells[1:], [[5]]), atol=1e-5)
    assert not torch.allclose(told[1:], former(cells[1:], [[6]]), atol=1e-3)
    alone = QFormer(12, 3, 16, 2)
    assert all(parameter.grad_fn is None for parameter in alone.parameters())
    alone(cells).sum().backward()
    assert all(parameter.grad is not None for parameter in alone.parameters())


@pytest.fixture(scope="module")
def model():
    links = {"moments": {"type": "codec", "code": "lita"}}
    return tiny.model(links=links, decoders={}, video={"type": "frames", "sampling": {"type": "uniform", "frames": 3}})


def question(video):
    return Conversation((Message("user", (video, "When does it move?")),))


def test_frames_stand_where_the_video_stood(model):
    frames = [np.full((64, 96, 3), value, np.uint8) for value in (0, 100, 200)]
    sample = model.processor.encode(question(Video(frames, fps=1)), answer=False)
    ((first, count, shown, clip, stamps),) = sample.videos
    assert len(shown) == 3 and clip.times == (0.0, 1.5, 3.0) and clip.seconds == 3.0 and stamps == [[], [], []]
    assert [int(frame[5, 5, 0]) for frame in shown] == [0, 100, 200] and (sample.ids_T[first : first + count] == -1).all()
    other = model.processor.encode(question(Video(frames[:1] * 3, fps=1)), answer=False)
    batch = collate([sample, other])
    assert [len(one.frames) for one in batch.videos] == [3, 3] and sum(len(p.numbers) for p in batch.pictures) == 6
    with torch.no_grad():
        both = model.encode(batch)[1][-2:]
        alone = model.encode(collate([sample]))[1][-1]
    assert torch.allclose(both[0], alone, atol=1e-5) and not torch.allclose(both[0], both[1], atol=1e-3)


def test_what_can_not_be_watched_is_refused(model):
    with pytest.raises(ValueError, match="one size"):
        model.processor.encode(question(Video([np.zeros((64, 64, 3), np.uint8), np.zeros((32, 64, 3), np.uint8)])), answer=False)
    with pytest.raises(ValueError, match="can not watch videos"):
        tiny.model().processor.encode(question(Video([np.zeros((64, 64, 3), np.uint8)])), answer=False)
    with pytest.raises(ValueError, match="needs a video"):
        model.ask("When does it move?", answer_with="moments")
