"""Who members are: X.509 chains, names that change, and keys that change under them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from heliogram import mls
from tests.scenarios.cast import (
    NOW,
    PLAIN,
    Person,
    agree,
    all_follow,
    all_note,
    entropy_of,
    everyone_commits,
    gathering,
)

# -- X.509 -----------------------------------------------------------------------------------------

#: ECDSA on P-256: its public keys are easily put into certificates.
P256 = mls.CipherSuite.MLS_128_DHKEMP256_AES128GCM_SHA256_P256


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """A certificate authority with one intermediate."""

    def __init__(self, name: str) -> None:
        self.now = datetime.fromtimestamp(NOW, UTC)
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.name = name
        self.root = self._certificate(
            _name(name), self._root_key.public_key(), _name(name), self._root_key, ca=True
        )
        self.intermediate = self._certificate(
            _name(f"{name}, devices"), self._key.public_key(), _name(name), self._root_key, ca=True
        )

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        issuer: x509.Name,
        signer: ec.EllipticCurvePrivateKey,
        *,
        ca: bool,
        days: int = 30,
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(days=1))
            .not_valid_after(self.now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)

    def certifies(self, name: str, key: mls.SignatureKey, days: int = 30) -> mls.X509Credential:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public)
        leaf = self._certificate(
            _name(name), public, _name(f"{self.name}, devices"), self._key, ca=False, days=days
        )
        return mls.X509Credential((leaf, self.intermediate))

    def member(self, name: str, *trusted: Authority) -> Person:
        """Somebody with a certificate of this authority, who trusts it and others."""
        key = mls.new_signature_key(P256, entropy=entropy_of(f"{name}, certified"))
        anchors = [authority.root for authority in (self, *trusted)]
        config = replace(PLAIN, authentication=mls.X509Authentication(anchors))
        return Person(
            name, suite=P256, config=config, credential=self.certifies(name, key), key=key
        )


def test_x509_group() -> None:
    authority = Authority("The Works")
    everybody = [authority.member(name) for name in ("Alice", "Bob", "Carol")]
    alice, bob, carol = everybody
    alice.creates()
    staged = alice.adds(bob, carol)
    bob.joins(staged.welcome)
    carol.joins(staged.welcome)
    agree(everybody)
    everyone_commits(everybody)
    assert alice.group.own_leaf.capabilities.credentials[0] == mls.CredentialType.X509


def test_x509_of_two_authorities() -> None:
    works, union = Authority("The Works"), Authority("The Union")
    alice, bob = works.member("Alice", union), union.member("Bob", works)
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    agree([alice, bob])
    # Whom only one of them trusts, is in nobody's group.
    stranger = Authority("Nobody").member("Mallory", works, union)
    with pytest.raises(mls.UsageError):
        alice.adds(stranger)
    alice.config = bob.config
    trusting = mls.Group.from_bytes(bytes(alice.group.to_bytes()), config=stranger.config)
    staged = trusting.commit([mls.Add(stranger.key_package())], now=NOW, entropy=alice.entropy)
    with pytest.raises(mls.InvalidMessage) as caught:
        bob.receives(staged.message)
    assert caught.value.rule == 23


def test_x509_joiner_checks_everybody() -> None:
    works, union = Authority("The Works"), Authority("The Union")
    alice, bob = works.member("Alice", union), union.member("Bob", works)
    carol = union.member("Carol")  # trusts her own authority only
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    staged = bob.adds(carol)
    with pytest.raises(mls.InvalidMessage) as caught:
        carol.joins(staged.welcome)
    assert caught.value.rule == 23


def test_x509_renewed() -> None:
    """A new certificate of the same name takes the old one's place, by update and by commit."""
    authority = Authority("The Works")
    alice, bob = authority.member("Alice"), authority.member("Bob")
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    key = mls.new_signature_key(P256, entropy=alice.entropy)
    renewed = mls.NewLeaf(credential=authority.certifies("Alice", key, 90), signature_key=key)
    bob.follows(alice.commits(new_leaf=renewed).message)
    assert bob.group.tree.leaf(0) == alice.group.own_leaf
    agree([alice, bob])
    key = mls.new_signature_key(P256, entropy=alice.entropy)
    renewed = mls.NewLeaf(credential=authority.certifies("Alice", key, 90), signature_key=key)
    bob.notes(alice.proposes_update(renewed))
    alice.follows(bob.commits().message)
    agree([alice, bob])
    # A certificate for a key that is not ours, or for another name, is none of ours.
    for name, other in (("Alice", bob.key), ("Bob", key)):
        wrong = mls.NewLeaf(credential=authority.certifies(name, other), signature_key=key)
        with pytest.raises(mls.UsageError):
            alice.stages(new_leaf=wrong)


def test_x509_and_basic_in_one_group() -> None:
    """Each member lists the types of all others (section 7.3)."""

    class Both(mls.X509Authentication):
        def accepts(self, credential: mls.Credential, signature_key: bytes, *, now: int) -> bool:
            basic = isinstance(credential, mls.BasicCredential)
            return basic or super().accepts(credential, signature_key, now=now)

    authority = Authority("The Works")
    config = replace(PLAIN, authentication=Both([authority.root]))
    alice, bob = authority.member("Alice"), Person("Bob", suite=P256, config=config)
    alice.config = config
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    agree([alice, bob])
    basic_only = mls.Capabilities((1,), (P256,), (), (), (mls.CredentialType.BASIC,))
    carol = Person("Carol", suite=P256, config=config)
    with pytest.raises(mls.UsageError):
        alice.stages(mls.Add(carol.key_package(capabilities=basic_only)))


# -- basic -----------------------------------------------------------------------------------------


class Registry(mls.AcceptAnyCredential):
    """Names of the form `name/version`: the version may go up, the name stays."""

    def is_successor(self, old: mls.Credential, new: mls.Credential) -> bool:
        before, after = (self._parts(one) for one in (old, new))
        return before[0] == after[0] and after[1] >= before[1]

    def client(self, credential: mls.Credential) -> bytes:
        return self._parts(credential)[0]

    @staticmethod
    def _parts(credential: mls.Credential) -> tuple[bytes, int]:
        if not isinstance(credential, mls.BasicCredential):
            raise TypeError(credential)
        name, _, version = credential.identity.partition(b"/")
        return name, int(version or b"0")


REGISTERED = replace(PLAIN, authentication=Registry())


def called(name: str) -> mls.NewLeaf:
    return mls.NewLeaf(credential=mls.BasicCredential(name.encode()))


def test_successor_by_commit_and_by_update() -> None:
    everybody = gathering("Alice", "Bob", "Carol", config=REGISTERED)
    alice, bob, carol = everybody
    all_follow(alice.commits(new_leaf=called("Alice/1")).message, [bob, carol])
    all_note(alice.proposes_update(called("Alice/2")), [bob, carol])
    staged = bob.commits()
    all_follow(staged.message, [alice, carol])
    assert carol.group.tree.leaf(0) == alice.group.own_leaf
    assert alice.group.own_leaf.credential == mls.BasicCredential(b"Alice/2")
    agree(everybody)
    for wrong in ("Bob", "Alice/1", "Alice"):
        with pytest.raises(mls.UsageError):
            alice.stages(new_leaf=called(wrong))
        with pytest.raises(mls.UsageError):
            alice.proposes_update(called(wrong))
    agree(everybody)


def test_successor_is_judged_by_all() -> None:
    alice, bob = gathering("Alice", "Bob", config=REGISTERED)

    class Anything(Registry):
        def is_successor(self, old: mls.Credential, new: mls.Credential) -> bool:
            return True

    config = replace(PLAIN, authentication=Anything())
    alice.kept = mls.Group.from_bytes(bytes(alice.group.to_bytes()), config=config)
    message = alice.proposes_update(called("Bob"))
    for attempt in (message, alice.stages(new_leaf=called("Bob")).message):
        with pytest.raises(mls.InvalidMessage) as caught:
            bob.receives(attempt)
        assert caught.value.rule == 24


def test_one_client_once() -> None:
    """Another name of the same client is the same client (section 12.2)."""
    alice, _ = gathering("Alice", "Bob", config=REGISTERED)
    again = Person("Bob/7", config=REGISTERED)
    with pytest.raises(mls.UsageError):
        alice.stages(mls.Add(again.key_package()))
    twice = [Person(name, config=REGISTERED) for name in ("Carol/1", "Carol/2")]
    with pytest.raises(mls.UsageError):
        alice.stages(*(mls.Add(one.key_package()) for one in twice))


def test_resync_under_a_newer_name() -> None:
    class Door(mls.Policy):
        def allows_proposal(self, view: mls.EpochView, sent: mls.SentProposal) -> bool:
            return True

        def allows_commit(self, *_: object) -> bool:
            return True

    config = replace(REGISTERED, policy=Door())
    alice, bob = gathering("Alice", "Bob", config=config)
    again = Person("Bob/1", config=config)
    staged = again.joins_from_outside(alice.group.group_info(external_pub=True), resync=bob.leaf)
    alice.follows(staged.message)
    agree([alice, again])


# -- new keys under the same name ------------------------------------------------------------------


@pytest.mark.parametrize("private", [False, True])
def test_new_signature_key(private: bool) -> None:
    """By a commit of one's own, and by an update that somebody else commits."""
    everybody = gathering(
        "Alice", "Bob", "Carol", config=replace(PLAIN, private_handshakes=private)
    )
    alice, bob, carol = everybody
    first = mls.NewLeaf(signature_key=mls.new_signature_key(1, entropy=alice.entropy))
    all_follow(alice.commits(new_leaf=first).message, [bob, carol])
    agree(everybody)
    second = mls.NewLeaf(signature_key=mls.new_signature_key(1, entropy=alice.entropy))
    all_note(alice.proposes_update(second), [bob, carol])
    alice.restarts()  # the new key waits in the saved state
    all_follow(bob.commits().message, [alice, carol])
    alice.restarts()
    agree(everybody)
    assert second.signature_key is not None
    assert alice.group.own_leaf.signature_key == second.signature_key.public
    everyone_commits(everybody)


def test_new_signature_key_that_loses_its_race() -> None:
    alice, bob = gathering("Alice", "Bob")
    key = mls.new_signature_key(1, entropy=alice.entropy)
    old = alice.group.own_leaf.signature_key
    alice.stages(new_leaf=mls.NewLeaf(signature_key=key))
    alice.follows(bob.commits().message)
    assert alice.group.own_leaf.signature_key == old
    agree([alice, bob])


def test_signature_key_of_somebody_else() -> None:
    """No two members have one key (section 7.3)."""
    alice, bob = gathering("Alice", "Bob")
    with pytest.raises(mls.UsageError):
        alice.stages(new_leaf=mls.NewLeaf(signature_key=bob.key))
    with pytest.raises(mls.UsageError):
        alice.stages(mls.Add(Person("Carol", key=bob.key).key_package()))
    # A waiting update with it is noticed when it would be committed, and left out.
    all_note(alice.proposes_update(mls.NewLeaf(signature_key=bob.key)), [bob])
    assert alice.follows(bob.commits().message).proposals == ()
    agree([alice, bob])


def test_new_capabilities_and_leaf_extensions() -> None:
    alice, bob = gathering("Alice", "Bob")
    extension = mls.Extension(0xF123, b"my colour")
    able = replace(alice.group.own_leaf.capabilities, extensions=(*mls.ExtensionType, 0xF123)[5:])
    with pytest.raises(mls.UsageError):
        alice.stages(new_leaf=mls.NewLeaf(extensions=(extension,)))
    changed = mls.NewLeaf(capabilities=able, extensions=(extension,))
    bob.follows(alice.commits(new_leaf=changed).message)
    leaf = bob.group.tree.leaf(0)
    assert leaf is not None and leaf.extensions == (extension,)
    # An update that says nothing about them keeps them.
    bob.notes(alice.proposes_update())
    alice.follows(bob.commits().message)
    assert alice.group.own_leaf.extensions == (extension,)
    agree([alice, bob])
