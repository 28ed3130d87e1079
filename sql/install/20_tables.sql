-- Tables: created once. Applications have no privilege on them; they use verbs and views.
-- Lock order: execution_key, workflow (by id), closed, timer, task, then the rest (docs/architecture.md).

-- ---- definitions ----

CREATE TABLE hermes.rule_version (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    version    integer NOT NULL,
    current    boolean NOT NULL,
    rule       jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT rule_version_name_version UNIQUE (name, version)
);
CREATE UNIQUE INDEX rule_version_current ON hermes.rule_version (name) WHERE current;
COMMENT ON TABLE hermes.rule_version IS 'Cascade rules, one row a version, never changed; current: the version new cascades take.';

CREATE TABLE hermes.provider (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    config     jsonb NOT NULL,
    dropped_at timestamptz
);
CREATE UNIQUE INDEX provider_name ON hermes.provider (name) WHERE dropped_at IS NULL;
COMMENT ON TABLE hermes.provider IS 'Message providers. A dropped one keeps its row, because histories name it by id.';

-- Its state is written when it changes, and at most once a minute while deliveries or failures go on.
CREATE TABLE hermes.endpoint (
    id               integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant           text,
    url              text NOT NULL,
    options          jsonb NOT NULL,
    disabled_at      timestamptz,
    disabled_reason  text,
    dropped_at       timestamptz,
    failing_since    timestamptz,
    last_delivery_at timestamptz,
    last_failure_at  timestamptz,
    last_error       text
);
CREATE INDEX endpoint_tenant ON hermes.endpoint (tenant) WHERE dropped_at IS NULL;
COMMENT ON TABLE hermes.endpoint IS 'Tenant webhook endpoints that receive outcome reports. failing_since: first failure since the last success.';

CREATE TABLE hermes.secret (
    name  text PRIMARY KEY,
    value text NOT NULL
);
COMMENT ON TABLE hermes.secret IS 'Secrets by name. Read by dispatchers only; present in base backups and replicas.';

-- One row a pause; those that are over are kept while a deadline may have to be moved by them.
CREATE TABLE hermes.pause (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope    text NOT NULL CHECK (scope IN ('provider', 'tenant', 'rule', 'workflow_type')),
    name     text,
    provider integer NOT NULL,
    since    timestamptz NOT NULL,
    until    timestamptz,
    reason   text
);
CREATE UNIQUE INDEX pause_current ON hermes.pause (scope, (coalesce(name, '')), provider) WHERE until IS NULL;
COMMENT ON TABLE hermes.pause IS 'Pauses of providers, tenants, rules and workflow types, past and present; name: tenant (NULL: what has none), rule or workflow type; provider: id, else 0.';

CREATE TABLE hermes.tenant_access (
    role_name name NOT NULL,
    tenant    text NOT NULL,
    PRIMARY KEY (role_name, tenant)
);
COMMENT ON TABLE hermes.tenant_access IS 'Which tenants a role may act for; tenant * means all. Members of hermes_admin need no row; the NULL tenant is open to every hermes_app.';

-- ---- executions ----

-- Open executions only. No indexed column is ever updated; message stands last so that an update logs no byte of it.
-- Most cascades are written once: what a provider's answer adds to the history stands in the timer that waits for the
-- receipt (hermes.open_cascades puts it together). Pages are filled: room for an update in place comes from rows that have
-- gone, which was measured to be as fast as room kept free (docs/benchmarks.md).
CREATE TABLE hermes.workflow (
    id      uuid PRIMARY KEY,
    rule_id integer NOT NULL,
    tenant  text,
    key     text,
    history bytea NOT NULL,
    message jsonb NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE hermes.workflow ALTER COLUMN message SET STORAGE MAIN, ALTER COLUMN history SET STORAGE MAIN;
COMMENT ON TABLE hermes.workflow IS 'Open cascades: pinned rule version, history (binary events; the newest may stand in hermes.timer, see hermes.open_cascades), message.';

-- Claimed by an update of columns no index knows, for which more than half of each page is kept free (HOT: without that, the claims of a
-- backlog wrote a third more log and twice the index entries, docs/benchmarks.md); finished by a delete.
CREATE TABLE hermes.task (
    workflow_id uuid NOT NULL,
    due         timestamptz NOT NULL,
    owner       bigint,
    number      integer NOT NULL,
    queue       integer NOT NULL,
    target      integer NOT NULL,
    kind        smallint NOT NULL,
    attempt     smallint NOT NULL,
    claims      smallint NOT NULL DEFAULT 0,
    tries       smallint NOT NULL DEFAULT 0,
    detail      text,
    last_error  text,
    PRIMARY KEY (workflow_id, number)
) WITH (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX task_due ON hermes.task (queue, due);
COMMENT ON TABLE hermes.task IS 'Outstanding work but timers of cascades (hermes.timer): one row a send, condition, sandbox receipt, rematch or report of a cascade; a turn, timer, signal, cancel request or end of a child of an execution (workflow_id is its id); a look at a schedule (likewise). owner: incarnation of the worker that claimed it, or was handed it by the transaction that inserted it; a negative queue: put aside by a hold or pause.';

-- Apart from the tasks, which go within moments: a timer waits for hours or days, and the room of dead tasks between
-- such rows would be of no use to anything that is read often.
CREATE TABLE hermes.timer (
    workflow_id uuid PRIMARY KEY,
    due         timestamptz NOT NULL,
    number      integer NOT NULL,
    history_at  integer,
    tries       smallint NOT NULL,
    put_aside   boolean NOT NULL,
    history     bytea,
    last_error  text
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX timer_due ON hermes.timer (due);
CREATE INDEX timer_put_aside ON hermes.timer (due) WHERE put_aside;
COMMENT ON TABLE hermes.timer IS 'Timers of open cascades, at most one each: the earliest time at which something it waits for is over. number: as the history names it; put_aside: what it waits for is paused, the end of the pause makes it due; history: the newest events of its cascade, as long as its row has history_at bytes of the older ones.';

-- Archive, partitioned by range of the UUIDv7 id (start time). No key or index on the parent.
CREATE TABLE hermes.closed (
    id          uuid NOT NULL,
    closed_at   timestamptz NOT NULL,
    reported_at timestamptz,
    rule_id     integer NOT NULL,
    outcome     smallint NOT NULL,
    tenant      text,
    key         text,
    history     bytea NOT NULL
) PARTITION BY RANGE (id);
COMMENT ON TABLE hermes.closed IS 'Ended cascades with their full history; message bodies are not kept.';
CREATE TABLE hermes.closed_default PARTITION OF hermes.closed (PRIMARY KEY (id)) DEFAULT;
CREATE INDEX closed_default_closed_at ON hermes.closed_default USING brin (closed_at) WITH (pages_per_range = 32);
COMMENT ON TABLE hermes.closed_default IS 'Ended cascades whose day has no partition (yet); the supervisor moves them.';

CREATE TABLE hermes.execution_key (
    hash        uuid PRIMARY KEY,
    workflow_id uuid NOT NULL,
    fingerprint bigint NOT NULL
);
COMMENT ON TABLE hermes.execution_key IS 'Idempotency keys: 128 bits of SHA-256 of (tenant, key) to the cascade; fingerprint tells rule and message apart.';

-- Provider message id to attempt; outlives the cascade.
CREATE TABLE hermes.attempt (
    hash        bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    workflow_id uuid NOT NULL,
    attempt     integer NOT NULL
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE hermes.attempt IS 'Look-up: 64-bit hash of (provider, provider message id) to the attempt, partitioned by day.';
CREATE TABLE hermes.attempt_default PARTITION OF hermes.attempt DEFAULT;
CREATE INDEX attempt_default_hash ON hermes.attempt_default (hash);
ALTER TABLE hermes.attempt_default REPLICA IDENTITY FULL; -- rows leave it under publications for all tables, too
COMMENT ON TABLE hermes.attempt_default IS 'Attempts of a day without a partition (yet); the supervisor moves them.';

CREATE TABLE hermes.receipt_inbox (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash                bigint NOT NULL,
    provider            integer,
    provider_message_id text,
    workflow_id         uuid,
    parked              boolean NOT NULL,
    payload             text NOT NULL,
    reason              text,
    received_at         timestamptz NOT NULL
);
CREATE INDEX receipt_inbox_hash ON hermes.receipt_inbox (hash) WHERE NOT parked;
CREATE INDEX receipt_inbox_received ON hermes.receipt_inbox (received_at);
CREATE INDEX receipt_inbox_parked ON hermes.receipt_inbox (provider, id) WHERE parked;
COMMENT ON TABLE hermes.receipt_inbox IS 'Receipts whose attempt is not stored yet (parked false) or whose status is not understood (parked true).';

CREATE TABLE hermes.dead_letter (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow_id uuid NOT NULL,
    tenant      text,
    kind        smallint NOT NULL,
    number      integer NOT NULL,
    queue       integer NOT NULL,
    target      integer NOT NULL,
    attempt     smallint NOT NULL,
    tries       smallint NOT NULL,
    detail      text,
    error       text NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE INDEX dead_letter_workflow ON hermes.dead_letter (workflow_id);
CREATE INDEX dead_letter_endpoint ON hermes.dead_letter (target) WHERE kind = 3;
COMMENT ON TABLE hermes.dead_letter IS 'Tasks given up: reports whose retries ended, poison tasks. hermes.retry_dead_letter(id) puts one back.';

-- Tries of webhooks, as hermes.delivery_log wants them logged.
CREATE TABLE hermes.delivery (
    at          timestamptz NOT NULL,
    cascade_id  uuid NOT NULL,
    endpoint_id integer NOT NULL,
    duration_ms integer,
    sequence    smallint NOT NULL,
    try         smallint NOT NULL,
    status      smallint,
    result      smallint NOT NULL,
    tenant      text,
    event       text NOT NULL,
    error       text
) PARTITION BY RANGE (at);
COMMENT ON TABLE hermes.delivery IS 'Log of webhook tries, partitioned by day. result: 1 delivered, 2 failed, 3 dead; status: of the HTTP answer, if there was one.';
CREATE TABLE hermes.delivery_default PARTITION OF hermes.delivery DEFAULT;
CREATE INDEX delivery_default_cascade ON hermes.delivery_default (cascade_id);
CREATE INDEX delivery_default_endpoint ON hermes.delivery_default (endpoint_id, at);
ALTER TABLE hermes.delivery_default REPLICA IDENTITY FULL; -- rows leave it under publications for all tables, too
COMMENT ON TABLE hermes.delivery_default IS 'Webhook tries of a day without a partition (yet); the supervisor moves them.';

-- What receive_receipts was given, a row a call, as long as hermes.receipt_log_retention wants it kept.
CREATE TABLE hermes.receipt (
    received_at timestamptz NOT NULL,
    provider    integer NOT NULL,
    receipts    integer NOT NULL,
    headers     jsonb NOT NULL,
    payload     text NOT NULL
) PARTITION BY RANGE (received_at);
COMMENT ON TABLE hermes.receipt IS 'Payloads of receive_receipts as they came, partitioned by day. receipts: how many were read in it; headers: without credentials, cut.';
CREATE TABLE hermes.receipt_default PARTITION OF hermes.receipt DEFAULT;
CREATE INDEX receipt_default_received ON hermes.receipt_default USING brin (received_at) WITH (pages_per_range = 32);
ALTER TABLE hermes.receipt_default REPLICA IDENTITY FULL; -- rows leave it under publications for all tables, too
COMMENT ON TABLE hermes.receipt_default IS 'Payloads of a day without a partition (yet); the supervisor moves them.';

-- Which system these rows belong to; a difference tells a restore from a promotion (see hermes.confirm_restore).
CREATE TABLE hermes.fence (
    singleton         boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    system_identifier bigint NOT NULL,
    timeline          integer NOT NULL,
    database          oid NOT NULL,
    held_since        timestamptz,
    reason            text
);
COMMENT ON TABLE hermes.fence IS 'Identity of the system that ran this database last; held_since: outbound requests wait for hermes.confirm_restore().';
