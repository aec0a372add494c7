"""Transfers of a running node: what a shell gets of them.

    transfers = Transfers(shell, dialler, spool)
    task = asyncio.create_task(transfers.run())

The engine's part for files is made with `transfers.wake`, `spool.forget` and `spool.name`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliogram.node import api
from heliogram.node.errors import InvalidFile, NotHere
from heliogram.node.network.dialling import Dialler
from heliogram.node.transfer.again import Original, PlanAgain, PlanForward, seal_again
from heliogram.node.transfer.mover import Mover
from heliogram.node.transfer.moves import FindFile, GetSaved, LoseCopy, Saved, Where
from heliogram.node.transfer.pieces import Piece, Pieces, are_there
from heliogram.node.transfer.prepare import prepare, prepare_picture
from heliogram.node.transfer.prepared import Prepared
from heliogram.node.transfer.spool import Spool

#: Bytes that are read at once.
MOST_READ = 1 << 20

if TYPE_CHECKING:
    # The engine knows what moves and not who runs it: the shell, which knows the engine.
    from heliogram.node.shell import Shell


class Transfers:
    """Prepares files of messages and pictures of groups, reads them, moves what the engine wants moved."""

    def __init__(
        self,
        shell: Shell,
        dialler: Dialler,
        spool: Spool,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Within an event loop. From here on `shell` sends files."""
        self._shell = shell
        self._spool = spool
        self._clock = clock
        self._dialler = dialler
        self._mover = Mover(dialler, spool, shell.turn)
        self._sending: set[asyncio.Task[Any]] = set()
        self._pieces = Pieces(spool)
        shell.outside |= {
            api.SendMessage: self._send,
            api.Schedule: self._send,
            api.ForwardMessages: self._forward,
            api.SendAgain: self._forward,
            api.SetProfile: self._set_profile,
            api.KeepFile: self._keep,
            api.ReadFile: self._read,
            api.GetStorage: self._storage,
            api.ClearKept: self._storage,
        }

    def wake(self) -> None:
        """There may be something to move. From any thread."""
        self._mover.wake()

    def use(self, dialler: Dialler) -> None:
        """Go another way from now on. What is under way ends with the old dialler, and is moved again."""
        self._mover.use(dialler)
        self._dialler = dialler

    async def run(self) -> None:
        """Move until cancelled."""
        await self._mover.run()

    async def _send(self, command: api.SendMessage | api.Schedule) -> Any:
        if not command.files:
            return await self._shell.turn(command)
        return await self._kept(self._send_files(command))

    async def _forward(self, command: api.ForwardMessages | api.SendAgain) -> Any:
        if isinstance(command, api.SendAgain):
            plan = await self._shell.turn(PlanAgain(command.message))
        else:
            plan = await self._shell.turn(PlanForward(command.messages, command.chat))
        if not any(plan):
            return await self._shell.turn(command)
        return await self._kept(self._forward_files(command, plan))

    async def _forward_files(
        self,
        command: api.ForwardMessages | api.SendAgain,
        plan: tuple[tuple[Original, ...], ...],
    ) -> Any:
        done: list[Prepared] = []
        try:
            for originals in plan:
                made = await seal_again(
                    originals, dialler=self._dialler, spool=self._spool, time=int(self._clock())
                )
                done.append(made)
            return await self._shell.turn(command, tuple(done))
        except BaseException:
            for one in done:
                await asyncio.to_thread(one.discard)
            raise

    async def _kept(self, doing: Coroutine[Any, Any, Any]) -> Any:
        """Do it to its end: who called may be gone any moment, and what is sent must not hang on that."""
        task = asyncio.create_task(doing)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return await asyncio.shield(task)

    async def _set_profile(self, command: api.SetProfile) -> Any:
        made = await prepare_picture(command.picture) if command.picture else None
        return await self._shell.turn(command, made)

    async def _send_files(self, command: api.SendMessage | api.Schedule) -> Any:
        prepared = await prepare(
            command.files,
            spool=self._spool,
            as_files=command.as_files,
            voice=command.voice if isinstance(command, api.SendMessage) else None,
            time=int(self._clock()),
        )
        try:
            return await self._shell.turn(command, prepared)
        except BaseException:
            # What could not be written was not sent.
            await asyncio.to_thread(prepared.discard)
            raise

    # --- Files that are here ----------------------------------------------------------------------

    async def _read(self, command: api.ReadFile) -> api.FileBytes:
        where: Where = await self._shell.turn(FindFile(command.message, command.index))
        piece = await self._piece(where, command.offset, min(command.length, MOST_READ))
        return api.FileBytes(piece.content_type, where.file.size, command.offset, piece.data)

    async def _piece(self, where: Where, offset: int, length: int) -> Piece:
        if where.spool is not None:
            try:
                return await self._pieces.sealed(where, offset, length)
            except InvalidFile:
                await self._shell.turn(LoseCopy(), where)
        try:
            return await self._pieces.saved(where, offset, length)
        except InvalidFile:
            raise NotHere from None

    async def _keep(self, command: api.KeepFile) -> api.Transfer:
        same = False
        with suppress(NotHere):
            where: Where = await self._shell.turn(FindFile(command.message, command.index))
            with suppress(InvalidFile):
                if where.path is not None and where.spool is None:
                    await self._pieces.saved(where, 0, 1)
                    same = True
        transfer: api.Transfer = await self._shell.turn(command, same)
        return transfer

    async def _storage(self, command: api.GetStorage | api.ClearKept) -> api.Storage:
        saved: tuple[Saved, ...] = await self._shell.turn(GetSaved())
        there = await asyncio.to_thread(are_there, {Path(one.path): one.size for one in saved})
        keys = frozenset(one.key for one in saved if Path(one.path) in there)
        storage: api.Storage = await self._shell.turn(command, keys)
        return storage
