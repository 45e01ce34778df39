"""All modes on small maps with known attention: 2 sites, an image of 12 × 18 pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from support.maps import HEIGHT, WIDTH, one_token_maps

from vxa.errors import HeadError, ImageError, SettingError, SiteError, TokenIndexError, WordError
from vxa.maps.attention_maps import AttentionMaps
from vxa.pictures.colormaps import coloured
from vxa.pictures.grids import MAX_CELLS
from vxa.pictures.modes import MODES
from vxa.pictures.picture_spec import PictureSpec, number
from vxa.pictures.render import render
from vxa.pictures.view import View

FIGURES = ("overlay", "contour", "words", "sites", "matrix", "difference", "timesteps")


@pytest.fixture
def maps() -> AttentionMaps:
    return one_token_maps()


@pytest.fixture
def image() -> Image.Image:
    return Image.new("RGB", (WIDTH, HEIGHT), (200, 100, 50))


def test_the_known_map(maps: AttentionMaps) -> None:
    values = maps.heat_map(tokens=1).values
    np.testing.assert_allclose(values[:, :3], 0.5, atol=1e-6)
    np.testing.assert_allclose(values[:, 3:], 1 / 7, atol=1e-6)


def test_masked_by_hand(maps: AttentionMaps, image: Image.Image) -> None:
    pixels = np.asarray(render(maps, image, "masked", "hat#1", resample="nearest")).astype(int)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(pixels[:, :9] - [200, 100, 50]).max() <= 1
    assert np.abs(pixels[:, 9:] - np.array([200, 100, 50]) * 2 / 7).max() <= 1


def test_grey_by_hand_under_every_normalization(maps: AttentionMaps, image: Image.Image) -> None:
    expected = {"max": (255, 73), "minmax": (255, 0), "absolute": (128, 36), "original": (255, 73)}
    for normalize, (left, right) in expected.items():
        picture = render(maps, image, "grey", tokens=1, normalize=normalize, resample="nearest")
        pixels = np.asarray(picture).astype(int)
        assert np.abs(pixels[:, :9] - left).max() <= 1, normalize
        assert np.abs(pixels[:, 9:] - right).max() <= 1, normalize


def test_smooth_by_default_and_nearest_on_request(maps: AttentionMaps, image: Image.Image) -> None:
    smooth = np.unique(np.asarray(render(maps, image, "grey", tokens=1)))
    sharp = np.unique(np.asarray(render(maps, image, "grey", tokens=1, resample="nearest")))
    assert len(sharp) == 2 < len(smooth)


def test_overlay_holds_the_map_and_its_bar(maps: AttentionMaps, image: Image.Image) -> None:
    figure = np.asarray(render(maps, image, "overlay", "hat#1", opacity=1.0, resample="nearest"))
    assert figure.shape[1] > 512
    assert figure.shape[0] > 512 * HEIGHT // WIDTH
    top, left = np.argwhere((figure == coloured(np.array([[1.0]]), "inferno")[0, 0]).all(2)).min(0)
    assert (figure[top + 50, left + 300] == coloured(np.array([[2 / 7]]), "inferno")[0, 0]).all()


def test_contour_follows_the_mask_at_the_threshold(maps: AttentionMaps, image: Image.Image) -> None:
    half = np.asarray(render(maps, image, "contour", "hat#1", threshold=0.5)).astype(int)
    full = np.asarray(render(maps, image, "contour", "hat#1", threshold=0.1)).astype(int)
    yellow = [((picture - [255, 214, 10]) ** 2).sum(2) < 900 for picture in (half, full)]
    assert yellow[0].any()
    assert not yellow[1].any()
    columns = np.argwhere(yellow[0])[:, 1]
    assert abs(columns.mean() - half.shape[1] / 2) < 30


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "choice", [{}, {"words": "hat"}, {"words": ["neck", "hat#2"]}, {"tokens": "0, 2-3"}, {"sites": "M00"}]
)
def test_every_mode_draws_every_selection(
    maps: AttentionMaps, image: Image.Image, mode: str, choice: dict[str, object]
) -> None:
    picture = render(maps, image, mode, **choice)  # type: ignore[arg-type]
    assert picture.mode == "RGB"
    assert (picture.size == image.size) == (mode not in FIGURES)


def test_a_grid_has_a_cell_for_each_word(maps: AttentionMaps, image: Image.Image, monkeypatch) -> None:
    drawn: list[str] = []
    from vxa.pictures import grids

    cell = grids._cell
    monkeypatch.setattr(grids, "_cell", lambda q, label, *rest: drawn.append(label) or cell(q, label, *rest))
    render(maps, image, "words")
    assert drawn == ["hat#1", "neck", "and", "hat#2"]
    drawn.clear()
    render(maps, image, "words", words="neck, hat#2")
    assert drawn == ["neck", "hat#2"]
    drawn.clear()
    render(maps, image, "words", tokens="0, 3")
    assert drawn == ["0 <bos>", "3 neck"]
    drawn.clear()
    render(maps, image, "sites", words="neck")
    assert drawn == ["IN01  4 x 6", "M00  4 x 6"]


def test_several_passes_are_one_row_labelled_with_their_timesteps(
    maps: AttentionMaps, image: Image.Image, monkeypatch
) -> None:
    from vxa.pictures import grids

    later = replace(maps, provenance=replace(maps.provenance, timestep=300))
    drawn: list[str] = []
    cell = grids._cell
    monkeypatch.setattr(grids, "_cell", lambda q, label, *rest: drawn.append(label) or cell(q, label, *rest))
    one, two = (render(passes, image, "timesteps", "hat") for passes in (maps, [later, maps]))
    assert drawn == ["t = 1", "t = 300", "t = 1"]
    assert two.width > one.width * 1.5
    assert two.height == one.height


def test_passes_that_do_not_belong_together_are_refused(maps: AttentionMaps, image: Image.Image) -> None:
    with pytest.raises(SettingError, match="mode 'overlay' draws one pass, not 2"):
        render([maps, maps], image, "overlay")
    with pytest.raises(SettingError, match="not 0"):
        render([], image, "timesteps")
    with pytest.raises(SettingError, match="give those of one prompt"):
        render([maps, one_token_maps(("red", "hat"))], image, "timesteps")
    with pytest.raises(SettingError, match="give fewer"):
        render([maps] * 25, image, "timesteps")
    with pytest.raises(ImageError, match="18×12"):
        render([maps, one_token_maps(size=(18, 12))], image, "timesteps")


def test_maps_of_a_part_lie_on_that_part_and_the_rest_stays(maps: AttentionMaps, image: Image.Image) -> None:
    whole = Image.new("RGB", (WIDTH * 3, HEIGHT * 2), (0, 90, 0))
    whole.paste(image, (WIDTH, HEIGHT))
    spec = PictureSpec(maps, whole, region=(WIDTH, HEIGHT, WIDTH, HEIGHT))
    heat = spec.heat(tokens=[1])
    shown, low, high = spec.overlaid(heat, (HEIGHT * 2, WIDTH * 3))
    alone, *ends = PictureSpec(maps, image).overlaid(heat, (HEIGHT, WIDTH))
    part = (WIDTH, HEIGHT, WIDTH * 2, HEIGHT * 2)
    assert ends == [low, high]
    assert shown.crop(part).tobytes() == alone.tobytes() != image.tobytes()
    shown.paste(image, part)
    assert shown.tobytes() == whole.tobytes()
    assert spec.overlaid(heat, (HEIGHT * 4, WIDTH * 6))[0].size == (WIDTH * 6, HEIGHT * 4)
    with pytest.raises(ImageError, match="the image is 40×40"):
        PictureSpec(maps, whole, region=(0, 0, 40, 40))


def test_an_unknown_mode_lists_the_modes(maps: AttentionMaps, image: Image.Image) -> None:
    with pytest.raises(SettingError, match="'heat'.*" + ", ".join(MODES)):
        render(maps, image, "heat")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("choice", "error"),
    [
        ({"words": "hta"}, WordError),
        ({"tokens": "99"}, TokenIndexError),
        ({"tokens": "1,,3"}, TokenIndexError),
        ({"sites": "M01"}, SiteError),
        ({"heads": "7"}, HeadError),
        ({"words": "hat", "tokens": "1"}, SettingError),
    ],
)
def test_a_wrong_selection_is_refused_in_every_mode(
    maps: AttentionMaps, image: Image.Image, mode: str, choice: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error) as raised:
        render(maps, image, mode, **choice)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "setting",
    [
        {"opacity": 1.5},
        {"opacity": float("nan")},
        {"threshold": -0.1},
        {"threshold": float("inf")},
        {"colormap": "jet"},
        {"resample": "cubic"},
        {"normalize": "sum"},
    ],
)
def test_a_setting_out_of_range_names_what_is_allowed(
    maps: AttentionMaps, image: Image.Image, setting: dict[str, object]
) -> None:
    with pytest.raises(SettingError, match=str(next(iter(setting.values())))):
        render(maps, image, "grey", **setting)  # type: ignore[arg-type]


def test_another_image_is_refused(maps: AttentionMaps) -> None:
    with pytest.raises(ImageError, match=r"18×12.*12×18"):
        render(maps, Image.new("RGB", (HEIGHT, WIDTH)))


def test_a_grid_of_too_many_cells_is_refused(image: Image.Image) -> None:
    maps = one_token_maps(tuple(f"word{i}" for i in range(MAX_CELLS + 1)))
    for mode in ("words", "matrix"):
        with pytest.raises(SettingError, match="choose fewer words"):
            render(maps, image, mode)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (70, 10), (3000, 300)])
@pytest.mark.parametrize("mode", MODES)
def test_images_of_any_shape(size: tuple[int, int], mode: str) -> None:
    picture = render(one_token_maps(size=size), Image.new("RGB", (size[1], size[0])), mode, "hat#1")
    assert max(picture.size) <= 4000
    if mode in FIGURES:
        assert min(picture.size) >= 100


@pytest.mark.parametrize("word", ["🎩", "قبعة", "x" * 500, "帽子", "é"])
@pytest.mark.parametrize("mode", ["overlay", "words", "matrix"])
def test_any_word_can_be_a_label(image: Image.Image, word: str, mode: str) -> None:
    assert render(one_token_maps((word, "neck")), image, mode, words=word).width < 2000


def test_labels_of_a_selection(maps: AttentionMaps, image: Image.Image) -> None:
    spec = PictureSpec(maps, image, words="hat, neck", heads="0")
    assert spec.subject(spec.heat()) == "hat, neck"
    assert spec.place(spec.heat()) == "IN01 · heads 0 · t = 1"
    spec = PictureSpec(maps, image, tokens="0-5", sites="all")
    assert spec.subject(spec.heat()) == "6 tokens"
    assert spec.place(spec.heat()) == "IN01, M00 · t = 1"
    assert PictureSpec(maps, image).subject(maps.heat_map()) == "every word"
    spec = PictureSpec(maps, image, tokens="0, 1, 6")
    assert spec.subject(spec.heat()) == "<bos>, hat, <eos>"
    assert number(0.03125) == "0.0312"
    assert View().cut(maps.heat_map("hat")) == pytest.approx(0.4, abs=0.3)


def test_maps_of_a_model_can_be_drawn(sd_model, picture: Image.Image) -> None:
    from vxa import visualize

    maps = visualize(sd_model, picture, "red hat, neck")
    for mode in MODES:
        assert render(maps, picture, mode, words="hat").mode == "RGB"
