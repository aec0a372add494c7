"""What an owner sets is in force at once, and stays."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.archive.backup import restore
from heliogram.node.profile.directory import Directory
from tests.browser.kit import PHRASE, Friend, People, Person
from tests.browser.test_people import confirms
from tests.node.network.socks import Socks, proxying
from tests.relay.process import RelayProcess


def goes(person: Person, section: str) -> None:
    """Open a section of the settings."""
    person.clicks(person.page.locator(f"[data-section={section}]"))
    person.sees(person.page.locator(f".settings-section[data-section-shown={section}]"))


def test_language_and_look(anna: Person) -> None:
    anna.presses("Control+,")
    goes(anna, "look")
    anna.do(anna.page.get_by_label("Language", exact=True).select_option("ru"))
    anna.sees(anna.page.get_by_role("heading", name="Вид и язык"))
    assert anna.do(anna.page.evaluate("document.documentElement.lang")) == "ru"
    anna.do(anna.page.get_by_label("Язык", exact=True).select_option("en"))
    anna.sees(anna.page.get_by_role("heading", name="Look and language"))
    anna.do(anna.page.get_by_label("Dark").check())
    anna.sees(anna.page.locator("html[data-theme=dark]"))
    # It is the node's to keep: another window has it, too.
    anna.opens()
    anna.sees(anna.page.locator("html[data-theme=dark]"))


def test_a_relay_is_added_and_removed(people: People) -> None:
    anna = people.newcomer("Anna").settles()
    gone = anna.ask(api.GetRelays())[0].relay
    anna.ask(api.RemoveRelay(gone.key))
    anna.opens()
    anna.sees(anna.page.get_by_role("navigation", name="Chats"))
    anna.presses("Control+,")
    goes(anna, "relays")
    anna.sees("3 relays, 2 decide: none may lie, 1 may be away.")
    address = next(one for one in anna.town.addresses if gone.key in one)
    anna.fills(anna.page.locator(".settings-section input"), "wss://nowhere.example")
    anna.clicks(anna.page.get_by_role("button", name="Add", exact=True))
    anna.sees(anna.page.get_by_role("alert").filter(has_text="address"))
    anna.fills(anna.page.locator(".settings-section input"), address)
    anna.clicks(anna.page.get_by_role("button", name="Add", exact=True))
    row = anna.page.locator(f'[data-relay="{gone.name}"]')
    anna.sees(row.locator("[data-state=up]"))
    anna.sees("4 relays, 3 decide: 1 may lie, 1 may be away.")
    anna.clicks(row.get_by_role("button", name="Remove"))
    confirms(anna, "Remove", over=1)
    anna.misses(row)


def test_words_and_passphrase(anna: Person) -> None:
    """On a telephone: one section at a time."""
    anna.narrow()
    anna.presses("Control+,")
    goes(anna, "recovery")
    anna.fills("Passphrase", "not the passphrase")
    anna.clicks("Show words")
    anna.sees(anna.page.get_by_role("alert").filter(has_text="passphrase"))
    anna.fills("Passphrase", PHRASE)
    anna.clicks("Show words")
    anna.sees(anna.page.locator(".recovery-words li").nth(23))
    anna.clicks("Back")
    goes(anna, "passphrase")
    anna.fills("Passphrase until now", PHRASE)
    anna.fills("New passphrase", "another horse")
    anna.fills("The new one again", "another house")
    anna.clicks("Change passphrase")
    anna.sees("The two new ones are not the same.")
    anna.fills("The new one again", "another horse")
    anna.clicks("Change passphrase")
    anna.sees(anna.page.locator(".settings").get_by_text("The passphrase is changed."))
    anna.clicks("Back")
    goes(anna, "privacy")
    anna.clicks("Lock now")
    anna.fills("Passphrase", "another horse")
    anna.clicks("Unlock")
    anna.sees(anna.page.get_by_role("navigation", name="Chats"))


def test_backup_and_export_say_where_they_lie(anna: Person, ben: Friend, tmp_path: Path) -> None:
    anna.tells("Ben", "the bread is ready")
    anna.presses("Control+,")
    goes(anna, "storage")
    anna.sees(anna.page.locator(".settings").get_by_text("Database"))
    anna.clicks("Make a backup")
    backup = written(anna, "backup")
    assert "bread" not in backup.read_bytes().decode("latin-1")
    again = Directory(tmp_path / "again")
    restore(backup, again, Secret(PHRASE.encode()), time=0, entropy=os.urandom)
    assert again.exists
    anna.clicks(anna.page.locator(".settings").get_by_role("button", name="Export"))
    anna.sees("Everything lies there readable")
    confirms(anna, "Export", over=1)
    export = written(anna, "export")
    assert any("the bread is ready" in one.read_text() for one in export.rglob("*.html"))
    assert {one.parent for one in (backup, export)} == {anna.downloads}


def written(person: Person, what: str) -> Path:
    """Where something was written."""
    text = person.do(person.page.locator(f"[data-written={what}]").text_content())
    return Path(text or "")


def test_a_proxy_is_set_and_tried(anna: Person) -> None:
    shown = anna.page.locator(".settings-section [role=status]").first
    save = anna.page.locator(".settings").get_by_role("button", name="Save")
    socks = Socks(straight=True)
    around = proxying(socks)
    anna.do(around.__aenter__())
    try:
        anna.presses("Control+,")
        goes(anna, "network")
        for address, says in (
            ("http://proxy.example", "This is no proxy."),
            ("socks5://127.0.0.1:1", "No relay can be reached through the proxy."),
            (str(socks.proxy), "A proxy is used. 4 of 4 relays answer."),
        ):
            anna.fills("Address of the proxy", address)
            anna.clicks(save)
            anna.sees(anna.page.locator(".settings-section").get_by_text(says))
        assert {f"{host}:{port}" for _, _, host, port in socks.asked} >= {
            one.where for one in anna.town.relays
        }
        anna.clicks("Connect directly")
        confirms(anna, "Connect directly", over=1)
        anna.sees(shown.get_by_text("No proxy: relays see your address. 4 of 4 relays answer."))
    finally:
        anna.do(around.__aexit__(None, None, None))


def test_a_relay_with_a_certificate_of_its_own(anna: Person, tmp_path: Path) -> None:
    certificate, key = made_certificate(tmp_path)
    tls = {"tls_cert": str(certificate), "tls_key": str(key)}
    relay = RelayProcess(tmp_path / "relay", settings=tls)
    relay.start()
    try:
        anna.presses("Control+,")
        goes(anna, "relays")
        address = f"wss://{relay.where}/ws#{relay.key.hex()}"
        anna.fills(anna.page.locator(".settings-section input"), address)
        anna.clicks(anna.page.get_by_role("button", name="Add", exact=True))
        row = anna.page.locator(f'[data-relay="{relay.where}"]')
        anna.sees(row.get_by_text("Its certificate is not trusted here"))
        goes(anna, "network")
        upload = anna.page.locator(".settings-section input[type=file]")
        anna.do(upload.set_input_files(key))
        anna.sees("There are no certificates in this file")
        anna.do(upload.set_input_files(certificate))
        anna.sees("Certificates of your own are trusted, too.")
        goes(anna, "relays")
        anna.clicks("Check all")
        anna.sees(row.locator("[data-state=up]"))
        relay.kill()
        anna.clicks("Check all")
        anna.sees(row.get_by_text("Does not answer"))
        anna.clicks(row.get_by_role("button", name="Remove"))
        confirms(anna, "Remove", over=1)
        anna.misses(row)
        goes(anna, "network")
        anna.clicks("Forget certificates")
        confirms(anna, "Forget", over=1)
        anna.sees("Only certificates that this system trusts.")
    finally:
        if relay.running:
            relay.kill()


def made_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that nobody else has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a relay")])
    now = datetime.now(UTC)
    here = x509.IPAddress(ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    files[1].chmod(0o600)
    return files
