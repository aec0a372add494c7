-- Everything that a node keeps, one encrypted file a profile. Times are Unix seconds unless they say otherwise.
-- Version 2. A change of this file comes with a step in upgrades/.

-- What there is one of: the account's seed, our device, our inbox, the proxy. Values are msgpack.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- Relays for what we begin, in the order in which they were added.
CREATE TABLE relays (
    key         BLOB PRIMARY KEY,
    description BLOB NOT NULL,               -- an encoded RelayDescription
    added       INTEGER NOT NULL
);

-- What relays did that none may do, and the proof where there is one.
CREATE TABLE faults (
    relay BLOB NOT NULL,
    fault TEXT NOT NULL,                     -- the name of a Fault
    proof BLOB,
    time  INTEGER NOT NULL,
    PRIMARY KEY (relay, fault)
);

-- --- Conversations ---------------------------------------------------------------------------------

CREATE TABLE conversations (
    number      INTEGER PRIMARY KEY,
    id          BLOB NOT NULL UNIQUE,        -- the MLS group id
    kind        TEXT NOT NULL,               -- direct, group, self
    peer        BLOB,                        -- the other account, of a direct one
    name        TEXT NOT NULL DEFAULT '',    -- as all see it; of a direct one empty
    description TEXT NOT NULL DEFAULT '',
    picture     BLOB NOT NULL DEFAULT x'',
    expiry      INTEGER NOT NULL DEFAULT 0,
    relays      BLOB NOT NULL DEFAULT x'',   -- the encoded Configuration of the newest epoch that we follow
    phase       TEXT NOT NULL,               -- opening, open, wounded, dead, out
    created     INTEGER NOT NULL,
    reports     INTEGER NOT NULL DEFAULT 2,  -- whether we report what we read: 0 no, 1 yes, 2 as preferred
    pinned      INTEGER NOT NULL DEFAULT 0,
    muted       INTEGER NOT NULL DEFAULT 0,
    archived    INTEGER NOT NULL DEFAULT 0,
    draft       TEXT NOT NULL DEFAULT '',
    unread      INTEGER NOT NULL DEFAULT 0,  -- how many messages are: kept by triggers
    last        INTEGER,                     -- messages.number of the newest that is shown
    clock       INTEGER NOT NULL DEFAULT 0,  -- the latest `sent` that counts here, in milliseconds
    predecessor INTEGER REFERENCES conversations (number),
    successor   INTEGER REFERENCES conversations (number)
);

-- Successors that we founded: accounts that are not to come along, one after the other.
CREATE TABLE successions (
    conversation INTEGER PRIMARY KEY REFERENCES conversations (number) ON DELETE CASCADE,
    left_out     BLOB NOT NULL
);

-- Who is in, as of the newest epoch that we follow: for lists and names without loading the group.
CREATE TABLE members (
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    account      BLOB NOT NULL,
    role         INTEGER NOT NULL,
    devices      INTEGER NOT NULL,
    PRIMARY KEY (conversation, account)
) WITHOUT ROWID;

-- Conversations that somebody keeps together, in their order; here only.
CREATE TABLE folders (
    place INTEGER PRIMARY KEY,               -- from 0
    name  TEXT NOT NULL UNIQUE
);
CREATE TABLE filed (
    folder       INTEGER NOT NULL REFERENCES folders (place) ON DELETE CASCADE,
    place        INTEGER NOT NULL,           -- in its folder
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    PRIMARY KEY (folder, place),
    UNIQUE (conversation, folder)
) WITHOUT ROWID;

-- `Effects.records` of a Conversation.
CREATE TABLE records (
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    name         BLOB NOT NULL,
    value        BLOB NOT NULL,
    PRIMARY KEY (conversation, name)
) WITHOUT ROWID;

-- What a Log keeps of its own: cursors, vouchers, an election.
CREATE TABLE log_state (
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    name         BLOB NOT NULL,
    value        BLOB NOT NULL,
    PRIMARY KEY (conversation, name)
) WITHOUT ROWID;

-- Decisions, to bring relays level and to show the chain to others.
CREATE TABLE decisions (
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    epoch        INTEGER NOT NULL,
    decision     BLOB NOT NULL,
    time         INTEGER NOT NULL,
    PRIMARY KEY (conversation, epoch)
);

-- What is to be said, until all relays have it. `entry` is there once it was encrypted in `epoch`.
CREATE TABLE outbox (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    kind         TEXT NOT NULL,              -- a media type
    content      BLOB NOT NULL,
    message      INTEGER,                    -- messages.number, of what is shown
    created      INTEGER NOT NULL,
    held         INTEGER NOT NULL DEFAULT 0, -- its files are not on their relays yet
    epoch        INTEGER,
    entry        BLOB,
    grace        INTEGER NOT NULL DEFAULT 0,
    stored       INTEGER NOT NULL DEFAULT 0  -- a quorum has signed
);
CREATE INDEX outbox_of ON outbox (conversation, number);

-- What is to be said at its time. Its files are sealed already, so they may go where they lay.
CREATE TABLE scheduled (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    at           INTEGER NOT NULL,
    text         TEXT NOT NULL,
    reply_to     BLOB                        -- a message's id
);
CREATE INDEX scheduled_next ON scheduled (at, number);

CREATE TABLE scheduled_files (
    scheduled    INTEGER NOT NULL REFERENCES scheduled (number) ON DELETE CASCADE,
    place        INTEGER NOT NULL,
    key          BLOB NOT NULL,
    size         INTEGER NOT NULL,
    plain        BLOB NOT NULL,
    blob         BLOB NOT NULL,
    name         TEXT NOT NULL,
    content_type TEXT NOT NULL,
    inline       INTEGER NOT NULL,
    duration     REAL,
    thumbnail    BLOB NOT NULL,
    spool        TEXT NOT NULL,              -- the name of the sealed copy
    path         TEXT,
    PRIMARY KEY (scheduled, place)
) WITHOUT ROWID;

-- What each relay saw of what we said.
CREATE TABLE traces (
    message INTEGER NOT NULL,
    relay   BLOB NOT NULL,
    what    TEXT NOT NULL,                   -- post, closed, blob
    size    INTEGER NOT NULL,                -- bytes of the frame
    minute  INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    stored  INTEGER NOT NULL
);
CREATE INDEX traces_of ON traces (message);

-- Changes that somebody here wants: done, or told as failed.
CREATE TABLE wishes (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    command      TEXT NOT NULL,              -- the tag of the command that it came from
    wish         BLOB NOT NULL,
    created      INTEGER NOT NULL
);

-- --- Messages --------------------------------------------------------------------------------------

CREATE TABLE messages (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    sent         INTEGER NOT NULL,           -- milliseconds, the sender's hybrid clock: the order of all
    id           BLOB,                       -- 32 bytes; NULL for a line of history
    sender       BLOB,                       -- account
    device       BLOB,
    mine         INTEGER NOT NULL,
    kind         TEXT NOT NULL,              -- as in api.Message
    text         TEXT NOT NULL,
    content      BLOB,                       -- the message's bytes as they came, newest version
    received     INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    reply_to     BLOB,
    state        TEXT NOT NULL,              -- as in api.Message; of others': received, then read
    edited       INTEGER NOT NULL DEFAULT 0, -- `sent` of the newest edit
    version      BLOB,                       -- the id of that edit
    files        INTEGER NOT NULL DEFAULT 0, -- how many
    expires      INTEGER,                    -- when it goes, once that is known
    event        TEXT NOT NULL DEFAULT '',   -- of a line: what happened, as in `api.LineCode`
    data         BLOB,                       -- of a line: msgpack of the engine's `Facts`
    words        TEXT,                       -- what is searched, where that is not `text`
    facets       TEXT NOT NULL DEFAULT '',   -- for filters: words.py. Empty for what is not searched
    origin       BLOB,                       -- where it was forwarded from: the extension's bytes
    media        INTEGER NOT NULL DEFAULT 0  -- what it has: 1 pictures, 2 files, 4 voice notes, 8 links
);
CREATE INDEX messages_in_order ON messages (conversation, sent, ifnull(id, x''), number);
CREATE UNIQUE INDEX messages_by_id ON messages (id, conversation) WHERE id IS NOT NULL;
CREATE INDEX messages_to_go ON messages (expires) WHERE expires IS NOT NULL;
CREATE INDEX messages_unread ON messages (conversation, sent, ifnull(id, x''), number)
    WHERE mine = 0 AND state = 'received' AND id IS NOT NULL;

CREATE INDEX messages_pictures ON messages (conversation, sent, ifnull(id, x''), number) WHERE media & 1;
CREATE INDEX messages_files ON messages (conversation, sent, ifnull(id, x''), number) WHERE media & 2;
CREATE INDEX messages_voice ON messages (conversation, sent, ifnull(id, x''), number) WHERE media & 4;
CREATE INDEX messages_links ON messages (conversation, sent, ifnull(id, x''), number) WHERE media & 8;

-- How many messages and lines there are in a time, to find the one at a position without counting all before
-- it: kept by triggers. `level` 1: `block` is `sent` / 2^20 (17 minutes); 2: / 2^32 (50 days).
CREATE TABLE places (
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    level        INTEGER NOT NULL,
    block        INTEGER NOT NULL,
    many         INTEGER NOT NULL,
    PRIMARY KEY (conversation, level, block)
) WITHOUT ROWID;
CREATE TRIGGER place_added AFTER INSERT ON messages BEGIN
    INSERT INTO places VALUES (new.conversation, 1, new.sent >> 20, 1), (new.conversation, 2, new.sent >> 32, 1)
        ON CONFLICT DO UPDATE SET many = many + 1;
END;
CREATE TRIGGER place_removed AFTER DELETE ON messages BEGIN
    UPDATE places SET many = many - 1 WHERE conversation = old.conversation
        AND (level = 1 AND block = old.sent >> 20 OR level = 2 AND block = old.sent >> 32);
    DELETE FROM places WHERE conversation = old.conversation AND many = 0
        AND (level = 1 AND block = old.sent >> 20 OR level = 2 AND block = old.sent >> 32);
END;
CREATE TRIGGER place_changed AFTER UPDATE OF conversation, sent ON messages BEGIN
    UPDATE places SET many = many - 1 WHERE conversation = old.conversation
        AND (level = 1 AND block = old.sent >> 20 OR level = 2 AND block = old.sent >> 32);
    INSERT INTO places VALUES (new.conversation, 1, new.sent >> 20, 1), (new.conversation, 2, new.sent >> 32, 1)
        ON CONFLICT DO UPDATE SET many = many + 1;
    DELETE FROM places WHERE conversation = old.conversation AND many = 0
        AND (level = 1 AND block = old.sent >> 20 OR level = 2 AND block = old.sent >> 32);
END;

-- `conversations.unread`, counted as it goes: what others said that nobody has seen here.
CREATE TRIGGER unread_added AFTER INSERT ON messages
WHEN new.mine = 0 AND new.state = 'received' AND new.id IS NOT NULL BEGIN
    UPDATE conversations SET unread = unread + 1 WHERE number = new.conversation;
END;
CREATE TRIGGER unread_removed AFTER DELETE ON messages
WHEN old.mine = 0 AND old.state = 'received' AND old.id IS NOT NULL BEGIN
    UPDATE conversations SET unread = unread - 1 WHERE number = old.conversation;
END;
CREATE TRIGGER unread_changed AFTER UPDATE OF state, conversation, mine, id ON messages BEGIN
    UPDATE conversations SET unread = unread - 1
        WHERE number = old.conversation AND old.mine = 0 AND old.state = 'received' AND old.id IS NOT NULL;
    UPDATE conversations SET unread = unread + 1
        WHERE number = new.conversation AND new.mine = 0 AND new.state = 'received' AND new.id IS NOT NULL;
END;

-- What was here and is gone, by its id alone. Whoever said it says it again where an epoch closed on them,
-- also long after: it is not shown a second time.
CREATE TABLE gone (
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    id           BLOB NOT NULL,
    PRIMARY KEY (conversation, id)
) WITHOUT ROWID;

-- Edits by their own ids: who answers an edited message names one of them.
CREATE TABLE versions (
    id           BLOB NOT NULL,
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    message      INTEGER NOT NULL REFERENCES messages (number) ON DELETE CASCADE,
    PRIMARY KEY (id, conversation)
) WITHOUT ROWID;
CREATE INDEX versions_of ON versions (message);

-- What a decision changed, until a quorum holds it: only then it is shown.
CREATE TABLE unstable (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    epoch        INTEGER NOT NULL,
    event        TEXT NOT NULL,
    data         BLOB NOT NULL               -- as in `messages`
);
CREATE INDEX unstable_of ON unstable (conversation, epoch);

-- Edits, deletions, reactions, votes and pins whose message has not come yet.
CREATE TABLE early (
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    target       BLOB NOT NULL,
    id           BLOB NOT NULL,
    sender       BLOB NOT NULL,
    content      BLOB NOT NULL,
    sent         INTEGER NOT NULL,
    received     INTEGER NOT NULL,
    PRIMARY KEY (conversation, target, id)
) WITHOUT ROWID;

CREATE TABLE reactions (
    message INTEGER NOT NULL REFERENCES messages (number) ON DELETE CASCADE,
    sender  BLOB NOT NULL,
    id      BLOB NOT NULL,                   -- of the message that reacts
    emoji   TEXT NOT NULL,                   -- empty once it was taken back
    content BLOB NOT NULL,                   -- its bytes: what takes it back copies from them
    sent    INTEGER NOT NULL,
    PRIMARY KEY (message, sender, id)
) WITHOUT ROWID;
CREATE INDEX reactions_by_id ON reactions (id);

-- What people chose in polls: of each person what they chose last, also if that is nothing.
CREATE TABLE votes (
    message INTEGER NOT NULL REFERENCES messages (number) ON DELETE CASCADE,
    sender  BLOB NOT NULL,
    target  BLOB NOT NULL,                   -- the version of the poll that they saw
    options BLOB NOT NULL,                   -- one byte each
    sent    INTEGER NOT NULL,
    id      BLOB NOT NULL,
    PRIMARY KEY (message, sender)
) WITHOUT ROWID;

-- Whether a message is pinned for all: the newest word of somebody who may say so.
CREATE TABLE pins (
    message      INTEGER PRIMARY KEY REFERENCES messages (number) ON DELETE CASCADE,
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    pinned       INTEGER NOT NULL,
    sent         INTEGER NOT NULL,
    id           BLOB NOT NULL
);
CREATE INDEX pins_of ON pins (conversation, sent) WHERE pinned;

-- Who is admin or owner, from an epoch on: what somebody says late is judged by its own epoch.
CREATE TABLE admins (
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    epoch        INTEGER NOT NULL,
    accounts     BLOB NOT NULL,              -- one after the other
    PRIMARY KEY (conversation, epoch)
) WITHOUT ROWID;

-- What others reported of messages of ours.
CREATE TABLE reports (
    message INTEGER NOT NULL REFERENCES messages (number) ON DELETE CASCADE,
    account BLOB NOT NULL,
    status  INTEGER NOT NULL,
    time    INTEGER NOT NULL,
    PRIMARY KEY (message, account)
) WITHOUT ROWID;

-- What we have to report and have not yet.
CREATE TABLE owed (
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    id           BLOB NOT NULL,
    status       INTEGER NOT NULL,
    PRIMARY KEY (conversation, id)
) WITHOUT ROWID;

-- Words of messages. It keeps no text of its own: to forget a message it must be told its words, and the
-- triggers do that wherever a message goes.
CREATE VIRTUAL TABLE search USING fts5 (
    text,
    content = '',
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co So'",
    prefix = '1 2 3'
);
-- What is deleted leaves the index at once, not when its segments are merged some day.
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER messages_added AFTER INSERT ON messages WHEN new.facets <> '' BEGIN
    INSERT INTO search (rowid, text)
        VALUES (new.number, coalesce(new.words, new.text) || ' ' || new.facets);
END;
CREATE TRIGGER messages_removed AFTER DELETE ON messages WHEN old.facets <> '' BEGIN
    INSERT INTO search (search, rowid, text)
        VALUES ('delete', old.number, coalesce(old.words, old.text) || ' ' || old.facets);
END;
CREATE TRIGGER messages_changed AFTER UPDATE OF number, text, words, facets ON messages BEGIN
    INSERT INTO search (search, rowid, text)
        SELECT 'delete', old.number, coalesce(old.words, old.text) || ' ' || old.facets WHERE old.facets <> '';
    INSERT INTO search (rowid, text)
        SELECT new.number, coalesce(new.words, new.text) || ' ' || new.facets WHERE new.facets <> '';
END;

-- --- Files -----------------------------------------------------------------------------------------

CREATE TABLE files (
    message      INTEGER NOT NULL REFERENCES messages (number) ON DELETE CASCADE,
    place        INTEGER NOT NULL,           -- which file of the message, from 0
    blob         BLOB NOT NULL,              -- its id: SHA-256 of the sealed file
    key          BLOB NOT NULL,
    plain        BLOB NOT NULL,              -- SHA-256 of the file
    name         TEXT NOT NULL,              -- safe, and as it is shown
    content_type TEXT NOT NULL,              -- as its sender says; once it is here, as its bytes say
    size         INTEGER NOT NULL,           -- of the plaintext
    inline       INTEGER NOT NULL DEFAULT 0,
    duration     REAL,
    thumbnail    BLOB,
    state        TEXT NOT NULL,              -- as in api.FileInfo
    doubt        TEXT NOT NULL DEFAULT '',   -- as in api.FileInfo
    trouble      TEXT NOT NULL DEFAULT '',   -- why it does not move: an error's code
    relays       BLOB NOT NULL,              -- the encoded Configuration of the time when it was sent
    spool        TEXT,                       -- the name of a sealed copy
    kept         INTEGER,                    -- since when that copy stays, or that it is to stay; NULL: it does not
    directory    TEXT NOT NULL DEFAULT '',   -- where to save it
    path         TEXT,                       -- where the opened copy lies
    seed         BLOB,                       -- of ours: what secrets are made from that delete it at relays
    stored       BLOB NOT NULL DEFAULT x'',  -- keys of relays that have all of it, one after the other
    created      INTEGER NOT NULL,
    expires      INTEGER,
    PRIMARY KEY (message, place)
);
CREATE INDEX files_moving ON files (state) WHERE state IN ('sending', 'downloading');
CREATE INDEX files_spooled ON files (spool) WHERE spool IS NOT NULL;
CREATE INDEX files_kept ON files (kept) WHERE kept IS NOT NULL;

-- Pictures of groups: those that their metadata name, and one that goes up to be named.
CREATE TABLE pictures (
    conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
    reference    BLOB NOT NULL,              -- as in the metadata
    state        TEXT NOT NULL,              -- sending, wished, coming, here, refused
    data         BLOB,                       -- the WebP, once it is here
    seed         BLOB NOT NULL,              -- what secrets are made from that delete it at relays
    PRIMARY KEY (conversation, reference)
);
CREATE INDEX pictures_moving ON pictures (state) WHERE state IN ('sending', 'coming');

-- Blobs of ours that relays are to delete before their time.
CREATE TABLE takebacks (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    blob    BLOB NOT NULL,
    relay   BLOB NOT NULL,                   -- an encoded RelayDescription
    secret  BLOB NOT NULL,
    circuit BLOB NOT NULL,
    created INTEGER NOT NULL
);

-- --- People ----------------------------------------------------------------------------------------

-- How accounts introduced themselves, and their newest list of devices.
CREATE TABLE names (
    account BLOB PRIMARY KEY,
    name    TEXT NOT NULL,
    devices BLOB,                            -- an encoded DeviceList
    named   INTEGER NOT NULL DEFAULT 0,      -- since when they are called so, as their card says
    listed  INTEGER NOT NULL DEFAULT 0       -- when they made the newest card that has this list
) WITHOUT ROWID;

CREATE TABLE contacts (
    account      BLOB PRIMARY KEY,
    name         TEXT NOT NULL,              -- what we call them
    verified     INTEGER NOT NULL DEFAULT 0,
    blocked      INTEGER NOT NULL DEFAULT 0,
    link         BLOB,                       -- the encoded ContactLink that leads to them
    given        INTEGER REFERENCES links (number), -- the link of ours that they were given
    conversation INTEGER REFERENCES conversations (number),
    state        TEXT NOT NULL,              -- as in api.Contact
    trouble      TEXT NOT NULL DEFAULT '',
    added        INTEGER NOT NULL,
    linked       INTEGER NOT NULL DEFAULT 0  -- when they made the newest card that has a link
);

-- Links that lead to us. `state`: here, used (a one-time link that somebody came by), gone.
CREATE TABLE links (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    secret   BLOB NOT NULL UNIQUE,
    public   BLOB NOT NULL UNIQUE,           -- the link's key, as relays know it
    one_time INTEGER NOT NULL,
    personal INTEGER NOT NULL,               -- made for contacts, not to be given around
    name     TEXT NOT NULL,
    account  BLOB,                           -- whom it was made for first
    state    TEXT NOT NULL,
    created  INTEGER NOT NULL
);

-- Relays that have our inbox or shall have it. They stay when a relay is no longer in our list.
CREATE TABLE inboxes (
    relay       BLOB PRIMARY KEY,
    description BLOB NOT NULL,               -- an encoded InboxRelay
    opened      INTEGER NOT NULL DEFAULT 0,
    filled      INTEGER                      -- the period of the schedule that it was last filled in
) WITHOUT ROWID;

-- Which relay knows which link.
CREATE TABLE link_places (
    relay BLOB NOT NULL REFERENCES inboxes (relay) ON DELETE CASCADE,
    link  BLOB NOT NULL,                     -- links.public
    PRIMARY KEY (relay, link)
) WITHOUT ROWID;

CREATE TABLE requests (
    id       BLOB PRIMARY KEY,               -- SHA-256 of the opened invitation
    item     BLOB NOT NULL,                  -- the encoded Invitation, as long as it waits
    account  BLOB NOT NULL,
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    members  INTEGER NOT NULL,
    link     INTEGER REFERENCES links (number),
    received INTEGER NOT NULL,
    state    TEXT NOT NULL                   -- waiting, accepted, declined
);

-- Key packages of ours with their private parts, until they are used or nobody can use them any more.
CREATE TABLE packages (
    reference   BLOB PRIMARY KEY,
    package     BLOB NOT NULL,
    last_resort INTEGER NOT NULL,
    relay       BLOB,                        -- the one relay that was given it; NULL if none was
    replaced    INTEGER NOT NULL DEFAULT 0,  -- no relay gives it to anybody any more
    created     INTEGER NOT NULL,
    ends        INTEGER NOT NULL
);
CREATE INDEX packages_of ON packages (relay, replaced);
CREATE INDEX packages_to_go ON packages (ends);

-- What has been begun at inboxes and must come to an end: first contact, invitations to leave, our own inbox.
CREATE TABLE jobs (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT NOT NULL,
    account      BLOB,
    conversation INTEGER REFERENCES conversations (number) ON DELETE CASCADE,
    state        BLOB NOT NULL,
    created      INTEGER NOT NULL
);
