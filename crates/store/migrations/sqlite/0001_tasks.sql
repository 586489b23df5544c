-- The tables of Tenure. Times are milliseconds since 1970 in UTC by the store's clock, durations
-- are milliseconds, lists and objects are JSON text. The CHECKs repeat what life/moves.rs decides,
-- as far as one row can tell.

-- "tenu": what other programs, and `file`, know a store by.
PRAGMA application_id = 1952804469;

CREATE TABLE store (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    instance_id    TEXT    NOT NULL,
    schema_version BIGINT  NOT NULL
);

CREATE TABLE batches (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    source     TEXT    NOT NULL,
    created_at BIGINT  NOT NULL
);

CREATE TABLE tasks (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id        BIGINT REFERENCES batches (id),
    name            TEXT,
    title           TEXT    NOT NULL CHECK (title <> ''),
    body            TEXT    NOT NULL,
    assignee        TEXT    NOT NULL CHECK (assignee <> ''),
    command         TEXT,
    cwd             TEXT    NOT NULL,
    env             TEXT    NOT NULL,
    skills          TEXT    NOT NULL,
    limits          TEXT    NOT NULL,
    priority        BIGINT  NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN
                    ('todo', 'scheduled', 'ready', 'running', 'blocked', 'done', 'cancelled')),
    pending_parents BIGINT  NOT NULL CHECK (pending_parents >= 0),
    not_before      BIGINT,
    block_kind      TEXT    CHECK (block_kind IN
                    ('needs_input', 'capability', 'operator', 'gave_up')),
    block_reason    TEXT,
    attempts        BIGINT  NOT NULL DEFAULT 0,
    failures        BIGINT  NOT NULL DEFAULT 0,
    violations      BIGINT  NOT NULL DEFAULT 0,
    defers          BIGINT  NOT NULL DEFAULT 0,
    benign          BIGINT  NOT NULL DEFAULT 0,
    lost            BIGINT  NOT NULL DEFAULT 0,
    current_run_id  BIGINT  REFERENCES runs (run_id),
    idempotency_key TEXT    UNIQUE,
    fingerprint     TEXT,
    request_id      TEXT    UNIQUE,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL,
    archived_at     BIGINT,
    -- The reserved profile `shell` runs the task's own command; every other runs its profile's.
    CHECK ((assignee = 'shell') = (command IS NOT NULL)),
    CHECK ((status = 'running') = (current_run_id IS NOT NULL)),
    CHECK (status <> 'todo' OR pending_parents > 0),
    CHECK (status NOT IN ('scheduled', 'ready', 'running') OR pending_parents = 0),
    CHECK (status <> 'scheduled' OR not_before IS NOT NULL),
    CHECK ((status = 'blocked') = (block_kind IS NOT NULL)),
    CHECK ((block_kind IS NULL) = (block_reason IS NULL)),
    CHECK (archived_at IS NULL OR status IN ('blocked', 'done', 'cancelled')),
    CHECK ((idempotency_key IS NULL) = (fingerprint IS NULL))
);

CREATE TABLE runs (
    run_id             INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id            BIGINT  NOT NULL REFERENCES tasks (id),
    attempt            BIGINT  NOT NULL CHECK (attempt >= 1),
    dispatcher_id      TEXT    NOT NULL,
    claim_lock         TEXT    NOT NULL UNIQUE,
    profile            TEXT    NOT NULL,
    limits             TEXT    NOT NULL,
    claimed_at         BIGINT  NOT NULL,
    lease_until        BIGINT  NOT NULL,
    started_at         BIGINT,
    deadline_at        BIGINT,
    host_id            TEXT,
    boot_id            TEXT,
    pid_namespace      BIGINT,
    warden_pid         BIGINT,
    warden_start_ticks BIGINT,
    warden_inode       BIGINT,
    socket             TEXT,
    log                TEXT,
    pid                BIGINT,
    heartbeat_at       BIGINT,
    note               TEXT,
    ask                TEXT    CHECK (ask IN ('cancel', 'stop', 'block', 'archive', 'reclaim',
                                              'timeout', 'silence', 'shutdown')),
    ask_by             TEXT,
    ask_reason         TEXT,
    asked_at           BIGINT,
    ask_block_kind     TEXT    CHECK (ask_block_kind IN ('needs_input', 'capability', 'operator')),
    report_id          TEXT,
    report             TEXT,
    reported_at        BIGINT,
    -- What was seen of its end, as the holder's side told it; the exit is in it.
    seen               TEXT,
    tree_unverified    BIGINT  NOT NULL DEFAULT 0 CHECK (tree_unverified IN (0, 1)),
    outcome            TEXT    CHECK (outcome IN
                       ('completed', 'blocked', 'deferred', 'failed', 'crashed',
                        'protocol_violation', 'timed_out', 'silent', 'spawn_failed',
                        'never_started', 'stale', 'reclaimed', 'lost', 'interrupted', 'stopped',
                        'cancelled')),
    reason             TEXT,
    ended_at           BIGINT,
    UNIQUE (task_id, attempt),
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CHECK ((seen IS NULL) = (outcome IS NULL)),
    CHECK ((outcome IS NULL) = (reason IS NULL)),
    CHECK ((started_at IS NULL) = (warden_pid IS NULL)),
    CHECK (pid IS NULL OR started_at IS NOT NULL),
    CHECK ((ask IS NULL) = (asked_at IS NULL)),
    CHECK (ask_block_kind IS NULL OR ask = 'block'),
    CHECK ((report IS NULL) = (reported_at IS NULL)),
    CHECK ((report IS NULL) = (report_id IS NULL))
);

CREATE TABLE task_links (
    parent_id BIGINT NOT NULL REFERENCES tasks (id),
    child_id  BIGINT NOT NULL REFERENCES tasks (id),
    PRIMARY KEY (parent_id, child_id),
    CHECK (parent_id <> child_id)
);

CREATE TABLE comments (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id    BIGINT  NOT NULL REFERENCES tasks (id),
    run_id     BIGINT  REFERENCES runs (run_id),
    author     TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    created_at BIGINT  NOT NULL
);

CREATE TABLE events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id BIGINT  NOT NULL REFERENCES tasks (id),
    run_id  BIGINT  REFERENCES runs (run_id),
    kind    TEXT    NOT NULL,
    at      BIGINT  NOT NULL,
    payload TEXT    NOT NULL
);

CREATE TABLE dispatchers (
    id         TEXT   PRIMARY KEY,
    host_id    TEXT   NOT NULL,
    host_name  TEXT   NOT NULL,
    boot_id    TEXT   NOT NULL,
    pid        BIGINT NOT NULL,
    socket     TEXT   NOT NULL,
    version    TEXT   NOT NULL,
    slots      BIGINT NOT NULL,
    profiles   TEXT   NOT NULL,
    batch_id   BIGINT REFERENCES batches (id),
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    retired_at BIGINT
);

-- One open run per task.
CREATE UNIQUE INDEX open_run ON runs (task_id) WHERE ended_at IS NULL;
-- The claim asks each profile with room by an index that begins with it.
CREATE INDEX ready_by_profile ON tasks (assignee, priority DESC, id) WHERE status = 'ready';
CREATE INDEX ready_by_batch ON tasks (batch_id, assignee, priority DESC, id) WHERE status = 'ready';
CREATE INDEX running_by_profile ON tasks (assignee) WHERE status = 'running';
CREATE INDEX scheduled_by_time ON tasks (not_before) WHERE status = 'scheduled';
CREATE INDEX open_runs_by_dispatcher ON runs (dispatcher_id) WHERE ended_at IS NULL;
CREATE INDEX tasks_by_status ON tasks (status, id);
CREATE INDEX tasks_by_batch ON tasks (batch_id, status, id);
CREATE INDEX links_by_child ON task_links (child_id, parent_id);
CREATE INDEX events_by_task ON events (task_id, id);
CREATE INDEX comments_by_task ON comments (task_id, id);

-- A closed run stays as it is: the outcome is written exactly once.
CREATE TRIGGER closed_run_stays_closed BEFORE UPDATE ON runs WHEN OLD.ended_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a closed run cannot change');
END;
