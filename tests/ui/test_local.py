"""The app's backend over a small random model: many pages at once, and a pass that is stopped."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from support.replayed import PASS
from torch.nn.modules import module as torch_module

import vxa
from vxa.ui import strings
from vxa.ui.downloads import Downloads
from vxa.ui.handlers import Handlers
from vxa.ui.local import local_backend
from vxa.ui.stopping import Stopped

PAGES = 16


@pytest.fixture
def handlers(sd_model: Any, tmp_path: Path) -> Handlers:
    return Handlers(local_backend(sd_model, "tiny", None, ()), Downloads(tmp_path / "given away"))


def photo(folder: Path, number: int) -> str:
    path = folder / f"{number}.png"
    Image.effect_noise((24 + number, 40), 90).save(path)
    return str(path)


def same(first: vxa.AttentionMaps, second: vxa.AttentionMaps) -> bool:
    return first.image_size == second.image_size and all(
        torch.equal(first.records[name].query, second.records[name].query)
        and torch.equal(first.records[name].key, second.records[name].key)
        for name in (site.name for site in first.sites)
    )


@pytest.mark.slow
def test_sixteen_pages_at_once_get_their_own_in_the_order_of_asking(
    handlers: Handlers, sd_model: Any, tmp_path: Path
):
    pages = [f"hat {'red ' * number}" for number in range(PAGES)]
    everybody_asked, done = threading.Event(), []

    def press(number: int, asked: threading.Event) -> None:
        def progress(fraction: float, what: str) -> None:
            asked.set()
            if number == 0:  # the first holds the model until all have asked for it
                assert everybody_asked.wait(120)
            if what == strings.DONE:
                done.append(number)

        handlers.run(pages[number], photo(tmp_path, number), pages[number], *PASS, progress=progress)

    threads = []
    for number in range(PAGES):
        asked = threading.Event()
        threads.append(threading.Thread(target=press, args=(number, asked)))
        threads[-1].start()
        assert asked.wait(120)
    everybody_asked.set()
    for thread in threads:
        thread.join(120)
    assert done == list(range(PAGES))
    for number, page in enumerate(pages):
        alone = vxa.visualize(sd_model, tmp_path / f"{number}.png", page)
        assert same(handlers.pages.get(page).maps, alone)


@pytest.mark.parametrize("work", ["run", "paint"])
def test_stop_acts_within_the_model_and_nothing_is_left_of_it(
    handlers: Handlers, sd_model: Any, tmp_path: Path, work: str
):
    ran: list[str] = []
    unet = sd_model.network
    spy = unet.register_forward_pre_hook(lambda module, inputs: ran.append("begun"))
    inner = unet.conv_out.register_forward_pre_hook(lambda module, inputs: ran.append("ended"))
    first = unet.down_blocks[0].register_forward_pre_hook(lambda module, inputs: handlers.stop("mine"))
    works = {
        "run": lambda: handlers.run("mine", photo(tmp_path, 0), "hat", *PASS),
        "paint": lambda: handlers.paint("mine", "hat", 0),
    }
    with pytest.raises(Stopped):
        works[work]()
    assert ran == ["begun"]
    for hook in (spy, inner, first):
        hook.remove()
    assert not torch_module._global_forward_pre_hooks
    assert not any(module._forward_hooks for module in unet.modules())
    assert handlers.run("mine", photo(tmp_path, 0), "hat", *PASS).summary
