"""Pictures of every kind open upright as 8-bit RGB; what is no picture is refused with one sentence naming it."""

import base64
import io
import pickle
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from PIL import Image as PilImage
from sentences import refused

from superlens import media
from superlens.media import Image


def gradient(height=40, width=60):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4 % 256, y * 6 % 256, (x + y) * 2 % 256], axis=2).astype(np.uint8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F"])
def test_every_mode_opens_as_rgb(mode, tmp_path):
    grey = PilImage.fromarray(gradient()).convert("L")
    if mode == "I;16":
        picture = PilImage.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    elif mode == "PA":
        picture = PilImage.fromarray(gradient()).convert("P").convert("PA")
    else:
        picture = (grey if mode in ("I", "F", "1", "L") else PilImage.fromarray(gradient())).convert(mode)
    path = tmp_path / "picture.tif" if mode not in ("PA",) else tmp_path / "picture.png"
    if mode == "PA":
        assert Image(picture).pixels.shape == (40, 60, 3)
        return
    picture.save(path)
    image = Image(path)
    assert image.size == (60, 40)
    assert image.pixels.shape == (40, 60, 3) and image.pixels.dtype == np.uint8
    if mode in ("L", "I", "I;16", "F"):
        assert np.array_equal(image.pixels[..., 0], np.asarray(grey))
        assert np.array_equal(Image(picture).pixels, image.pixels)


def test_16_bit_png_and_cmyk_jpeg_and_palette_gif(tmp_path):
    PilImage.fromarray((np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)).save(tmp_path / "deep.png")
    assert np.array_equal(Image(tmp_path / "deep.png").pixels[..., 1].ravel(), np.arange(256))
    PilImage.fromarray(gradient()).convert("CMYK").save(tmp_path / "c.jpg", quality=95)
    assert np.abs(Image(tmp_path / "c.jpg").pixels.astype(int) - gradient()).mean() < 12
    PilImage.fromarray(gradient()).convert("P").save(tmp_path / "p.gif")
    assert Image(tmp_path / "p.gif").pixels.shape == (40, 60, 3)


def test_12_bits_in_16_are_not_black():
    values = (np.arange(256, dtype=np.uint16) * 16).reshape(16, 16)
    assert Image(PilImage.fromarray(values)).pixels.max() == 255


def test_transparent_places_are_white(tmp_path):
    rgba = np.dstack([gradient(), np.full((40, 60), 255, np.uint8)])
    rgba[:10, :, 3] = 0
    PilImage.fromarray(rgba).save(tmp_path / "alpha.png")
    for image in (Image(rgba), Image(tmp_path / "alpha.png")):
        assert (image.pixels[:10] == 255).all()
        assert np.array_equal(image.pixels[10:], gradient()[10:])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp"])
def test_exif_rotation_is_applied_as_pillow_does(orientation, ending, tmp_path):
    from PIL import ImageOps

    path = tmp_path / f"turned.{ending}"
    exif = PilImage.Exif()
    exif[0x0112] = orientation
    PilImage.fromarray(gradient()).save(path, exif=exif)
    with PilImage.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    assert Image(path).size == (expected.shape[1], expected.shape[0])
    assert Image(path).size == ((40, 60) if orientation >= 5 else (60, 40))
    assert np.array_equal(Image(path).pixels, expected)
    with PilImage.open(path) as opened:
        assert np.array_equal(Image(opened).pixels, expected)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20000, 50), (50, 20000)])
def test_extreme_sizes_work(width, height, tmp_path):
    PilImage.new("RGB", (width, height), (1, 2, 3)).save(tmp_path / "odd.png")
    image = Image(tmp_path / "odd.png")
    assert image.size == (width, height) and image.pixels.shape == (height, width, 3)


@pytest.mark.parametrize(("width", "height"), [(10_001, 10_000), (20_000, 20_000)])
def test_above_100_megapixels_is_refused(width, height, tmp_path):
    PilImage.new("1", (width, height)).save(tmp_path / "huge.png")
    refused(lambda: Image(tmp_path / "huge.png").size, "huge.png", "100 megapixels")
    refused(lambda: Image("unread.png", size=(width, height)), "100 megapixels")


def test_99_megapixels_open_without_a_warning(tmp_path, recwarn):
    PilImage.new("1", (9_900, 10_000)).save(tmp_path / "large.png")
    assert Image(tmp_path / "large.png").size == (9_900, 10_000)
    assert not recwarn.list


def test_size_reads_the_header_only(tmp_path, monkeypatch):
    PilImage.fromarray(gradient()).save(tmp_path / "a.png")
    monkeypatch.setattr(PilImage.Image, "load", lambda self: pytest.fail("decoded"))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    assert Image(tmp_path / "a.png").size == (60, 40)


def test_bad_files_are_one_sentence(tmp_path):
    missing, folder, words, empty, cut = (tmp_path / n for n in ("no.jpg", "dir", "words.jpg", "empty.png", "cut.jpg"))
    folder.mkdir()
    words.write_text("not a picture")
    empty.touch()
    PilImage.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:4000])
    refused(lambda: Image(missing).pixels, missing, "does not exist")
    refused(lambda: Image(missing).size, missing)
    refused(lambda: Image(folder).pixels, folder, "directory")
    refused(lambda: Image(words).size, words, "not a picture")
    refused(lambda: Image(empty).size, empty, "empty")
    assert Image(cut).size == (200, 200)
    refused(lambda: Image(cut).pixels, cut, "truncated")
    refused(lambda: Image("s3://bucket/a.png").size, "s3://bucket/a.png", "https://")
    refused(lambda: Image("a\0b").size)


@pytest.mark.parametrize(
    "source",
    [
        "",
        3,
        None,
        np.zeros((3, 4), np.float32),
        np.zeros((3, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(3, np.uint8),
    ],
)
def test_wrong_sources_are_refused_when_made(source):
    refused(lambda: Image(source))


def test_declared_size(tmp_path):
    PilImage.fromarray(gradient()).save(tmp_path / "a.png")
    assert Image("never-opened.png", size=(7, 9)).size == (7, 9)
    assert Image(tmp_path / "a.png", size=(60, 40)).pixels.shape == (40, 60, 3)
    refused(lambda: Image(tmp_path / "a.png", size=(40, 60)).pixels, "60 x 40", "40 x 60")
    refused(lambda: Image(gradient(), size=(1, 1)), "60 x 40")
    refused(lambda: Image("a.png", size=(0, 1)))
    refused(lambda: Image("a.png", size="ab"))


def test_data_uris_bytes_and_equality(tmp_path):
    array = Image(gradient())
    uri = Image(array.data_uri())
    assert uri.kind == "data" and uri == array and uri.size == (60, 40)
    PilImage.fromarray(gradient()).save(tmp_path / "a.png")
    raw = Image((tmp_path / "a.png").read_bytes())
    path = Image(tmp_path / "a.png")
    assert raw == path == array == raw and path != Image(gradient()[:, ::-1].copy())
    assert path.data_uri().startswith("data:image/png;base64,")
    assert base64.b64decode(path.data_uri().split(",")[1]) == (tmp_path / "a.png").read_bytes()
    refused(lambda: Image("data:image/png;base64,@@@").size, "base64")
    refused(lambda: Image("data:image/png;base64").size, "comma")
    refused(lambda: Image("data:image/png;base64,aGVsbG8=").size, "data URI")


def test_arrays_are_read_only_copies():
    array = gradient()
    image = Image(array)
    array[:] = 0
    assert image.pixels.max() > 0
    with pytest.raises(ValueError):
        image.pixels[0, 0] = 1
    grey = Image(gradient()[..., 0])
    assert grey.pixels.shape == (40, 60, 3) and grey == Image(gradient()[..., :1].repeat(3, axis=2))
    assert Image(image).size == (60, 40) and pickle.loads(pickle.dumps(image)) == image


@pytest.fixture
def server(tmp_path):
    stream = io.BytesIO()
    PilImage.fromarray(gradient()).save(stream, "PNG")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404 if "missing" in self.path else 200)
            self.end_headers()
            self.wfile.write(stream.getvalue())

        def log_message(self, *args):
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_urls(server, monkeypatch):
    image = Image(f"{server}/a.png")
    assert image.kind == "url" and image.known_size is None
    assert np.array_equal(image.pixels, gradient()) and image.known_size == (60, 40)
    refused(lambda: Image(f"{server}/missing.png").pixels, "/missing.png", "404")
    monkeypatch.setattr(media, "MAX_DOWNLOAD_BYTES", 10)
    refused(lambda: Image(f"{server}/b.png").pixels, "/b.png", "limit")


def test_unreachable_url():
    refused(lambda: Image("http://127.0.0.1:9/a.png").pixels, "http://127.0.0.1:9/a.png")
