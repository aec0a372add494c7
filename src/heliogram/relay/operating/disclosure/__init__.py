"""What an operator could be forced to hand over, and whether it is all that there is.

    with Source(data) as source:
        report = Report(source, Selection())      # `tables`: rows as structures
        write_text(report, print)                 # `text`
        for finding in examine(source):           # `strict`: bytes that the schema does not explain
            ...

Nothing here writes into the data directory, but for `wipe`, which clears the unused parts of pages.
docs/disclosure.md is the same for people.
"""

from __future__ import annotations

from heliogram.relay.operating.disclosure.remains import wipe
from heliogram.relay.operating.disclosure.source import Finding, Source
from heliogram.relay.operating.disclosure.strict import Verdict, examine
from heliogram.relay.operating.disclosure.tables import Report, Selection

__all__ = ["Finding", "Report", "Selection", "Source", "Verdict", "examine", "wipe"]
