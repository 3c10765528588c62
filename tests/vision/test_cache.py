"""Features of a frozen eye on disk: the same the second time, for another model, and where a picture stands among others."""

import threading

import numpy as np
import pytest
import tiny
import torch

from superlens.vision.cache import FeatureCache


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(3)]


def shown(model, pictures):
    placed = [model.processor.canvas.place(picture) for picture in pictures]
    return torch.from_numpy(np.stack([pixels for pixels, _ in placed])), [canvas for _, canvas in placed]


def test_what_was_seen_is_kept(tmp_path, pictures):
    model = tiny.model()
    plain = model.eye(*shown(model, pictures))
    model.eye.cache = FeatureCache(tmp_path)
    first = model.eye(*shown(model, pictures[:2]))
    again = model.eye(*shown(model, pictures[::-1]))
    assert (model.eye.cache.hits, model.eye.cache.misses) == (2, 3)
    for one, two, exact in zip([first.tokens, *first.levels], [again.tokens, *again.levels], [plain.tokens, *plain.levels]):
        assert torch.equal(one[1], two[1]) and torch.allclose(one, exact[:2], atol=2e-2, rtol=2e-3)
    assert len(again.levels) == 4 and torch.equal(again.levels[1], again.tokens)

    other = tiny.model(seed=0)
    other.eye.cache = FeatureCache(tmp_path)
    other.eye.see = None  # it is never asked
    assert torch.equal(other.eye(*shown(other, pictures)).levels[3], again.levels[3].flip(0))


def test_tokens_alone_and_a_bound_on_the_disk(tmp_path, pictures):
    model = tiny.model()
    model.eye.cache = FeatureCache(tmp_path, levels=False, most=0)
    scene = model.eye(*shown(model, pictures))
    assert not scene.levels and scene.tokens.shape[0] == 3 and not list(tmp_path.rglob("*.npz"))
    model.eye.cache = FeatureCache(tmp_path, levels=False)
    assert torch.equal(model.eye(*shown(model, pictures)).tokens, scene.tokens) and len(list(tmp_path.rglob("*.npz"))) == 3


def test_many_processes_may_keep_the_same_pictures(tmp_path):
    """Each writes under a name of its own: none takes another's away, and nothing half-written is read."""
    maps = [torch.rand(64, 40, 40).half()]
    caches, path = [FeatureCache(tmp_path) for _ in range(4)], tmp_path / "ab" / "cd.npz"
    wrong = []

    def keep(cache):
        for _ in range(30):
            cache._write(path, maps)
            found = cache._read(path)
            if cache.left == 0 or found is None or not torch.equal(found[0], maps[0]):
                wrong.append(found)

    threads = [threading.Thread(target=keep, args=(cache,)) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and [file.name for file in path.parent.iterdir()] == ["cd.npz"]


def test_what_can_not_be_read_is_seen_anew_and_a_full_disk_is_no_error(tmp_path, pictures, monkeypatch, caplog):
    model = tiny.model()
    model.eye.cache = FeatureCache(tmp_path)
    first = model.eye(*shown(model, pictures)).tokens
    torn = sorted(tmp_path.rglob("*.npz"))[0]
    torn.write_bytes(torn.read_bytes()[:100])
    assert torch.equal(model.eye(*shown(model, pictures)).tokens, first) and (model.eye.cache.hits, model.eye.cache.misses) == (2, 4)
    assert torch.equal(model.eye(*shown(model, pictures)).tokens, first) and model.eye.cache.misses == 4  # written again

    def full(*unused):
        raise OSError("No space left on device")

    model.eye.cache = FeatureCache(tmp_path / "new")
    monkeypatch.setattr("superlens.vision.cache.np.savez", full)
    assert torch.equal(model.eye(*shown(model, pictures)).tokens, first)
    assert "No space left" in caplog.text and not [file for file in (tmp_path / "new").rglob("*") if file.is_file()]
