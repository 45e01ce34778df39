"""Screenshots of the page in every state: `python docs/make_screenshots.py FOLDER [LOOK …]`.

It serves the page over papercut, and needs Playwright and Chromium. Look at each before it is committed.
"""

from __future__ import annotations

import io
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from PIL import Image
from support.browser import chromium

from vxa.io.images import save_image

PATIENCE = 300_000  # milliseconds
LOOKS = {
    "app-light": ({"width": 1280, "height": 900}, "light"),
    "app-dark": ({"width": 1280, "height": 900}, "dark"),
    "app-phone": ({"width": 390, "height": 844}, "light"),
}
MODES = ("masked", "grey", "contour", "words", "sites", "matrix")


def look(page: Any) -> None:
    """One pass over what is set, to its end."""
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_picture img")
    page.wait_for_selector("#vxa_summary:has-text('sites')")


def choose(page: Any, *words: str, group: str = "#vxa_tokens") -> None:
    for word in words:
        page.click(f"{group} .vxa-chip-word:has-text('{word}')")


SOURCE = "document.querySelector('#vxa_picture img')?.src ?? ''"


def mode(page: Any, name: str) -> None:
    choice, before = f"#vxa_mode input[value={name}]", page.evaluate(SOURCE)
    if page.is_checked(choice):
        return
    page.check(choice)
    page.wait_for_function(f"before => ({SOURCE}) !== before", arg=before)


def field(page: Any, name: str, text: str) -> None:
    page.locator(f"#vxa_{name} textarea, #vxa_{name} input").first.fill(text)


def refused(page: Any, sentence: str) -> None:
    page.wait_for_selector(f"#vxa_message [role=alert]:has-text({sentence!r})")


def settled(page: Any) -> None:
    """Wait until the picture has been the same for a while: a request may still be on its way."""
    seen, same = None, 0
    while same < 8:
        now = page.evaluate(SOURCE)
        seen, same = now, same + 1 if now == seen else 0
        page.wait_for_timeout(500)


def example(page: Any) -> None:
    """The README's picture: two words of the first example, and a spot."""
    choose(page, "hat", "cat")
    page.locator("#vxa_image img").click(position={"x": 85, "y": 58})
    page.wait_for_selector(".vxa-ranking")


def compare(page: Any) -> None:
    mode(page, "difference")
    choose(page, "cat", group="#vxa_tokens_against")
    choose(page, "cat")


def strip(page: Any) -> None:
    mode(page, "timesteps")
    field(page, "timesteps", "1, 300, 600, 900")
    page.click("#vxa_look_at_timesteps")
    page.wait_for_selector("#vxa_summary:has-text('600')")


def running(page: Any) -> None:
    field(page, "timesteps", "1, 100, 200, 400, 500, 700, 800")
    page.click("#vxa_look_at_timesteps")
    page.wait_for_selector("#vxa_picture :text('of')", state="attached")


def stopped(page: Any) -> None:
    """The passes that run, stopped; where they were quicker, others."""
    said = page.locator("#vxa_message [role=alert]:has-text('stopped')")
    for first in range(20):
        page.click("#vxa_stop")
        page.wait_for_timeout(2000)
        if said.count():
            return
        if page.locator("#vxa_summary:has-text('800')").count() or first:
            field(page, "timesteps", ", ".join(map(str, range(2 + first, 802 + first, 40))))
            page.click("#vxa_look_at_timesteps")
    raise AssertionError("nothing could be stopped")


def pointed(page: Any) -> None:
    page.hover("#vxa_tokens .vxa-chip-word:has-text('cat')")
    page.wait_for_selector("#vxa_picture .vxa-peek")


def refine(page: Any) -> None:
    """On, or off: by keyboard, for a picture that comes above it would move it from under a click."""
    page.focus("#vxa_refine input")
    page.keyboard.press("Space")


def unrefined(page: Any) -> None:
    mode(page, "contour")
    refine(page)
    refused(page, "without self-attention")


def refined(page: Any) -> None:
    before = page.evaluate(SOURCE)
    page.click("#vxa_press")
    page.wait_for_function(f"before => ({SOURCE}) !== before", arg=before)


def plain(page: Any) -> None:
    refine(page)
    mode(page, "overlay")


def painting(page: Any) -> None:
    """Halfway through an image."""
    field(page, "prompt", "a boy wearing a blue hat, a tree, grass")
    page.wait_for_selector("#vxa_tokens .vxa-chip-word:has-text('tree')")
    field(page, "indices", "")
    choose(page, "hat")
    field(page, "seed", "3")
    page.click("#vxa_make")
    page.wait_for_function("document.querySelector('#vxa_live progress')?.value >= 0.4")


def painted(page: Any) -> None:
    page.wait_for_selector("#vxa_summary:has-text('traced over')")


def earlier(page: Any) -> None:
    mode(page, "overlay")
    field(page, "prompt", "a boy wearing a (red:1.3) neckerchief and a green hat")
    page.wait_for_selector("#vxa_earlier p")


def opened(page: Any) -> None:
    """Everything that folds, unfolded."""
    for name in ("settings", "making", "take"):
        page.click(f"#vxa_{name} > button")
    page.click("#vxa_save")
    page.wait_for_selector("#vxa_files a[href]")


def no_words(page: Any) -> None:
    field(page, "prompt", " ")
    page.click("#vxa_press")
    refused(page, "no words")


def no_image(page: Any) -> None:
    page.click("#vxa_image button[aria-label='Remove Image']")
    page.click("#vxa_press")
    refused(page, "no image")


# In the order of a visit: each begins where the one before ended.
STATES: dict[str, Callable[[Any], Any]] = {
    "empty": lambda page: None,
    "chips": lambda page: choose(page, "hat"),
    "looked": look,
    "pointed": pointed,
    **{name: lambda page, name=name: mode(page, name) for name in MODES},
    "difference": compare,
    "timesteps": strip,
    "running": running,
    "stopped": stopped,
    "unrefined": unrefined,
    "refined": refined,
    "back": plain,
    "index": lambda page: (field(page, "indices", "99"), refused(page, "out of range")),
    "head": lambda page: (field(page, "indices", ""), field(page, "heads", "first"), refused(page, "first")),
    "spot": lambda page: (field(page, "heads", "mean"), example(page)),
    "earlier": earlier,
    "open": opened,
    "painting": painting,
    "painted": painted,
    "painted-words": lambda page: (field(page, "indices", ""), mode(page, "words")),
    "painted-steps": lambda page: (choose(page, "hat"), mode(page, "timesteps")),
    "no-words": no_words,
    "no-image": no_image,
}  # fmt: skip


def visit(page: Any, address: str, theme: str, shoot: Callable[[str], None]) -> None:
    """All states of one look."""
    page.goto(f"{address}/?__theme={theme}")
    page.wait_for_selector(".vxa-chip")
    for name, go in STATES.items():
        go(page)
        if name not in ("running", "painting"):
            settled(page)
        shoot(name)


def main(folder: Path, looks: list[str], address: str) -> None:
    """Every state of each look as a WebP in the folder, the README's under the look's own name."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for look_name in looks:
            size, theme = LOOKS[look_name]
            page = browser.new_page(viewport=size)
            page.set_default_timeout(PATIENCE)

            def shoot(state: str, page: Any = page, look_name: str = look_name) -> None:
                name = look_name if state == "spot" else f"{look_name}-{state}"
                shot = Image.open(io.BytesIO(page.screenshot(full_page=True)))
                save_image(shot.convert("RGB"), folder / f"{name}.webp")

            visit(page, address, theme, shoot)
            page.close()


def serve() -> Any:
    """The app over papercut, at a free port."""
    from vxa.models.choices import ModelChoice
    from vxa.models.settings import LoadSettings
    from vxa.ui.app import start
    from vxa.ui.loading import ModelLoader
    from vxa.ui.local import choosing_backend, examples

    loader = ModelLoader([ModelChoice("papercut", "papercut")], LoadSettings(device="cpu"), "papercut")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    page = start(lambda folder: choosing_backend(loader, loader.slot, examples(folder)), port=port)
    loader.choose("papercut")
    return page


if __name__ == "__main__":
    app = serve()
    try:
        main(Path(sys.argv[1]), sys.argv[2:] or list(LOOKS), app.local_url.rstrip("/"))
    finally:
        app.close(verbose=False)
