"""How large things may be. Every bound of the protocol stands here, once.

`docs/protocol.md` prints this table; a test compares. A relay may set lower limits of its own and says
so in its greeting; nobody may set higher ones.
"""

from __future__ import annotations

#: A digest (SHA-256), an Ed25519 public key, a nonce, an id.
HASH_SIZE = 32
KEY_SIZE = 32
NONCE_SIZE = 32
SIGNATURE_SIZE = 64

#: Bytes of one WebSocket message. The largest is a LOCK: a value and what justifies it.
MAX_FRAME = 384 << 10

#: The least that a relay must take: a whole LOCK, an entry of the largest size bucket.
MIN_FRAME = 320 << 10
MIN_ENTRY = 20 << 10

#: Bytes of a value's body: an MLS commit and the wrapped Welcome. Larger Welcomes go as blobs.
MAX_BODY = 256 << 10

#: Bytes of a value's header: the next configuration and a key for each of its relays.
MAX_HEADER = 24 << 10

#: Bytes of a whole encoded value: header and body with their lengths.
MAX_VALUE = MAX_HEADER + MAX_BODY + 8

#: Relays of one configuration.
MAX_RELAYS = 16

#: Endpoints of one relay, and bytes of each.
MAX_ENDPOINTS = 4
MAX_ENDPOINT = 256

#: Bytes of an encoded configuration, a certificate, a promise, a justification.
MAX_CONFIGURATION = 20 << 10
MAX_CERTIFICATE = 2 << 10
MAX_JUSTIFICATION = MAX_RELAYS * (MAX_CERTIFICATE + 128)

#: The first epoch of an instance at most: later ones must still have a number.
MAX_FIRST_EPOCH = 1 << 62

#: How far NEWROUND may go beyond the last promise.
MAX_ROUND_STEP = 1000

#: Bytes of one posted entry, and of one in the grace lane.
MAX_ENTRY = 64 << 10
MAX_GRACE_ENTRY = 16 << 10

#: Entries of the grace lane in one epoch.
MAX_GRACE_ENTRIES = 64

#: Indices of one life of a log at one relay: after a fence the next one begins.
LIFE = 1 << 32

#: Leaves of one receipt tree, and so hashes in a path.
MAX_BATCH = 1 << 16
MAX_PATH = 16

#: Bytes of an encoded receipt, of evidence for a position, of a signed status.
MAX_RECEIPT = 1 << 10
MAX_EVIDENCE = 4 << 10
MAX_STATUS = 1 << 8

#: Items in one answer, and bytes of their contents together (one item always fits).
MAX_PAGE_ITEMS = 1000
MAX_PAGE = 256 << 10

#: Requests of one connection that wait for an answer.
MAX_PENDING = 64

#: Channels of one connection: their numbers take one byte each.
MAX_CHANNELS = 128

#: Broken frames of one connection that are answered; the next one ends it.
MAX_FAULTS = 16

#: Protocol versions in one hello.
MAX_VERSIONS = 16

#: Bytes of an encoded greeting.
MAX_GREETING = 1 << 10

#: Link keys of one inbox, items that wait in it, bytes of one item.
MAX_LINKS = 64
MAX_INBOX_ITEMS = 50
MAX_INBOX_ITEM = 64 << 10

#: Key packages of one inbox, of one PACKAGES_PUT, and bytes of each.
MAX_PACKAGES = 200
MAX_PACKAGES_PUT = 16
MAX_PACKAGE = 16 << 10

#: Devices with key packages in one pool, so that one of each fits into an answer, and bytes of their ids.
MAX_DEVICES = 16
MAX_DEVICE = 32

#: Bytes of one blob, and days that it may ask to be kept.
MAX_BLOB = 4 << 30
MAX_BLOB_DAYS = 90

#: Bytes of a cell's value.
MAX_CELL = 64 << 10

#: Seconds of one proof-of-work window, and the hardest difficulty in bits that a client accepts.
WORK_WINDOW = 600
MAX_DIFFICULTY = 32
