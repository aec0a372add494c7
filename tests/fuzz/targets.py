"""What is fuzzed, and what must hold.

The invariant, for any bytes whatever:

- A decoder gives a value or raises `DecodeError`; where a whole message is read, `InvalidMessage`.
  What it gives, encodes to the bytes that it came from.
- `Group.process` and `Group.join` return, or raise `InvalidMessage` or `UnknownEpoch`.
  `Group.join_external` may raise `UsageError` as well: not everybody who knows a group fits in.
- `from_bytes` and `from_records` return, or raise `UsageError`.
- A credential is accepted or not; judging it raises nothing.
- After a refusal the group is what it was, to the byte.
- A group that somebody's message led to can be saved, loaded and used: sending and committing there
  give a message or `UsageError`.
- Frames and objects of the wire are read or give `RemoteError`, and so do both cores of the
  connection, which keep no more waiting than allowed.
- An input takes less than a second of processor time, and less than 64 MiB beyond what was in use.

`engine` watches over the last one and over everything that escapes here.

A target is a family of inputs with one way to try them. An `Input` is bytes and where they go, so
that it can be written into a file.
"""

from __future__ import annotations

import base64
import datetime
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from heliogram import mls
from heliogram.codec import DecodeError, decode_all, opaque
from heliogram.mls import commits, joining, treekem
from heliogram.mls.credentials import decode_credential
from heliogram.mls.crypto import SUITES, Secret, SignatureKey, Suite
from heliogram.mls.epoch import Epoch
from heliogram.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderData,
    SenderType,
    decode_message,
    encode_message,
    padded,
    seal_private,
)
from heliogram.mls.key_schedule import (
    member_secret,
    psk_secret,
    welcome_key_and_nonce,
)
from heliogram.mls.registries import WireFormat
from heliogram.mls.secret_tree import RatchetKind
from heliogram.wire import frames
from heliogram.wire.errors import RemoteError
from tests.content import readers as content
from tests.fuzz.forging import Worlds, repair_group_info, signer_of
from tests.fuzz.mutation import Mutator
from tests.fuzz.world import CONFIG, NOW, Stream
from tests.mls import grammar as g
from tests.mls.structures import STRUCTURES, afresh
from tests.node.identity import readers as identity
from tests.wire import samples, scripts


class Broken(AssertionError):
    """The invariant does not hold."""


@dataclass(frozen=True)
class Input:
    """Bytes to be tried, and where they go: a structure, a group, a way to seal them."""

    suite: int
    where: str
    data: bytes


class Target:
    """A family of inputs. `world` of an input is the one of its suite."""

    name: str

    def __init__(self, worlds: Worlds) -> None:
        self.worlds = worlds

    def seeds(self, suite: int) -> Iterator[Input]:
        """Whole inputs to start from."""
        raise NotImplementedError

    def kind(self, given: Input) -> g.Kind | None:
        """The rule that the bytes of this input follow."""
        raise NotImplementedError

    def finish(self, given: Input, tree: g.Tree) -> None:
        """Make a changed tree as believable as can be. By default it stays as it is."""

    def mutated(self, given: Input, mutator: Mutator) -> Input:
        """Another input like this one."""
        data = mutator.mutated(self.kind(given), given.data, lambda tree: self.finish(given, tree))
        return replace(given, data=data)

    def run(self, given: Input) -> str:
        """Try it. What came of it, in a word or two that tell one check from another."""
        raise NotImplementedError


def refusal(error: Exception) -> str:
    """Which check refused."""
    if isinstance(error, mls.InvalidMessage):
        return f"{error.rule} {error.what}"
    return f"{type(error).__name__} {error}"


# --- Decoders -------------------------------------------------------------------------------------


class Decoders(Target):
    """Each structure alone."""

    name = "decode"
    BY_NAME: ClassVar = {structure.name: structure for structure in STRUCTURES}

    def seeds(self, suite: int) -> Iterator[Input]:
        for structure in STRUCTURES:
            for _ in range(3):
                yield Input(suite, structure.name, g.write(structure.kind.make(g.Smallest())))

    def kind(self, given: Input) -> g.Kind | None:
        return self.BY_NAME[given.where].kind

    def mutated(self, given: Input, mutator: Mutator) -> Input:
        if mutator.random.random() < 0.2:
            given = replace(given, data=mutator.fresh(self.BY_NAME[given.where].kind))
        return super().mutated(given, mutator)

    def run(self, given: Input) -> str:
        structure = self.BY_NAME[given.where]
        try:
            value = decode_all(structure.decode, given.data)
        except (DecodeError, mls.InvalidMessage) as error:
            return f"{given.where} {refusal(error)}"
        if structure.encode(value) != given.data and given.where not in ("SafeExporter",):
            if given.where != "_Ratchet":  # what we saved ourselves is not held to one spelling
                raise Broken("another encoding of the same value was accepted")
        structure.encode(afresh(value))
        return f"{given.where} read"


class Messages(Target):
    """`decode_message`, `KeyPackage.from_message`, and the group that gets the message."""

    name = "process"

    def __init__(self, worlds: Worlds) -> None:
        super().__init__(worlds)
        self._groups: dict[tuple[int, str], tuple[mls.Group, bytes]] = {}

    def seeds(self, suite: int) -> Iterator[Input]:
        world = self.worlds.world(suite)
        for name, message in world.messages:
            yield Input(suite, name, message)
        others = [info for info, _ in world.infos] + [entry[1] for entry in world.welcomes]
        others += [world.package(name).message for name in world.packages]
        for message in others:
            yield Input(suite, "bob", message)

    def kind(self, given: Input) -> g.Kind | None:
        return g.MESSAGE

    def run(self, given: Input) -> str:
        try:
            mls.KeyPackage.from_message(given.data)
        except mls.InvalidMessage:
            pass
        try:
            message = decode_message(given.data)
        except mls.InvalidMessage as error:
            return refusal(error)
        if encode_message(message) != given.data:
            raise Broken("another encoding of the same message was accepted")
        return self.process(given, given.data)

    def group(self, given: Input) -> tuple[mls.Group, bytes]:
        """The live group that the input is for, and how it is saved."""
        key = given.suite, given.where.partition(" ")[0]
        if key not in self._groups:
            saved = self.worlds.world(key[0]).groups[key[1]]
            self._groups[key] = mls.Group.from_bytes(saved, config=CONFIG), saved
        return self._groups[key]

    def process(self, given: Input, message: bytes) -> str:
        """Process, and look what became of the group."""
        group, saved = self.group(given)
        try:
            outcome = group.process(message, now=NOW)
        except (mls.InvalidMessage, mls.UnknownEpoch) as error:
            if group.to_bytes() != saved:
                raise Broken("a refused message changed the group") from error
            return refusal(error)
        del self._groups[given.suite, given.where.partition(" ")[0]]
        if isinstance(outcome, mls.EpochAdvanced):
            check_usable(outcome.group)
        else:
            check_usable(group)
        return type(outcome).__name__


def check_usable(group: mls.Group) -> None:
    """The group can be saved, loaded and used."""
    saved = group.to_bytes()
    again = mls.Group.from_bytes(saved, config=group.config)
    if again.to_bytes() != saved:
        raise Broken("a group is saved, loaded, and another one")
    group.changes()
    uses: tuple[Callable[[Stream], object], ...] = (
        lambda entropy: again.protect(b"word", entropy=entropy),
        lambda entropy: again.propose_update(now=NOW, entropy=entropy),
        lambda entropy: again.commit(now=NOW, entropy=entropy),
        lambda entropy: again.group_info(external_pub=True),
    )
    for use in uses:
        try:
            use(Stream(b"use"))
        except mls.UsageError:
            pass


# --- Messages that are signed and sealed after they were broken -----------------------------------


class Forged(Messages):
    """Content that is broken before it is signed, tagged and sealed with the right keys.

    `where` is: group, "public" or "private", content type, sender type, sender's index, signature
    key, confirmation tag, generation. The bytes are a FramedContent when it goes out in public, else the
    content alone with what its signature covers of it.
    """

    name = "forged"

    def seeds(self, suite: int) -> Iterator[Input]:
        world = self.worlds.world(suite)
        for name, data in world.messages:
            group = world.group(name)
            message = decode_message(data)
            if isinstance(message, PrivateMessage):
                found = self._open(group, message)
                if found is None:
                    continue
                content, how = found, "private"
            elif isinstance(message, PublicMessage):
                content, how = message.content, "public"
            else:
                continue
            framed = content.content
            sender = framed.sender
            key = signer_of(group, framed)
            where = (
                *(name, how, str(int(framed.content_type)), str(int(sender.sender_type))),
                *(str(sender.index), _text(key), _text(content.confirmation_tag or b""), "3"),
            )
            body = framed.encode() if how == "public" else framed.body
            yield Input(suite, " ".join(where), body)

    def _open(self, group: mls.Group, message: PrivateMessage) -> AuthenticatedContent | None:
        epoch = group._member.current.epoch
        if message.epoch != epoch.context.epoch:
            return None
        sender_data = epoch.sender_of(message)
        if sender_data.leaf_index == group.own_leaf_index:
            return None
        return epoch.open(message, sender_data)[0]

    def kind(self, given: Input) -> g.Kind | None:
        _, how, content_type, *_ = given.where.split(" ")
        return g.FRAMED_CONTENT if how == "public" else g.CONTENT.cases[int(content_type)]

    def finish(self, given: Input, tree: g.Tree) -> None:
        sender_type, index = given.where.split(" ")[3:5]
        leaf_index = int(index)
        if sender_type == "4":  # an external joiner sits down in the first free leaf
            leaf_index = self.group(given)[0].tree.copy().free_leaf()
        group, _ = self.group(given)
        self.worlds.forge(given.suite).sign_again(group.suite, tree, group.group_id, leaf_index)

    def mutated(self, given: Input, mutator: Mutator) -> Input:
        changed = super().mutated(given, mutator)
        random = mutator.random
        if random.random() < 0.15:  # under another's seal, or another generation's
            parts = changed.where.split(" ")
            if random.random() < 0.5:
                parts[4] = str(random.randrange(9))
            else:
                parts[7] = str(random.choice((0, 1, 2, 7, 1003, 1004, 1 << 24, (1 << 32) - 1)))
            changed = replace(changed, where=" ".join(parts))
        return changed

    def run(self, given: Input) -> str:
        group, _ = self.group(given)
        _, how, content_type, sender_type, index, key, tag, number = given.where.split(" ")
        sender = Sender(SenderType(int(sender_type)), int(index))
        signer = self.worlds.forge(given.suite).keys.get(_bytes(key))
        kind = ContentType(int(content_type))
        if how == "public":
            message = self._public(group, given.data, kind, sender, signer)
        else:
            message = self._private(group, given.data, kind, sender, signer, int(number))
        return self._with_any_tag(given, message, _bytes(tag))

    def _with_any_tag(self, given: Input, message: Callable[[bytes], bytes], tag: bytes) -> str:
        """Process it; and where only the confirmation tag was wrong, as if it had been right.

        Somebody inside can compute the right one, so what stands behind that check is tested too.
        """
        result = self.process(given, message(tag))
        if not result.startswith("80 "):
            return result
        matches = Suite.mac_matches
        Suite.mac_matches = lambda *_: True  # type: ignore[method-assign]
        try:
            return "tag " + self.process(given, message(tag))
        finally:
            Suite.mac_matches = matches  # type: ignore[method-assign]

    def _public(
        self,
        group: mls.Group,
        framed: bytes,
        content_type: ContentType,
        sender: Sender,
        signer: SignatureKey | None,
    ) -> Callable[[bytes], bytes]:
        suite = group.suite
        context = group.context.encode()
        tbs = b"\x00\x01\x00\x01" + framed
        if sender.sender_type in (SenderType.MEMBER, SenderType.NEW_MEMBER_COMMIT):
            tbs += context
        signature = (
            b"" if signer is None else suite.sign_with_label(signer, b"FramedContentTBS", tbs)
        )

        def message(tag: bytes) -> bytes:
            auth = opaque(signature)
            if content_type is ContentType.COMMIT:
                auth += opaque(tag)
            member = b""
            if sender.is_member:
                key = group._member.current.secrets.membership_key
                member = opaque(suite.mac(key, tbs + auth))
            return b"\x00\x01\x00\x01" + framed + auth + member

        return message

    def _private(
        self,
        group: mls.Group,
        body: bytes,
        content_type: ContentType,
        sender: Sender,
        signer: SignatureKey | None,
        generation: int,
    ) -> Callable[[bytes], bytes]:
        epoch: Epoch = group._member.current.epoch
        framed = FramedContent(
            group.group_id, group.epoch, sender, b"", content_type, b"", bytes(body)
        )
        content = AuthenticatedContent(WireFormat.PRIVATE_MESSAGE, framed, b"")
        if signer is not None:
            content = content.signed(group.suite, signer, group.context.encode())
        kind = (
            RatchetKind.APPLICATION
            if content_type is ContentType.APPLICATION
            else RatchetKind.HANDSHAKE
        )
        tree = epoch.secret_tree
        # Where there is no such key, another one: the message is refused before it is needed.
        found = tree.find(min(sender.index, tree.leaf_count - 1), kind, min(generation, 1000))

        def message(tag: bytes) -> bytes:
            whole = content.with_tag(tag) if content_type is ContentType.COMMIT else content
            sealed = seal_private(
                group.suite,
                whole,
                padded(whole, lambda size: size + 3),
                SenderData(sender.index, generation, b"\x01\x02\x03\x04"),
                found.key,
                found.nonce,
                epoch.sender_data_secret,
            )
            return encode_message(sealed)

        return message


def _text(data: bytes) -> str:
    return base64.b64encode(bytes(data)).decode() or "-"


def _bytes(text: str) -> bytes:
    return b"" if text == "-" else base64.b64decode(text)


# --- Joining --------------------------------------------------------------------------------------


class Joining(Target):
    """Welcomes as they come, with the tree in them or beside them."""

    name = "join"

    def seeds(self, suite: int) -> Iterator[Input]:
        for number, (_, welcome, tree, _) in enumerate(self.worlds.world(suite).welcomes):
            yield Input(suite, f"{number} welcome", welcome)
            if tree:
                yield Input(suite, f"{number} tree", tree)

    def kind(self, given: Input) -> g.Kind | None:
        return g.MESSAGE if given.where.endswith("welcome") else g.RATCHET_TREE

    def run(self, given: Input) -> str:
        number, what = given.where.split(" ")
        _, welcome, tree, _ = self.worlds.world(given.suite).welcomes[int(number)]
        if what == "tree":
            return self.join(given, int(number), welcome, given.data)
        return self.join(given, int(number), given.data, tree)

    def join(self, given: Input, number: int, welcome: bytes, tree: bytes) -> str:
        """Join by this welcome."""
        world = self.worlds.world(given.suite)
        package, _, _, before = world.welcomes[number]
        try:
            group = mls.Group.join(
                welcome,
                self._packages(given.suite, package),
                config=CONFIG,
                ratchet_tree=tree or None,
                in_use=(b"a group that we are in",),
                previous=self._group(given.suite, before) if before else None,
                now=NOW,
            )
        except mls.InvalidMessage as error:
            return refusal(error)
        check_usable(group)
        return "joined"

    @functools.cache  # noqa: B019
    def _packages(self, suite: int, first: str) -> list[mls.OwnKeyPackage]:
        """All key packages, the one that is asked for before the others."""
        world = self.worlds.world(suite)
        return [world.package(name) for name in {first: 0, **world.packages}]

    @functools.cache  # noqa: B019
    def _group(self, suite: int, name: str) -> mls.Group:
        return self.worlds.world(suite).group(name)


class ForgedJoining(Joining):
    """Group infos and group secrets that are broken before they are sealed into a Welcome."""

    name = "forged-join"

    def seeds(self, suite: int) -> Iterator[Input]:
        world = self.worlds.world(suite)
        for number in range(len(world.welcomes)):
            info, secrets, _ = self._opened(suite, number)
            yield Input(suite, f"{number} info", info)
            yield Input(suite, f"{number} secrets", secrets)

    @functools.cache  # noqa: B019
    def _opened(self, suite_id: int, number: int) -> tuple[bytes, bytes, Secret]:
        """What is inside of a real Welcome, and the secret that the group info is sealed under."""
        world = self.worlds.world(suite_id)
        name, welcome, tree, _ = world.welcomes[number]
        message = decode_message(welcome)
        if not isinstance(message, commits.Welcome):
            raise TypeError
        _, suite, secrets = joining.open_group_secrets(message, [world.package(name)])
        psks: list[tuple[Any, bytes]] = []
        for psk_id in secrets.psks:
            secret = CONFIG.psk(psk_id)
            if secret is None:
                before = world.group(world.welcomes[number][3])
                secret = before.resumption_psk
            psks.append((psk_id, secret))
        member = member_secret(suite, secrets.joiner_secret, psk_secret(suite, psks))
        info = joining.open_group_info(message, suite, member)
        if tree:
            extension = mls.Extension(mls.ExtensionType.RATCHET_TREE, tree)
            info = replace(info, extensions=(*info.extensions, extension))
            repaired = g.parse(g.GROUP_INFO, info.encode())
            repair_group_info(self.worlds.forge(suite_id), suite, repaired, member)
            return g.write(repaired), secrets.encode(), member
        return info.encode(), secrets.encode(), member

    def kind(self, given: Input) -> g.Kind | None:
        return g.GROUP_INFO if given.where.endswith("info") else g.GROUP_SECRETS

    def finish(self, given: Input, tree: g.Tree) -> None:
        if tree.kind is g.GROUP_INFO and len(tree.parts) == 5:
            member = self._opened(given.suite, int(given.where.split(" ")[0]))[2]
            repair_group_info(self.worlds.forge(given.suite), SUITES[given.suite], tree, member)

    def run(self, given: Input) -> str:
        world = self.worlds.world(given.suite)
        number, what = given.where.split(" ")
        info, secrets, member = self._opened(given.suite, int(number))
        if what == "info":
            info = given.data
        else:
            secrets = given.data
        package = self._packages(given.suite, world.welcomes[int(number)][0])[0]
        suite = SUITES[given.suite]
        key, nonce = welcome_key_and_nonce(suite, member)
        sealed_info = suite.seal(key, nonce, b"", info)
        public = package.key_package.init_key
        sealed = suite.encrypt_with_label(public, b"Welcome", sealed_info, secrets)
        entry = commits.EncryptedGroupSecrets(package.reference, treekem.HPKECiphertext(*sealed))
        welcome = commits.Welcome(suite.id, (entry,), sealed_info)
        return self.join(given, int(number), encode_message(welcome), b"")


class ExternalJoining(Target):
    """Group infos for external joiners: broken as they come, and broken and signed again."""

    name = "join-external"

    def seeds(self, suite: int) -> Iterator[Input]:
        for number, (info, tree) in enumerate(self.worlds.world(suite).infos):
            yield Input(suite, f"{number} raw", info)
            yield Input(suite, f"{number} signed", info)
            if tree:
                yield Input(suite, f"{number} tree", tree)
        for leaving in self.worlds.world(suite).self_removes:
            yield Input(suite, "0 leaving", leaving)

    def kind(self, given: Input) -> g.Kind | None:
        return g.RATCHET_TREE if given.where.endswith("tree") else g.MESSAGE

    def finish(self, given: Input, tree: g.Tree) -> None:
        if given.where.endswith("signed"):
            suite = SUITES[given.suite]
            for node in g.nodes(tree):
                if node.kind is g.GROUP_INFO and len(node.parts) == 5:
                    repair_group_info(self.worlds.forge(given.suite), suite, node, None)

    def run(self, given: Input) -> str:
        number, what = given.where.split(" ")
        world = self.worlds.world(given.suite)
        info, tree = world.infos[int(number)]
        leaving = []
        if what == "tree":
            tree = given.data
        elif what == "leaving":
            leaving.append(given.data)
        else:
            info = given.data
        suite = SUITES[given.suite]
        try:
            staged = mls.Group.join_external(
                info,
                mls.BasicCredential(b"somebody else"),
                suite.signature_key(world.secrets[-1]),
                config=CONFIG,
                ratchet_tree=tree or None,
                self_removes=leaving,
                now=NOW,
                entropy=Stream(b"join"),
            )
        except (mls.InvalidMessage, mls.UsageError) as error:
            return refusal(error)
        check_usable(staged.group)
        return "joined"


# --- Saved states ---------------------------------------------------------------------------------


class States(Target):
    """Saved groups, as one value and as records."""

    name = "state"

    def seeds(self, suite: int) -> Iterator[Input]:
        for saved in self.worlds.world(suite).groups.values():
            yield Input(suite, "bytes", saved)
            yield Input(suite, "records", saved)

    def kind(self, given: Input) -> g.Kind | None:
        return g.STATE

    def finish(self, given: Input, tree: g.Tree) -> None:
        g.seal_state(tree)

    def run(self, given: Input) -> str:
        try:
            if given.where == "bytes":
                group = mls.Group.from_bytes(given.data, config=CONFIG)
            else:
                group = mls.Group.from_records(_records(given.data), config=CONFIG)
        except mls.UsageError as error:
            return refusal(error.__cause__ if isinstance(error.__cause__, Exception) else error)
        saved = group.to_bytes()
        if mls.Group.from_bytes(saved, config=CONFIG).to_bytes() != saved:
            raise Broken("a group is saved, loaded, and another one")
        return "loaded"


def _records(data: bytes) -> dict[bytes, bytes]:
    """The records in a saved group, as far as they can be made out."""
    cursor = g.Bytes(data, min(7, len(data)))
    records = {}
    try:
        inner = cursor.content()
        while inner.pos < inner.end:
            name = inner.content()
            value = inner.content()
            records[data[name.pos : name.end]] = data[value.pos : value.end]
    except g.Mismatch:
        pass
    return records


class Packages(Target):
    """Saved key packages."""

    name = "key-package"

    def seeds(self, suite: int) -> Iterator[Input]:
        for saved in self.worlds.world(suite).packages.values():
            yield Input(suite, "saved", saved)

    def kind(self, given: Input) -> g.Kind | None:
        return g.OWN_KEY_PACKAGE

    def run(self, given: Input) -> str:
        try:
            own = mls.OwnKeyPackage.from_bytes(given.data)
        except mls.UsageError as error:
            return refusal(error.__cause__ if isinstance(error.__cause__, Exception) else error)
        if own.to_bytes() != given.data:
            raise Broken("another encoding of the same key package was accepted")
        return "loaded"


# --- Credentials ----------------------------------------------------------------------------------


class Credentials(Target):
    """X.509 chains before the Authentication Service."""

    name = "credential"

    def __init__(self, worlds: Worlds) -> None:
        super().__init__(worlds)
        self.chain, self.key = certificates()
        self.service = mls.X509Authentication([self.chain[-1]])

    def seeds(self, suite: int) -> Iterator[Input]:
        chains: tuple[list[bytes], ...] = (
            self.chain,
            self.chain[:-1],
            self.chain[1:],
            self.chain[-1:],
            [],
        )
        for chain in chains:
            yield Input(suite, "chain", mls.X509Credential(tuple(chain)).encode())

    def kind(self, given: Input) -> g.Kind | None:
        return g.CREDENTIAL

    def run(self, given: Input) -> str:
        try:
            credential = decode_all(decode_credential, given.data)
        except DecodeError as error:
            return refusal(error)
        accepted = self.service.accepts(credential, self.key, now=NOW)
        good = mls.X509Credential(tuple(self.chain))
        successor = self.service.is_successor(good, credential)
        return f"{accepted} {successor} {len(self.service.client(credential)) > 0}"


def certificates() -> tuple[list[bytes], bytes]:
    """A chain of three certificates, and the key that it certifies."""
    start = datetime.datetime.fromtimestamp(NOW - 1000, datetime.UTC)
    keys = [Ed25519PrivateKey.from_private_bytes(bytes((number,)) * 32) for number in range(3)]
    names = [
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        for name in ("somebody", "a middle", "the anchor")
    ]
    chain = []
    for number, (name, key) in enumerate(zip(names, keys, strict=True)):
        above = min(number + 1, 2)
        builder = (
            x509.CertificateBuilder(names[above], name, key.public_key(), number + 1)
            .not_valid_before(start)
            .not_valid_after(start + datetime.timedelta(days=1000))
            .add_extension(x509.BasicConstraints(number > 0, number - 1 if number else None), True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        chain.append(builder.sign(keys[above], None).public_bytes(Encoding.DER))
    return chain, keys[0].public_key().public_bytes_raw()


# --- The wire -------------------------------------------------------------------------------------


class Objects(Target):
    """What is signed or hashed between nodes and relays. They know no suite."""

    name = "objects"
    BY_NAME: ClassVar = {type(one).__name__: type(one) for one in samples.OBJECTS}

    def seeds(self, suite: int) -> Iterator[Input]:
        for one in samples.OBJECTS:
            yield Input(suite, type(one).__name__, one.encode())

    def kind(self, given: Input) -> g.Kind | None:
        return None

    def run(self, given: Input) -> str:
        try:
            value = self.BY_NAME[given.where].from_bytes(given.data)
        except RemoteError as error:
            return f"{given.where} {error}"
        if value.encode() != given.data:
            raise Broken("another encoding of the same value was accepted")
        repr(value)
        return f"{given.where} read"


class Frames(Target):
    """One message, read by a relay and by a client."""

    name = "frames"

    def seeds(self, suite: int) -> Iterator[Input]:
        for example in samples.FRAMES.values():
            yield Input(suite, "", frames.encode(example))

    def kind(self, given: Input) -> g.Kind | None:
        return None

    def run(self, given: Input) -> str:
        said = []
        for read in (frames.decode_request, frames.decode_answer):
            try:
                frame: frames.Frame = read(given.data)
            except RemoteError as error:
                said.append(str(error))
                continue
            if read(frames.encode(frame)) != frame:
                raise Broken("a frame is written, read, and another one")
            said.append(repr(frame))
        frames.envelope(given.data)
        frames.type_of(given.data)
        return " ".join(said)


class Connections(Target):
    """A sequence of messages to a core in some state. `where` says which."""

    name = "connections"

    def seeds(self, suite: int) -> Iterator[Input]:
        every = [frames.encode(example) for example in samples.FRAMES.values()]
        for where in scripts.STARTS:
            yield Input(suite, where, scripts.script(every))
            for message in every:
                yield Input(suite, where, scripts.script([message]))

    def kind(self, given: Input) -> g.Kind | None:
        return None

    def run(self, given: Input) -> str:
        return given.where + " " + scripts.play(given.where, scripts.messages(given.data))


class Contents(Target):
    """What people say, and what they are known by. `where` says what reads it."""

    name = "contents"
    READERS: ClassVar = {**content.READERS, **identity.READERS}

    def seeds(self, suite: int) -> Iterator[Input]:
        for where, data in (*content.seeds(), *identity.seeds()):
            yield Input(suite, where, data)

    def kind(self, given: Input) -> g.Kind | None:
        return None

    def run(self, given: Input) -> str:
        try:
            again = self.READERS[given.where](given.data)
        except (content.REFUSES, identity.REFUSES) as error:
            return f"{given.where} {error}"
        if again != given.data:
            raise Broken("another encoding of the same value was accepted")
        return f"{given.where} read"


TARGETS: tuple[type[Target], ...] = (
    Decoders,
    Messages,
    Forged,
    Joining,
    ForgedJoining,
    ExternalJoining,
    States,
    Packages,
    Credentials,
    Objects,
    Frames,
    Connections,
    Contents,
)
