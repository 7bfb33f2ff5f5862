from io import BytesIO

import pytest
import torch
from PIL import Image

from lorify.contexts import images
from lorify.contexts.documents import Document
from lorify.contexts.encoders.patches import PatchEncoder, PatchGrid
from lorify.contexts.images import ImageContext, as_context, read_context, read_image
from lorify.errors import ContextError


def gradient(width=12, height=9) -> Image.Image:
    return Image.linear_gradient("L").resize((width, height)).convert("RGB")


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "gif", "bmp"])
def test_images_are_distinguished_from_documents(tmp_path, ending):
    gradient().save(tmp_path / f"photo.{ending}")
    context = read_context(tmp_path / f"photo.{ending}")
    assert isinstance(context, ImageContext)
    assert (context.name, context.image.size, context.image.mode) == (f"photo.{ending}", (12, 9), "RGB")


def test_content_takes_precedence_over_the_name(tmp_path):
    gradient().save(tmp_path / "photo", format="png")
    assert isinstance(read_context(tmp_path / "photo"), ImageContext)
    (tmp_path / "notes.txt").write_text("The mill opens at nine.")
    assert isinstance(read_context(tmp_path / "notes.txt"), Document)


def test_what_is_no_image_or_damaged_is_named(tmp_path, monkeypatch):
    (tmp_path / "letter.png").write_text("Dear reader, this is a letter.")
    with pytest.raises(ContextError, match=r"letter.png is not a readable image; give png"):
        read_context(tmp_path / "letter.png")
    whole = BytesIO()
    gradient(300, 300).save(whole, format="jpeg")
    (tmp_path / "cut.jpg").write_bytes(whole.getvalue()[:700])
    with pytest.raises(ContextError, match=r"image cut.jpg is damaged \(OSError\); save it again"):
        read_context(tmp_path / "cut.jpg")
    (tmp_path / "none.png").touch()
    with pytest.raises(ContextError, match=r"none.png is not a readable image"):
        read_context(tmp_path / "none.png")
    with pytest.raises(ContextError, match="does not exist"):
        read_context(tmp_path / "missing.png")
    gradient().save(tmp_path / "large.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    with pytest.raises(ContextError, match="at most 100 in all"):
        read_context(tmp_path / "large.png")


def test_photos_are_rotated_by_their_exif_orientation(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # by a quarter
    gradient(12, 9).save(tmp_path / "phone.jpg", exif=turned)
    assert read_image(tmp_path / "phone.jpg").image.size == (9, 12)


def test_the_digest_is_of_the_content():
    one, again, other = (read_image(gradient(width)) for width in (12, 12, 13))
    assert one.digest == again.digest != other.digest
    assert read_image(gradient(), caption="a slope").digest != one.digest


def test_patch_features_are_pixels_and_position():
    image = Image.new("L", (4, 4), 0)
    image.paste(255, (2, 0, 4, 2))  # the upper right patch is white
    encoder = PatchEncoder(PatchGrid(image_size=4, patch_size=2), torch.device("cpu"))
    chunk = encoder.image_chunk(read_image(image))
    encoded = encoder.encode([chunk, chunk], kind="patches", num_layers=0)
    assert encoded.states.shape == (2, 4, encoder.feature_size) == (2, 4, 8)
    assert encoded.mask.all()
    pixels, position = encoded.states[0].split(4, dim=1)
    torch.testing.assert_close(pixels.mean(1), torch.tensor([-1.0, 1, -1, -1]))
    torch.testing.assert_close(position, torch.eye(4))


def test_images_of_any_size_and_color_are_scaled():
    grid = PatchGrid(image_size=16, patch_size=4, color=True)
    chunk = PatchEncoder(grid, torch.device("cpu")).image_chunk(read_image(gradient(301, 77)))
    assert chunk.inputs["patches"].shape == (1, 16, 3 * 16 + 16)
    assert len(chunk) == 16


def test_the_patch_size_must_divide_the_image_size():
    with pytest.raises(ValueError, match="image_size 8 is not a multiple of patch_size 3"):
        PatchGrid(patch_size=3)


@pytest.mark.parametrize("text", ["The mill was built in 1811. " * 30, "The mill.\nIt is old", "One word\0"])
def test_a_text_in_place_of_a_path_is_named_as_one(text: str) -> None:
    with pytest.raises(ContextError, match=r"give a text .* in Python with document_from_text") as caught:
        as_context(text)
    assert "\n" not in str(caught.value)
