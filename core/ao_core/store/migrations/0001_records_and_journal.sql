PRAGMA application_id = 0x616f6d63;

-- A revision is never used twice, not even for a record that was dropped and made anew.
CREATE TABLE record (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, id)
) STRICT;

CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    project TEXT,
    session TEXT,
    body TEXT NOT NULL
) STRICT;

-- A row stays when its lease ends, so that its token goes on growing.
CREATE TABLE lease (
    key TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token INTEGER NOT NULL,
    expires REAL NOT NULL
) STRICT, WITHOUT ROWID;
