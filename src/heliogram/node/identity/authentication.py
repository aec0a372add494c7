"""Who judges credentials for MLS (RFC 9420, section 5.3.1): device certificates, and nothing else.

Every member must come to the same answer, or the group parts. So the answers follow from the credentials
alone: not from lists of devices, which members may know in different versions, and not from the clock. A
device that was revoked is removed by a commit; until then it is a member.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from heliogram.mls import BasicCredential, Credential
from heliogram.node.errors import InvalidIdentity
from heliogram.node.identity.devices import DeviceCertificate


def credential_of(certificate: DeviceCertificate) -> BasicCredential:
    """The MLS credential of a device."""
    return BasicCredential(certificate.encode())


def certificate_of(credential: Credential) -> DeviceCertificate | None:
    """The certificate in a credential; None if there is none that counts."""
    if not isinstance(credential, BasicCredential):
        return None
    try:
        return DeviceCertificate.from_bytes(credential.identity)
    except InvalidIdentity:
        return None


@dataclass(frozen=True, slots=True)
class DeviceAuthentication:
    """Accepts devices with a good certificate, for `mls.Config.authentication`.

    `expected`, if given, are ids of accounts: whose key packages are taken through a contact link must be the
    account of that link.
    """

    expected: frozenset[bytes] | None = field(default=None, repr=False)

    def accepts(self, credential: Credential, signature_key: bytes, *, now: int) -> bool:
        """Whether the certificate counts, is for this very key, and of an expected account."""
        certificate = certificate_of(credential)
        if certificate is None or certificate.device_key != signature_key:
            return False
        return self.expected is None or certificate.account in self.expected

    def is_successor(self, old: Credential, new: Credential) -> bool:
        """Whether both are of one device of one account, and the new one is not older."""
        before, after = certificate_of(old), certificate_of(new)
        if before is None or after is None:
            return False
        same = before.account_key == after.account_key and before.device_id == after.device_id
        return same and after.created >= before.created

    def client(self, credential: Credential) -> bytes:
        """Account and device id: a device is in a group once, whatever key it has."""
        # Asked only for what was accepted, and for each leaf of a tree: the signature was checked before.
        if isinstance(credential, BasicCredential):
            try:
                certificate = DeviceCertificate.unverified(credential.identity)
            except InvalidIdentity:
                pass
            else:
                return certificate.account_key + certificate.device_id
        return credential.encode()
