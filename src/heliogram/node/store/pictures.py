"""The table `pictures`."""

from __future__ import annotations

from dataclasses import dataclass, field

from heliogram.node.store.database import Store


@dataclass(frozen=True, slots=True)
class PictureRow:
    """A picture of a group: a row of `pictures`, column by column."""

    conversation: int
    reference: bytes = field(repr=False)
    state: str
    data: bytes | None = field(repr=False)
    seed: bytes = field(repr=False)


_SELECT = "SELECT conversation, reference, state, data, seed FROM pictures WHERE "


class Pictures:
    """What is kept of pictures of groups. Every method raises `StoreError`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, row: PictureRow) -> None:
        """A picture, instead of what was there under its reference."""
        self._store.execute(
            "INSERT OR REPLACE INTO pictures (conversation, reference, state, data, seed)"
            " VALUES (?, ?, ?, ?, ?)",
            (row.conversation, row.reference, row.state, row.data, row.seed),
        )

    def get(self, conversation: int, reference: bytes) -> PictureRow | None:
        """The picture that a reference names in a conversation."""
        found = self._where("conversation=? AND reference=?", conversation, reference)
        return found[0] if found else None

    def anywhere(self, reference: bytes) -> PictureRow | None:
        """A picture that is here under this reference, in whichever conversation."""
        found = self._where("reference=? AND data IS NOT NULL LIMIT 1", reference)
        return found[0] if found else None

    def is_here(self, conversation: int, reference: bytes) -> bool:
        """Whether it can be shown."""
        query = "SELECT 1 FROM pictures WHERE conversation=? AND reference=? AND state='here'"
        return self._store.one(query, (conversation, reference)) is not None

    def of(self, conversation: int) -> list[PictureRow]:
        """All of a conversation."""
        return self._where("conversation=?", conversation)

    def moving(self) -> list[PictureRow]:
        """What goes up or comes down."""
        return self._where("state IN ('sending', 'coming')")

    def delete(self, conversation: int, reference: bytes) -> None:
        """Forget one."""
        self._store.execute(
            "DELETE FROM pictures WHERE conversation=? AND reference=?", (conversation, reference)
        )

    def _where(self, where: str, *parameters: int | bytes) -> list[PictureRow]:
        return [PictureRow(*row) for row in self._store.query(_SELECT + where, parameters)]
