from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from PIL import Image
from support.replayed import SIZE, saved_maps

from vxa.ui.pages import Kept, PageGone, PageId, Pages


def kept(name: str = "cat.png") -> Kept:
    return Kept(Image.new("RGB", (SIZE[1], SIZE[0])), name, saved_maps("hat"))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_bytes_are_those_of_the_image_the_records_and_their_means():
    image = 96 * 64 * 3
    queries, keys = 4 * 6 * (12 * 8 + 6 * 4), 2 * 4 * 6 * 77
    means = 4 * 77 * (12 * 8 + 6 * 4)
    assert kept().nbytes == image + queries + keys + means
    once = kept()
    twice = replace(once, passes=(once.maps, saved_maps("hat", 300)))
    assert twice.nbytes == image + 2 * (queries + keys + means)


def test_a_page_gets_back_its_own_and_nobody_elses():
    pages = Pages()
    pages.put("one", kept("1.png"))
    pages.put("two", kept("2.png"))
    assert pages.get("one").name == "1.png"
    pages.put("one", kept("3.png"))
    assert (pages.get("one").name, len(pages)) == ("3.png", 2)


@pytest.mark.parametrize("page", [None, "", "unknown"])
def test_a_page_without_maps_is_told_what_to_do(page: str | None):
    with pytest.raises(PageGone, match="press Visualize"):
        Pages().get(page)


def test_the_twenty_first_page_drops_the_least_recently_used():
    pages = Pages()
    for number in range(20):
        pages.put(str(number), kept())
    pages.get("0")
    pages.put("20", kept())
    assert len(pages) == 20
    pages.get("0")
    with pytest.raises(PageGone):
        pages.get("1")


def test_bytes_are_bounded_and_the_newest_page_stays_whatever_its_size():
    size = kept().nbytes
    pages = Pages(most_bytes=2 * size)
    for number in range(3):
        pages.put(str(number), kept())
    assert (len(pages), pages.nbytes) == (2, 2 * size)
    tight = Pages(most_bytes=1)
    tight.put("a", kept())
    tight.put("b", kept("b.png"))
    assert (len(tight), tight.get("b").name) == (1, "b.png")


def test_a_page_not_used_for_an_hour_is_dropped():
    clock = Clock()
    pages = Pages(clock=clock)
    pages.put("a", kept())
    pages.put("b", kept())
    clock.now = 3000.0
    pages.get("a")
    clock.now = 4000.0
    pages.get("a")
    with pytest.raises(PageGone):
        pages.get("b")


def test_every_copy_of_an_id_is_another_and_long():
    first = PageId()
    copies = {copy.deepcopy(first) for _ in range(100)}
    assert len(copies) == 100
    assert all(isinstance(page, str) and len(page) >= 32 for page in copies)
