"""Fetch what the app's pages stand on from npm, and lay it into `src/heliogram/web/app/vendor`.

For maintainers, with Node at hand: `python tools/vendor.py`. Who runs the app, or its tests, needs none of
it: the files are part of the repository. `VENDOR.json` says what they were made of, with the registry's own
hash of each package and ours of each file; a test compares the latter.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).parent.parent / "src/heliogram/web/app/vendor"

#: Exact versions: what is fetched tomorrow is what was read today.
PACKAGES = {
    "preact": "11.2.0",
    "@preact/signals": "2.11.4",
    "htm": "3.1.1",
    "mdast-util-from-markdown": "2.1.0",
    "micromark-extension-gfm-strikethrough": "2.1.0",
    "mdast-util-gfm-strikethrough": "2.0.1",
    "micromark-extension-gfm-autolink-literal": "2.1.0",
    "mdast-util-gfm-autolink-literal": "2.0.1",
    "emojibase-data": "17.0.0",
}
BUILDER = "esbuild@0.28.2"

#: What each bundle gives. No bundle touches the DOM but Preact's.
BUNDLES = {
    "preact.js": """
        import { h } from "preact";
        import htm from "htm";
        export {
            h, render, options, Fragment, Component, createContext, createRef, cloneElement,
        } from "preact";
        export {
            useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext, useId,
            useErrorBoundary,
        } from "preact/hooks";
        export {
            signal, computed, effect, batch, untracked, useSignal, useComputed, useSignalEffect, Signal,
        } from "@preact/signals";
        export const html = htm.bind(h);
    """,
    "markdown.js": """
        import { fromMarkdown } from "mdast-util-from-markdown";
        import { gfmStrikethrough } from "micromark-extension-gfm-strikethrough";
        import { gfmStrikethroughFromMarkdown } from "mdast-util-gfm-strikethrough";
        import { gfmAutolinkLiteral } from "micromark-extension-gfm-autolink-literal";
        import { gfmAutolinkLiteralFromMarkdown } from "mdast-util-gfm-autolink-literal";

        const extensions = [
            gfmStrikethrough({ singleTilde: false }),
            gfmAutolinkLiteral(),
            { disable: { null: ["htmlFlow", "htmlText", "setextUnderline"] } },
        ];
        const mdastExtensions = [gfmStrikethroughFromMarkdown(), gfmAutolinkLiteralFromMarkdown()];

        /** The tree (mdast) of a Markdown text. HTML in it is text. */
        export const parse = (text) => fromMarkdown(text, { extensions, mdastExtensions });
    """,
}
LANGUAGES = ("en", "ru")


def run(*command: str, folder: Path) -> None:
    """Run it there; end with its words if it fails."""
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def emoji(folder: Path, language: str) -> str:
    """`[emoji, group, words to find it by]`, one a line, in the usual order."""
    data: list[dict[str, Any]] = json.loads(
        (folder / f"node_modules/emojibase-data/{language}/data.json").read_text()
    )
    rows = [
        [one["emoji"], one["group"], " ".join(dict.fromkeys([one["label"], *one.get("tags", [])]))]
        for one in sorted(data, key=lambda one: one.get("order", 9_999))
        if one.get("group") is not None and one["group"] != 2  # parts that mean nothing alone
    ]
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def main() -> None:
    """Write all of it anew."""
    VENDOR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        wanted = [f"{package}@{version}" for package, version in PACKAGES.items()]
        run(
            "npm", "install", "--silent", "--no-audit", "--no-fund", *wanted, BUILDER, folder=folder
        )
        for bundle, source in BUNDLES.items():
            (folder / bundle).write_text(source)
            run(
                "npx", "esbuild", bundle, "--bundle", "--format=esm", "--platform=neutral",
                "--main-fields=module,main", "--target=es2022", "--minify", "--legal-comments=none",
                f"--outfile={VENDOR / bundle}", folder=folder,
            )  # fmt: skip
        for language in LANGUAGES:
            (VENDOR / f"emoji-{language}.json").write_text(emoji(folder, language))
        lock = json.loads((folder / "package-lock.json").read_text())["packages"]
        made, licences = [], []
        for place, package in sorted(lock.items()):
            if (
                not place
                or package.get("dev")
                or "esbuild" in place
                or place.startswith("node_modules/@types/")
            ):
                continue
            title = place.removeprefix("node_modules/")
            made.append(
                {
                    "name": title,
                    "version": package["version"],
                    "licence": package.get("license", ""),
                    "integrity": package["integrity"],
                }
            )
            texts = sorted((folder / place).glob("[Ll][Ii][Cc][Ee][Nn][SsCc][Ee]*"))
            licences.append(
                f"{title} {package['version']}\n\n"
                + "".join(text.read_text() for text in texts[:1])
            )
    (VENDOR / "LICENCES.txt").write_text(("\n" + "-" * 72 + "\n\n").join(licences))
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(VENDOR.iterdir())
        if path.name != "VENDOR.json"
    }
    (VENDOR / "VENDOR.json").write_text(
        json.dumps({"packages": made, "files": files}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
