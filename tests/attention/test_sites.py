import dataclasses

import pytest

from vxa.attention.sites import Site, finest_self, grid_size, select_sites, watched_sites
from vxa.errors import SiteError


def make_site(name: str, part: str, index: int, factor: int, label: str) -> Site:
    return Site(name, "cross", part, index, 8, factor, label)  # type: ignore[arg-type]


SITES = (
    make_site("down.0.attn2", "down", 0, 1, "IN01"),
    make_site("down.1.attn2", "down", 1, 2, "IN04.0"),
    make_site("down.2.attn2", "down", 2, 2, "IN04.1"),
    make_site("mid.attn2", "mid", 3, 4, "M00"),
    make_site("up.0.attn2", "up", 4, 2, "OUT03"),
)


@pytest.mark.parametrize(
    ("size", "factor", "grid"),
    [((64, 48), 1, (64, 48)), ((64, 48), 8, (8, 6)), ((25, 40), 2, (13, 20)), ((25, 41), 8, (4, 6))],
)
def test_grid_halves_rounding_up(size: tuple[int, int], factor: int, grid: tuple[int, int]) -> None:
    assert grid_size(size, factor) == grid


@pytest.mark.parametrize(
    ("spec", "indices"),
    [
        (None, [0, 1, 2, 3, 4]),
        ("all", [0, 1, 2, 3, 4]),
        ("mid", [3]),
        ("UP, down", [0, 1, 2, 4]),  # run order, whatever the order given
        ("in04", [1, 2]),
        ("IN04.1", [2]),
        ("f2", [1, 2, 4]),
        ("f2, f2, M00", [1, 2, 3, 4]),
        ("up.0.attn2", [4]),
        (["M00", "IN01"], [0, 3]),
        ("5x3", [1, 2, 4]),
        ("3 X 2", [3]),
    ],
)
def test_select_sites(spec: str | list[str] | None, indices: list[int]) -> None:
    assert [site.index for site in select_sites(SITES, spec, latent_size=(9, 5))] == indices


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("OUT3", "no site here is called 'OUT3'; did you mean OUT03"),
        ("", "groups all, down, mid, up, f1, f2, f4, 9x5, 5x3, 3x2"),
        (["IN01", " OUT99\n"], "called 'OUT99'"),
        ("mid,,up", "called ''; the sites are IN01, IN04, M00, OUT03"),
        ("3x5", "called '3x5'"),
        ("16", "called '16'"),
        ("f3", "called 'f3'"),
        ([], "no site was given"),
        ([3], "called 3"),
    ],
)
def test_a_site_that_is_not_there(spec: str | list[str], message: str) -> None:
    with pytest.raises(SiteError, match=message):
        select_sites(SITES, spec, latent_size=(9, 5))


def test_a_grid_needs_an_image() -> None:
    with pytest.raises(SiteError, match="called '5x3'"):
        select_sites(SITES, "5x3")


OWN = tuple(
    dataclasses.replace(site, kind="self")
    for site in (*SITES, make_site("up.1", "up", 5, 1, "OUT05"), make_site("up.2", "up", 6, 4, "OUT01"))
)


def labels(sites: tuple[Site, ...]) -> list[str]:
    return [site.label for site in sites]


def test_the_up_parts_finest_self_attention_that_is_small_enough() -> None:
    assert labels(finest_self([*SITES, *OWN], (32, 32))) == ["OUT05"]
    assert labels(finest_self(OWN, (64, 64))) == labels(finest_self(OWN, (96, 48))) == ["OUT03"]
    assert labels(finest_self(OWN, (1000, 1000))) == ["OUT01"]
    assert finest_self(SITES, (32, 32)) == finest_self(OWN[:4], (32, 32)) == ()


def test_a_pass_that_refines_is_watched_at_self_attention_too() -> None:
    cross = select_sites(SITES, "mid", (64, 64))
    every = [*SITES, *OWN]
    assert watched_sites(every, "mid", (64, 64), self_attention=False) == cross
    assert watched_sites(every, "mid", (64, 64), self_attention=True) == cross + finest_self(OWN, (64, 64))
    asked = watched_sites(every, "mid", (64, 64), self_attention="IN01, OUT03")
    assert asked[:1] == cross
    assert [(site.kind, site.label) for site in asked[1:]] == [("self", "IN01"), ("self", "OUT03")]
    with pytest.raises(SiteError, match="called 'OUT11'"):
        watched_sites(every, "mid", (64, 64), self_attention="OUT11")
