"""Where the published test vectors are: below the directory that `HELIOGRAM_VECTORS` names.

They are others' files and not kept here. Without the variable the tests that need them are skipped,
with one line that says where the files can be had. With it, a file that is missing is a failure.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

PUBLISHED = (
    "HELIOGRAM_VECTORS is not set. MLS: github.com/mlswg/mls-implementations, test-vectors/; "
    "HPKE: github.com/hpkewg/hpke and hpkewg/hpke-pq; "
    "X-Wing: github.com/dconnolly/draft-connolly-cfrg-xwing-kem"
)


def vector_files(pattern: str) -> list[Path]:
    """The files whose path ends like the glob `pattern`. Skips or fails as said above."""
    root = os.environ.get("HELIOGRAM_VECTORS")
    if not root:
        pytest.skip(PUBLISHED)
    files = sorted(Path(root).rglob(pattern))
    if not files:
        pytest.fail(f"no file {pattern} below {root}")
    return files


def load_vectors(pattern: str) -> list[Any]:
    """The cases of all files that `vector_files` finds; a file is a list of cases."""
    return [case for file in vector_files(pattern) for case in json.loads(file.read_bytes())]
