"""The app's types: what its comments say of them holds, and what is imported is there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import heliogram.web

APP = Path(heliogram.web.__path__[0]) / "app"

#: What the vendored files give. Their code is small and says nothing of types; those of the packages do.
GIVEN = {
    "preact": """
        export * from "preact";
        export * from "preact/hooks";
        export * from "@preact/signals";
        import { Options } from "preact";
        export declare const html: (strings: TemplateStringsArray, ...values: any[]) => any;
        export declare const options: Options & { requestAnimationFrame?: (draw: () => void) => void };
        """,
    "markdown": "export declare function parse(text: string): any;",
}

#: `any` may be said, not left unsaid.
OPTIONS = {
    "allowJs": True,
    "checkJs": True,
    "noEmit": True,
    "strict": True,
    "noUnusedLocals": True,
    "noFallthroughCasesInSwitch": True,
    "skipLibCheck": True,
    "target": "es2024",
    "lib": ["es2024", "dom", "dom.iterable"],
    "module": "esnext",
    "moduleResolution": "bundler",
}


def wrong(root: Path, modules: Path, app: Path) -> list[str]:
    """What `tsc` says of the app there, each error in a line."""
    for name, given in GIVEN.items():
        (app / "vendor" / f"{name}.d.ts").write_text(given)
    options = {**OPTIONS, "paths": {"*": [f"{modules.as_posix()}/*"]}}
    project = root / "tsconfig.json"
    project.write_text(
        json.dumps({"compilerOptions": options, "include": [f"{app.as_posix()}/js/**/*.js"]})
    )
    done = subprocess.run(
        ["node", modules / "typescript" / "bin" / "tsc", "--pretty", "false", "-p", project],
        capture_output=True,
        text=True,
        timeout=300,
    )
    return [line for line in done.stdout.splitlines() if "error TS" in line] or (
        [] if done.returncode == 0 else [done.stdout + done.stderr]
    )


@pytest.fixture
def modules() -> Path:
    """Where npm has put TypeScript and the packages whose types are wanted."""
    root = os.environ.get("HELIOGRAM_NODE_MODULES", "")
    found = Path(root).absolute() / "node_modules"
    if not root or shutil.which("node") is None or not (found / "typescript").is_dir():
        pytest.skip("typescript is missing: HELIOGRAM_NODE_MODULES names no folder with it")
    return found


def test_types_of_the_app(tmp_path: Path, modules: Path) -> None:
    app = tmp_path / "app"
    shutil.copytree(APP, app)
    assert not wrong(tmp_path, modules, app)
    # A name that is not there, and a number where a text is wanted: it does look.
    (app / "js" / "more.js").write_text(
        '// @ts-check\nimport { cal } from "./wire.js";\ncal("status");\n"a".padStart("2");\n'
    )
    assert len(wrong(tmp_path, modules, app)) == 2
    # Each file is looked at, and says so to who edits it.
    unchecked = [one for one in (APP / "js").rglob("*.js") if "// @ts-check" not in one.read_text()]
    assert unchecked == []
