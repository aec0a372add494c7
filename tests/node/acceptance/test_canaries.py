"""Nothing that people say or have can be read where it must not be: acceptance numbers 70 and 72, for nodes.

Three nodes and four relays, each a process of its own that logs as much as it can, do all that people do.
Disks fail, turns raise, processes are killed and crash. Whatever then lies below `root` is searched for all
that was said, and for everything that the nodes' stores hold.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from heliogram.mls import OwnKeyPackage
from heliogram.node import api
from heliogram.node.errors import NodeError
from heliogram.node.membership import PAST_EPOCHS
from tests.node.acceptance.people import SHORTEST, Person, shapes
from tests.node.chaos.nodes import Died, acquaint, address, group, introduce
from tests.node.store.raw import decrypted
from tests.relay.canaries import Net, files, of_process
from tests.relay.process import RelayProcess

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="looks at processes, and lets files grow no more"
)

#: Words that nothing else holds, no two of which begin alike.
SAID = {
    "word": "qlantherwick is what was saidz",
    "answer": "jumbrelfoxid is what was answeredz",
    "after": "wrexolympian is what was said at lastz",
    "edited": "kvolderschmitz it is called after the editz",
    "group": "Ozwaldinghurst Teaparty",
    "description": "nibblewartian descriptionz of it",
    "renamed": "Ypsilantikos Teaparty",
    "draft": "umbrageouszy draft that nobody sent",
    "caption": "lopsidedberries come with the filez",
    "label": "ferngullyxian labelz",
    "nickname": "Professorzig Bumblethwacke",
    "lost": "drubbletonian words of a full diskz",
    "raised": "hextopulousy words of a turn that failedz",
}
#: Gone in the end, for whoever has the key too.
DELETED = {
    "taken back": "zvanishingtide was said and taken backz",
    "here": "xobliviatrix goes from here onlyz",
    "before the edit": "ivaporettisk was said before the editz",
    "reacted": "pfalderwinkle",
}
#: Only ever asked for.
SOUGHT = "gwendolynthian"
FILE_NAME = "cryptaloguezz-inventory.txt"
FILE = "squirrelmagnetz everywhere in the filez. " * 3000

#: Changes after the look at the old keys: more than are kept.
CHANGES = PAST_EPOCHS + 3


@dataclass
class Run:
    """What was found, at different moments."""

    everything: dict[str, bytes] = field(default_factory=dict)
    #: What is only at relays.
    relays: dict[str, bytes] = field(default_factory=dict)
    #: Whatever the stores have held at some moment, and the part of it that relays must not have.
    kept: set[bytes] = field(default_factory=set)
    secrets: set[bytes] = field(default_factory=set)
    said: set[bytes] = field(default_factory=set)
    commands: list[bytes] = field(default_factory=list)
    #: Bytes of memory that a crash may write, of each process.
    cores: set[int] = field(default_factory=set)
    #: What the stores hold in the end, decrypted, free pages included.
    decrypted: dict[str, bytes] = field(default_factory=dict)
    rows: dict[str, bytes] = field(default_factory=dict)
    #: What was derived: before the changes, and ever.
    derived_early: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    derived: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    #: Private keys of key packages, of joining and of the leaf: all that there were, and those left.
    packages: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    packages_left: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    refused: bytes = b""
    export: bytes = b""
    #: The group of it, and how many epochs it had.
    epochs: int = 0


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """The whole story, once, in a place whose path is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="hg-"))
    story = Story(folder)
    try:
        asyncio.run(story.all())
        yield story.run
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Story:
    """Everything that people do, and what lies there meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.root, self.known = folder / "root", folder / "known"
        for one in (self.root, self.known):
            one.mkdir()
        self.run = Run()
        self.relays = [
            RelayProcess(
                self.root / f"relay-{number}",
                settings={"log_level": "debug"},
                environment={"TMPDIR": str(self.root), "PYTHONASYNCIODEBUG": "1"},
            )
            for number in range(4)
        ]
        names = ("Zuvahaletta Quixenbart", "Grindelwhorl Mapplesby", "Thornwicket Ushenbray")
        self.people = [
            Person(self.root, self.known, label, name)
            for label, name in zip("abc", names, strict=True)
        ]
        self.links: list[str] = []

    async def all(self) -> None:
        """From the first start to the last stop."""
        try:
            for relay in self.relays:
                relay.start()
            for one in self.people:
                one.make()
                await one.start()
                await introduce(one, [address(relay) for relay in self.relays])
            await self.talk()
            self.look("running")
            await self.change()
            await self.fail()
            await self.die()
            await self.stop()
        finally:
            for one in self.people:
                await one.end()
            for relay in self.relays:
                if relay.running:
                    relay.kill()

    async def talk(self) -> None:
        """First contact, messages, edits, deletions, a file, a group, searches."""
        alice, bob, carol = self.people
        for one in self.people:
            self.run.packages[one.label] = packages(one)
        await acquaint(alice, bob)
        await acquaint(alice, carol)
        await alice.call(api.NewLink(name=SAID["label"]))
        self.links = [link.uri for one in self.people for link in await one.call(api.GetLinks())]
        chat = await group(SAID["group"], alice, bob, carol)
        await alice.call(api.SetProfile(chat, description=SAID["description"]))
        for one in self.people:
            # What is said while an epoch closes may be on a quorum of relays, and on no more.
            await one.until(api.GetChat(chat), lambda it: it.description == SAID["description"])
        self.chat = chat
        sent = await self.say(alice, SAID["word"])
        await self.say(bob, SAID["answer"])
        await self.gone("taken back", alice, api.DeleteMessage)
        for one in self.people:
            (message,) = [it for it in await one.call(api.GetHistory(chat)) if it.id == sent.id]
            await one.call(api.React(message.id, DELETED["reacted"]))
            await one.call(api.React(message.id))
        first = await self.say(bob, DELETED["before the edit"])
        await bob.call(api.EditMessage(first.id, SAID["edited"]))
        await self.seen(lambda found: SAID["edited"] in found)
        here = await self.say(bob, DELETED["here"])
        for one in self.people:
            await one.call(api.DeleteMessage(here.id, only_here=True))
        await alice.call(api.SetDraft(chat, SAID["draft"]))
        await alice.call(api.RenameContact(bob.name, SAID["nickname"]))
        await self.share()
        for query in (SOUGHT, SAID["word"].split()[0], DELETED["taken back"].split()[0]):
            found = await carol.call(api.Search(query))
            assert len(found) == (query == SAID["word"].split()[0])

    async def share(self) -> None:
        """A file goes up and comes down."""
        alice, bob, _ = self.people
        file = self.known / FILE_NAME
        file.write_text(FILE)
        message = await alice.call(api.SendMessage(self.chat, SAID["caption"], files=(str(file),)))
        await self.seen(lambda found: SAID["caption"] in found)
        await bob.call(api.GetFile(message.id))

        def here(found: api.Message) -> bool:
            return found.files[0].state == "here"

        got = await bob.until(api.GetMessage(message.id), here)
        assert Path(got.files[0].path).read_text() == FILE
        await alice.until(api.GetMessage(message.id), lambda it: len(it.stored_by) == 4)

    async def change(self) -> None:
        """More epochs than are kept, and a word in each."""
        alice, bob, carol = self.people
        await self.settled()
        for one in self.people:
            self.run.derived_early[one.label] = derived(one)
        for number in range(CHANGES):
            name = f"{SAID['renamed']} {number}"
            await alice.call(api.SetProfile(self.chat, name=name))
            for one in self.people:
                await one.until(
                    api.GetChat(self.chat),
                    lambda it, name=name: it.chat.name == name,  # type: ignore[misc]
                )
            await self.say(self.people[number % 3], f"filler {number}")
        await alice.call(api.RemoveMembers(self.chat, (carol.name,)))
        await carol.until(api.GetChat(self.chat), lambda it: it.chat.phase == "out")
        info = await bob.until(api.GetChat(self.chat), lambda it: len(it.members) == 2)
        self.run.epochs = info.epoch

    async def fail(self) -> None:
        """A disk is full, a turn raises, a backup and an export are made, a passphrase is wrong."""
        alice = self.people[0]
        with full(alice.pid):
            await refused(alice, api.SendMessage(self.chat, SAID["lost"] * 200))
        await alice.until(api.GetStatus(), lambda it: it.online)
        alice.signal(signal.SIGUSR1)
        await refused(alice, api.SendMessage(self.chat, SAID["raised"]))
        await refused(alice, api.SendMessage(SAID["raised"], "to nobody"))
        await self.say(alice, SAID["after"], to=self.people[:2])
        await alice.call(api.Backup(str(self.root / "backup")))
        await alice.call(api.Export(str(alice.known / "export")))
        exported = files(alice.known / "export")
        self.run.export = b"".join(exported.values())

    async def die(self) -> None:
        """One is killed, one crashes in the middle of a turn; a wrong passphrase is tried."""
        alice, bob, _ = self.people
        await bob.kill()
        self.look("killed")
        done = bob.command("chats", phrase="a wrong one")
        assert done.returncode == 3
        self.run.refused = done.stdout + done.stderr
        await bob.start()
        alice.signal(signal.SIGUSR2)
        await refused(alice, api.SendMessage(self.chat, SAID["raised"]))
        await alice.wait()
        self.look("crashed")
        await alice.start()

    async def stop(self) -> None:
        """All stop as they should."""
        await self.settled()
        self.look("at the end")
        for one in self.people:
            await one.stop()
        for relay in self.relays:
            assert relay.stop() == 0
        self.look("stopped")
        for one in self.people:
            self.run.decrypted[one.label] = decrypted(one.home / "profile.db", one.key)
            self.run.rows[one.label] = others(one, bytes.fromhex(self.chat))
            self.run.derived[one.label] = derived(one)
            self.run.packages_left[one.label] = packages(one)

    # --- Parts of it ------------------------------------------------------------------------------

    async def say(self, who: Person, text: str, to: list[Person] | None = None) -> Any:
        """Say something; all have it then, and all relays."""
        message = await who.call(api.SendMessage(self.chat, text))
        for one in to or self.people:
            await one.until(
                api.GetHistory(self.chat), lambda found: any(it.text == text for it in found)
            )
        return await who.until(api.GetMessage(message.id), lambda it: len(it.stored_by) == 4)

    async def gone(self, what: str, who: Person, command: type[api.DeleteMessage]) -> None:
        """Say it, and take it back."""
        message = await self.say(who, DELETED[what])
        await who.call(command(message.id))
        await self.seen(lambda found: DELETED[what] not in found)

    async def seen(self, good: Any) -> None:
        """Wait until all have such a history."""
        for one in self.people:
            await one.until(
                api.GetHistory(self.chat), lambda found: good([it.text for it in found])
            )

    async def settled(self) -> None:
        """Wait until nothing waits to be sent, and no file moves."""
        for one in self.people:
            await one.until(api.GetStatus(), lambda it: it.queued == 0)

    def look(self, when: str) -> None:
        """Keep all that lies there."""
        found = files(self.root)
        for one in self.people:
            if one.running:
                shown = of_process(one.pid, self.root)
                self.run.commands.append(shown["cmdline"])
                self.run.cores.update(resource.prlimit(one.pid, resource.RLIMIT_CORE))
                found |= {f"process {one.label} {name}": data for name, data in shown.items()}
            self.run.kept |= one.kept()
            self.run.secrets |= one.secrets()
        at_relays = {name for name in found if name.startswith("relay-")}
        self.run.relays |= {f"{when}: {name}": found[name] for name in at_relays}
        self.run.everything |= {
            f"{when}: {name}": data for name, data in found.items() if name not in at_relays
        }
        names = [one.name for one in self.people]
        phrases = [one.phrase for one in self.people] + [one.words for one in self.people]
        texts = [*SAID.values(), *DELETED.values(), SOUGHT, FILE_NAME, FILE[:200]]
        for text in [*names, *phrases, *texts, *self.links]:
            self.run.said.update(shapes(text))
        # The parts of a link that are its secret, wherever they begin.
        self.run.said.update(link[at : at + 24].encode() for link in self.links for at in (30, 60))


def derived(one: Person) -> list[tuple[str, bytes]]:
    """What its node has derived so far: labels and first bytes."""
    lines = one.derived.read_text().splitlines()
    return [(label, bytes.fromhex(rest)) for label, _, rest in (it.partition(":") for it in lines)]


def packages(one: Person) -> dict[bytes, bytes]:
    """The private keys of its key packages: of the leaf, by those that are joined by."""
    with closing(one.copied()) as store:
        rows = store.query("SELECT package FROM packages")
        own = [OwnKeyPackage.from_bytes(package) for (package,) in rows]
        return {bytes(it.init_key.secret): bytes(it.leaf_key.secret) for it in own}


def others(one: Person, chat: bytes) -> bytes:
    """What its other conversations keep, as records."""
    with closing(one.copied()) as store:
        rows = store.query(
            "SELECT value FROM records JOIN conversations ON number = conversation WHERE id <> ?",
            (chat,),
        )
        return b"".join(bytes(value) for (value,) in rows)


async def refused(one: Person, command: api.Command) -> None:
    """It cannot be done."""
    with pytest.raises((NodeError, Died)):
        await one.call(command)


@contextmanager
def full(pid: int) -> Iterator[None]:
    """No file of this process may grow."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def where(canaries: set[bytes], found: dict[str, bytes]) -> list[str]:
    """Names of what holds one of them."""
    net = Net(canaries)
    return [name for name, data in found.items() if net.caught(data)]


# --- What must hold -------------------------------------------------------------------------------


def logs(run: Run) -> dict[str, bytes]:
    """What the nodes and the relays have printed."""
    everything = {**run.everything, **run.relays}
    return {name: data for name, data in everything.items() if name.endswith((".log", "/log"))}


def test_70_nothing_that_was_said_lies_on_any_disk(run: Run) -> None:
    assert len(run.said) > 200
    assert where(run.said, {**run.everything, **run.relays}) == []
    assert where(run.said, {"export": run.export}) == ["export"], "the search itself must work"
    there = {name.rpartition(": ")[2] for name in run.everything}
    for name in ("a/profile.db", "a/profile.db-wal", "a/profile.key", "a/config.toml", "backup"):
        assert name in there, name


def test_70_nothing_that_a_store_holds_lies_there_outside_of_it(run: Run) -> None:
    assert len(run.kept) > 1000
    assert where(run.kept, run.everything) == []
    # With the key all of it is there: what is looked for is what is kept.
    seen = Net({one for one in run.kept if len(one) >= SHORTEST})
    assert all(seen.caught(data) for data in run.decrypted.values())


def test_70_relays_have_no_secret_of_a_node(run: Run) -> None:
    assert len(run.secrets) > 12
    assert where(run.secrets, run.relays) == []


def test_70_what_was_deleted_is_gone_for_who_has_the_key_too(run: Run) -> None:
    for label, content in run.decrypted.items():
        assert SAID["word"].encode() in content, label
        for text in DELETED.values():
            word = text.split()[0].encode()
            # The index keeps of a word how it differs from the one before.
            for part in (text.encode(), word, word[1:], word[2:]):
                assert part not in content, (label, text)


def test_70_used_keys_are_gone_for_who_has_the_key_too(run: Run) -> None:
    """No message key or nonce, nothing between one epoch and the next, no key of an epoch long over."""
    for label, content in run.decrypted.items():
        ever = run.derived[label]
        for kind in ("key", "nonce", "joiner", "epoch", "path", "node"):
            values = {value for name, value in ever if name == kind}
            assert values, (label, kind)
            held = [value for value in values if value[:12] in content]
            assert not held, (label, kind, len(held))
        early = {
            value
            for name, value in run.derived_early[label]
            if name not in ("other",) and value not in run.rows[label]
        }
        assert len(early) > 100
        held = [value for value in early if value[:12] in content]
        assert not held, (label, [n for n, v in run.derived_early[label] if v in held])


def test_70_keys_of_five_past_epochs_are_kept(run: Run) -> None:
    """Not more; and not fewer, or a late message could not be read."""
    content = run.decrypted["b"]
    values = {value for name, value in run.derived["b"] if name == "sender data"}
    held = [one for one in values if one in content and one not in run.rows["b"]]
    assert run.epochs > 2 * PAST_EPOCHS
    assert len(held) == 1 + PAST_EPOCHS


def test_70_a_used_key_package_is_gone_for_who_has_the_key_too(run: Run) -> None:
    # Neither has renewed a leaf: its key is in use in both conversations, of which Carol has left one.
    for label, conversations in (("b", 2), ("c", 1)):
        content = run.decrypted[label]
        used = run.packages[label].keys() - run.packages_left[label].keys()
        assert len(used) == 2, "both invitations took one"
        assert not [one for one in used if one in content]
        leaves = [run.packages[label][one] for one in used]
        assert sum(one in content for one in leaves) == conversations
        left = run.packages_left[label]
        assert all(one in content for one in left), "the search itself must work"


def test_16_23_who_was_removed_has_nothing_that_was_said_later(run: Run) -> None:
    """Carol's node ran all the time, with all that it had."""
    after = SAID["after"].encode()
    assert [after in run.decrypted[label] for label in "abc"] == [True, True, False]
    assert SAID["word"].encode() in run.decrypted["c"]


def test_72_the_most_verbose_log_says_nothing(run: Run) -> None:
    said = logs(run)
    alice = said["stopped: a.log"]
    assert b"a turn failed" in alice  # what it has to say does arrive there
    assert b"Fatal Python error: Aborted" in alice
    assert where(run.said | run.kept, said) == []


def test_72_a_crash_does_not_write_memory_to_disk(run: Run) -> None:
    assert run.cores == {0}


def test_72_a_wrong_passphrase_shows_nothing(run: Run) -> None:
    assert run.refused
    assert where(run.said | run.kept, {"refused": run.refused}) == []


def test_72_the_list_of_processes_shows_nothing(run: Run) -> None:
    assert len(run.commands) >= 6
    shown = {str(number): line for number, line in enumerate(run.commands)}
    assert where(run.said | run.kept, shown) == []
