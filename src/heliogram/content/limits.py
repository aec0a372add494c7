"""How large and how deep messages may be. `docs/content.md` prints this table; a test compares."""

from __future__ import annotations

#: Octets of a message's salt, and of a message id.
SALT_SIZE = 16
ID_SIZE = 32

#: Bytes of one encoded message or report. With its seal it fits into an entry of the log.
MAX_MESSAGE = 56 << 10

#: Bytes of a topic id, of a sender's or a room's URI (draft, 9.1; 3.3).
MAX_TOPIC = 4096
MAX_URI = 4096

#: Parts of a message, counted with those that hold others, and how deep they may nest (9.1).
MAX_PARTS = 1024
MAX_PART_DEPTH = 4

#: Containers inside one another in extensions, the map of extensions itself being the first (6.2).
MAX_EXTENSION_DEPTH = 4

#: Extensions of one message, bytes of a key that is text, and the largest key that is a number.
MAX_EXTENSIONS = 64
MAX_EXTENSION_KEY = 255
MAX_EXTENSION_NUMBER = (1 << 53) - 1

#: Seconds between now and a message's end, either way (9.1).
MAX_EXPIRY = 366 * 24 * 3600

#: Messages that one report tells about.
MAX_STATUSES = 1024

#: Parameters of a media type.
MAX_PARAMETERS = 16

#: Emoji in one reaction that we send, and bytes of each: some are long.
MAX_EMOJI = 16
MAX_EMOJI_SIZE = 64

#: Polls: bytes of the question and of an option, how many options.
MAX_QUESTION = 1024
MAX_OPTION = 256
MAX_OPTIONS = 32

#: Bot keyboards: rows, buttons in a row, bytes of a label, and of what a button sends or opens.
MAX_ROWS = 32
MAX_ROW = 8
MAX_LABEL = 256
MAX_BUTTON = 1024
