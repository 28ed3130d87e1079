-- Tables of schedules. Lock order: schedule first, before any execution; what hangs on it by its lock.

CREATE TABLE hermes.schedule (
    id               uuid PRIMARY KEY,
    tenant           text,
    name             text NOT NULL,
    owner            name NOT NULL,
    version          integer NOT NULL DEFAULT 1,
    overlap          text NOT NULL,
    catchup_us       bigint NOT NULL,
    pause_on_failure boolean NOT NULL,
    paused           boolean NOT NULL,
    note             text,
    remaining        bigint,
    cursor           timestamptz NOT NULL,
    next_time        timestamptz,
    actions          bigint NOT NULL DEFAULT 0,
    missed           bigint NOT NULL DEFAULT 0,
    skipped          bigint NOT NULL DEFAULT 0,
    dropped          bigint NOT NULL DEFAULT 0,
    errors           bigint NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    spec             jsonb NOT NULL,
    action           jsonb NOT NULL,
    CONSTRAINT schedule_name UNIQUE NULLS NOT DISTINCT (tenant, name)
) WITH (fillfactor = 70);
COMMENT ON TABLE hermes.schedule IS 'Schedules. owner: role that made it, in whose right it starts; cursor: nominal times up to here are done with; next_time: of the next action, as far as it is known. When it is to be looked at stands in hermes.task (kind 19).';

CREATE TABLE hermes.schedule_start (
    schedule_id uuid NOT NULL,
    nominal     timestamptz NOT NULL,
    actual      timestamptz NOT NULL,
    overlap     text,
    manual      boolean NOT NULL,
    tries       integer NOT NULL DEFAULT 0,
    retry_at    timestamptz NOT NULL,
    last_error  text,
    PRIMARY KEY (schedule_id, nominal)
);
COMMENT ON TABLE hermes.schedule_start IS 'Starts of schedules that have come and wait: for the end of what runs, for another try, or for the supervisor. overlap: their own policy; manual: by trigger_schedule or backfill_schedule.';

CREATE TABLE hermes.schedule_run (
    schedule_id  uuid NOT NULL,
    nominal      timestamptz NOT NULL,
    started_at   timestamptz NOT NULL,
    kind         smallint NOT NULL,
    hash         uuid NOT NULL,
    execution_id uuid NOT NULL,
    name         text NOT NULL,
    asked        text,
    status       text,
    ended_at     timestamptz,
    PRIMARY KEY (schedule_id, nominal)
);
CREATE INDEX schedule_run_open ON hermes.schedule_run (hash) WHERE ended_at IS NULL;
COMMENT ON TABLE hermes.schedule_run IS 'What schedules have started: all that is open, and the ten newest. kind: 1 workflow (hash: of its workflow id, as in execution_current), 2 cascade (hash: its id); asked: which end was asked of which execution.';

CREATE TABLE hermes.schedule_backfill (
    schedule_id uuid NOT NULL,
    number      integer NOT NULL,
    cursor      timestamptz NOT NULL,
    until       timestamptz NOT NULL,
    overlap     text,
    PRIMARY KEY (schedule_id, number)
);
COMMENT ON TABLE hermes.schedule_backfill IS 'Backfills under way: nominal times after cursor, up to and with until, are still to come.';
