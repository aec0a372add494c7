-- Everything that a relay keeps. `heliogram-relay disclose` prints from these tables and from nothing else,
-- and a test holds this file against the database.
--
-- Times are minutes (Unix time / 60) or days (Unix time / 86400), never finer. Numbers called `id` are local:
-- they appear nowhere outside of this file. Ids, keys, hashes and nonces have 32 bytes.

-- Whose database this is: one row, written when it is made. With another key it is not served.
CREATE TABLE relay (
    id INTEGER PRIMARY KEY CHECK (id = 1), -- local
    key BLOB NOT NULL                   -- the relay's public key
) STRICT;

-- Logs: one row for each instance that somebody opened.
CREATE TABLE logs (
    id INTEGER PRIMARY KEY,             -- local
    instance BLOB NOT NULL UNIQUE,      -- the id that clients use
    log BLOB NOT NULL,                  -- the log id in its configuration
    first INTEGER NOT NULL,             -- the epoch that it was opened with
    fell INTEGER NOT NULL,              -- 1: this relay is known to have fallen back here
    state BLOB NOT NULL                 -- slots.Log: who decides the open epoch, its keys, the fence
) STRICT;
CREATE INDEX logs_by_log ON logs (log, fell);

-- Where each log stands. Apart from `logs`, because it changes with every batch and must be small.
CREATE TABLE heads (
    log INTEGER PRIMARY KEY,            -- logs.id
    first_index INTEGER NOT NULL,       -- of the oldest entry that has not expired
    next_index INTEGER NOT NULL,        -- of the next entry
    chain BLOB NOT NULL,                -- before the next one
    bytes INTEGER NOT NULL,             -- of the entries that are kept
    day INTEGER NOT NULL                -- of the last entry or decision
) STRICT;
CREATE INDEX heads_by_day ON heads (day);

-- The epochs of each log: for late readers, and for the slots.
CREATE TABLE epochs (
    log INTEGER NOT NULL,               -- logs.id
    epoch INTEGER NOT NULL,             -- of this row
    seat BLOB NOT NULL,                 -- slots.seat
    key BLOB NOT NULL,                  -- of the epoch's members for this relay; empty if it has no seat
    grace INTEGER NOT NULL,             -- entries in the grace lane
    closed INTEGER NOT NULL,            -- the minute of its decision; 0 while it is open
    PRIMARY KEY (log, epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX epochs_by_closed ON epochs (closed) WHERE closed > 0;
CREATE INDEX epochs_by_seat ON epochs (seat);

-- Votes and decisions: one row for each seat, whichever log reaches it, so that nobody is voted for twice.
-- A row with an empty state is a tombstone: the decision has expired, and there is no vote any more.
CREATE TABLE slots (
    id INTEGER PRIMARY KEY,             -- local
    seat BLOB NOT NULL UNIQUE,          -- objects.Seat.id
    content BLOB NOT NULL,              -- objects.Seat
    state BLOB NOT NULL                 -- slots.Slot: votes, lock, values or the decision
) STRICT;

-- Posted ciphertext. New rows go to the end; that they are not ordered by log makes appending quick.
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,             -- local
    log INTEGER NOT NULL,               -- logs.id
    epoch INTEGER NOT NULL,             -- that it was posted to
    place INTEGER NOT NULL,             -- the index that clients see
    minute INTEGER NOT NULL,            -- of arrival
    tag INTEGER NOT NULL,               -- the first eight bytes of the entry's hash, to find it again
    chain BLOB NOT NULL,                -- after this entry
    data BLOB NOT NULL                  -- the ciphertext
) STRICT;
CREATE UNIQUE INDEX entries_by_place ON entries (log, epoch, place);
CREATE INDEX entries_by_tag ON entries (log, tag);

-- Inboxes: where strangers with a contact link can leave something.
CREATE TABLE inboxes (
    id INTEGER PRIMARY KEY,             -- local
    inbox BLOB NOT NULL UNIQUE,         -- the id that clients use
    owner BLOB NOT NULL,                -- the owner's key
    next_index INTEGER NOT NULL,        -- of the next item
    day INTEGER NOT NULL                -- of its owner's last request
) STRICT;
CREATE INDEX inboxes_by_day ON inboxes (day);

CREATE TABLE links (
    inbox INTEGER NOT NULL,             -- inboxes.id
    link BLOB NOT NULL,                 -- the link's public key
    posts INTEGER NOT NULL,             -- posts that are left; -1: any number
    takes INTEGER NOT NULL,             -- takings of key packages that are left; -1: any number
    PRIMARY KEY (inbox, link)
) STRICT, WITHOUT ROWID;

CREATE TABLE items (
    id INTEGER PRIMARY KEY,             -- local
    inbox INTEGER NOT NULL,             -- inboxes.id
    place INTEGER NOT NULL,             -- the index that the owner sees
    minute INTEGER NOT NULL,            -- of arrival
    tag INTEGER NOT NULL,               -- the first eight bytes of the item's hash, to find it again
    link BLOB NOT NULL,                 -- the link that it came by
    data BLOB NOT NULL                  -- the ciphertext
) STRICT;
CREATE UNIQUE INDEX items_by_place ON items (inbox, place);
CREATE INDEX items_by_minute ON items (minute);

-- Key packages that wait for strangers.
CREATE TABLE packages (
    id INTEGER PRIMARY KEY,             -- local
    inbox INTEGER NOT NULL,             -- inboxes.id
    device BLOB NOT NULL,               -- the id that its owner gave to the device
    last_resort INTEGER NOT NULL,       -- 1: may be given more than once
    tag INTEGER NOT NULL,               -- the first eight bytes of the package's hash
    data BLOB NOT NULL                  -- the key package
) STRICT;
CREATE INDEX packages_by_device ON packages (inbox, device, last_resort);

-- What was done for a stranger's statement, so that a repeated request is not done twice. Gone after the
-- statement's window of work.
CREATE TABLE posted (
    statement BLOB PRIMARY KEY,         -- SHA-256 of InboxPost
    minute INTEGER NOT NULL             -- of the request
) STRICT, WITHOUT ROWID;
CREATE INDEX posted_by_minute ON posted (minute);

CREATE TABLE taken (
    statement BLOB PRIMARY KEY,         -- SHA-256 of PackageTake
    minute INTEGER NOT NULL,            -- of the request
    packages BLOB NOT NULL              -- the answer's packages, in MessagePack
) STRICT;
CREATE INDEX taken_by_minute ON taken (minute);

-- Which one-time packages were given, for as long, so that none comes back by a repeated PACKAGES_PUT.
CREATE TABLE given (
    inbox INTEGER NOT NULL,             -- inboxes.id
    tag INTEGER NOT NULL,               -- packages.tag
    minute INTEGER NOT NULL,            -- of the request
    PRIMARY KEY (inbox, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX given_by_minute ON given (minute);

-- Blobs: the bytes are files of their own. One row for each announcement; those of the same blob share its file.
CREATE TABLE blobs (
    blob BLOB NOT NULL,                 -- SHA-256 of its bytes
    delete_hash BLOB NOT NULL,          -- of the secret that takes this announcement back
    size INTEGER NOT NULL,              -- in bytes
    stored INTEGER NOT NULL,            -- bytes that are on disk; all: its hash is right and it can be read
    expires INTEGER NOT NULL,           -- the minute when it goes, a midnight; 0: taken back
    touched INTEGER NOT NULL,           -- the minute of an upload's last part; 0 once all is there
    PRIMARY KEY (blob, delete_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX blobs_by_expiry ON blobs (expires);
CREATE INDEX blobs_to_read ON blobs (blob, expires) WHERE stored = size;
CREATE INDEX blobs_uploading ON blobs (touched) WHERE stored < size;

-- Cells: small values with a version, of which only the last is kept.
CREATE TABLE cells (
    cell BLOB PRIMARY KEY,              -- the id that clients use
    owner BLOB NOT NULL,                -- the owner's key
    version INTEGER NOT NULL,           -- how often it was written
    day INTEGER NOT NULL,               -- of the last request for it
    signature BLOB NOT NULL,            -- the owner's
    value BLOB NOT NULL                 -- the ciphertext
) STRICT;
CREATE INDEX cells_by_day ON cells (day);
