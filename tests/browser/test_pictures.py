"""How the app looks, in every view: nothing sticks out, everybody can use it, and pictures can be taken.

`HELIOGRAM_PICTURES=FOLDER` keeps the pictures that the documents show; otherwise they are made and thrown
away, so that the way to them works.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browser.kit import Person, Window
from tests.browser.views import walk

#: What pictures are kept of which view: "light" and "dark" as on a desk, "narrow" as on a telephone.
PICTURES = {
    "start": ("light",),
    "start-passphrase": ("light",),
    "start-words": ("light",),
    "start-link": ("light",),
    "list": ("light", "dark", "narrow"),
    "search": ("light",),
    "group": ("light", "dark", "narrow"),
    "pictures": ("light", "dark", "narrow"),
    "message-menu": ("light",),
    "viewer": ("light",),
    "right-to-left": ("light",),
    "emoji": ("light", "dark"),
    "new-poll": ("light",),
    "explain": ("light",),
    "person": ("light",),
    "safety-code": ("light",),
    "protection": ("light",),
    "group-info": ("light", "dark", "narrow"),
    "new-group": ("light", "narrow"),
    "add-contact": ("light",),
    "my-link": ("light",),
    "settings": ("light", "dark", "narrow"),
    "settings-relays": ("light",),
    "settings-privacy": ("light",),
    "settings-keyboard": ("light",),
    "lock": ("light", "narrow"),
    "russian": ("light",),
}

#: Bytes of one picture, and of all.
LARGEST = 150_000
ALL = 3_000_000

DESK = {"width": 1280, "height": 800}
TELEPHONE = {"width": 360, "height": 740}
NARROWEST = {"width": 320, "height": 640}

SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"

#: Gives what sticks out of the window at a side, and what scrolls sideways but may not. What is cut on
#: purpose, and tabs in a row that is swept, may be wider than they show.
OUT = """() => {
  const found = [];
  const within = (one) => one.left >= -1 && one.right <= innerWidth + 1;
  for (const node of document.querySelectorAll("#app *")) {
    const box = node.getBoundingClientRect();
    if (!box.width || !box.height || node.closest(".visually-hidden, svg")) continue;
    const says = `${node.tagName.toLowerCase()}.${node.getAttribute("class")}`;
    const sideways = /auto|scroll/.test(getComputedStyle(node).overflowX);
    if (sideways && node.scrollWidth > node.clientWidth + 1 && !node.matches("pre, [role=tablist]"))
      found.push(`${says} scrolls sideways`);
    if (within(box)) continue;
    let around = node.parentElement;
    while (around && getComputedStyle(around).overflowX === "visible") around = around.parentElement;
    const cut = around && around !== document.body && within(around.getBoundingClientRect());
    if (!cut) found.push(`${says} is out`);
  }
  return found.slice(0, 5);
}"""

#: Gives what hinders people, by axe-core's rules, or by those that are named: [rule, impact, element].
HINDERED = """async (rules) => {
  const how = rules ? { runOnly: rules } : {};
  const { violations } = await axe.run(document, { resultTypes: ["violations"], ...how });
  return violations.flatMap(({ id, impact, nodes }) =>
    nodes.map((one) => [id, impact, one.html.slice(0, 200)]),
  );
}"""


def axe() -> str | None:
    """The source of axe-core, or None where it is not installed."""
    root = os.environ.get("HELIOGRAM_NODE_MODULES")
    path = Path(root or "") / "node_modules" / "axe-core" / "axe.min.js"
    return path.read_text() if root and path.is_file() else None


@dataclass
class Looks:
    """What was seen on the walk."""

    folder: Path
    rules: str | None
    #: Bytes of each picture.
    sizes: dict[str, int] = field(default_factory=dict)
    out: list[str] = field(default_factory=list)
    hindered: list[str] = field(default_factory=list)

    def visit(self, person: Person, view: str) -> None:
        person.do(self._visit(person, view))

    async def _visit(self, person: Person, view: str) -> None:
        page = person.page
        wanted = PICTURES.get(view, ())
        if self.rules is not None and not await page.evaluate("() => 'axe' in window"):
            # Evaluated from outside: the page's policy would let no script in, and stays as it is.
            await page.evaluate(self.rules)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            if scheme in wanted:
                await self._picture(person, view if scheme == "light" else f"{view}-dark")
            if self.rules is not None:
                # In the dark only colours are other ones.
                only = ["color-contrast"] if scheme == "dark" else None
                found: list[Any] = await page.evaluate(HINDERED, only)
                self.hindered += [
                    f"{view}, {scheme}: {rule} ({impact}) {element}"
                    for rule, impact, element in found
                    if impact in ("serious", "critical")
                ]
        await page.emulate_media(color_scheme="light", reduced_motion="reduce")
        for size in (TELEPHONE, NARROWEST) if "narrow" in wanted else (NARROWEST,):
            await page.set_viewport_size(size)  # type: ignore[arg-type]
            await page.evaluate(SETTLED)
            if size is TELEPHONE:
                await self._picture(person, f"{view}-narrow")
            self.out += [f"{view}, {size['width']}: {what}" for what in await page.evaluate(OUT)]
        await page.set_viewport_size(DESK)  # type: ignore[arg-type]
        await page.evaluate(SETTLED)

    async def _picture(self, person: Person, name: str) -> None:
        picture = Image.open(io.BytesIO(await person.page.screenshot())).convert("RGB")
        path = self.folder / f"{name}.webp"
        picture.save(path, "WEBP", quality=82, method=4)
        self.sizes[name] = path.stat().st_size


@pytest.fixture(scope="module")
def looks(window: Window, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looks]:
    """A walk through all views."""
    folder = Path(os.environ.get("HELIOGRAM_PICTURES") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    seen = Looks(folder, axe())
    walk(window, tmp_path_factory.mktemp("walk"), seen.visit)
    yield seen


@pytest.mark.timeout(600)
def test_pictures_are_taken_of_all_that_documents_show(looks: Looks) -> None:
    wanted = {
        view if look == "light" else f"{view}-{look}"
        for view, every in PICTURES.items()
        for look in every
    }
    assert set(looks.sizes) == wanted
    assert max(looks.sizes.values()) <= LARGEST
    assert sum(looks.sizes.values()) <= ALL


@pytest.mark.timeout(600)
def test_nothing_sticks_out_of_a_narrow_window(looks: Looks) -> None:
    assert not looks.out, "\n".join(looks.out)


@pytest.mark.timeout(600)
def test_nobody_is_hindered_in_light_or_dark(looks: Looks) -> None:
    if looks.rules is None:
        pytest.skip("axe-core is missing: HELIOGRAM_NODE_MODULES names no folder with it")
    assert not looks.hindered, "\n".join(looks.hindered)
