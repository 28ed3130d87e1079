-- Tables of activities. Lock order: execution, activity, activity_queue, task.

CREATE TABLE hermes.activity_type (
    name          text PRIMARY KEY,
    options       jsonb NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE hermes.activity_type IS 'Registered activity types: their kind, and the options of activities that do not say otherwise.';

CREATE TABLE hermes.activity_queue (
    id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text NOT NULL,
    rate      double precision,
    burst     integer,
    missing   bigint NOT NULL DEFAULT 0,
    refilled  bigint NOT NULL DEFAULT 0,
    paused_at timestamptz,
    CONSTRAINT activity_queue_name UNIQUE (name)
) WITH (fillfactor = 50);
COMMENT ON TABLE hermes.activity_queue IS 'Queues of activities for external workers; made by their first use. rate, burst: tasks handed out a second, NULL: no limit; missing, refilled: state of the token bucket of that limit; paused_at: nothing is handed out since then.';

-- Pending activities only. place orders those of one priority: the time they came, or that of their fairness key.
CREATE TABLE hermes.activity (
    execution_id uuid NOT NULL,
    number       integer NOT NULL,
    queue_id     integer NOT NULL,
    state        smallint NOT NULL,
    priority     smallint NOT NULL,
    attempt      integer NOT NULL,
    flags        smallint NOT NULL DEFAULT 0,
    token        bigint NOT NULL DEFAULT 0,
    place        bigint NOT NULL,
    scheduled_at timestamptz NOT NULL,
    due          timestamptz NOT NULL,
    started_at   timestamptz,
    heartbeat_at timestamptz,
    lease        bigint,
    deadline     timestamptz,
    tenant       text,
    fairness_key text,
    worker       text,
    type         text NOT NULL,
    options      jsonb NOT NULL,
    heartbeat    jsonb,
    last_failure jsonb,
    input        jsonb NOT NULL,
    PRIMARY KEY (execution_id, number)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX activity_scheduled ON hermes.activity (queue_id, priority, place) WHERE state = 1;
CREATE INDEX activity_backing_off ON hermes.activity (queue_id, due) WHERE state = 3;
CREATE INDEX activity_deadline ON hermes.activity (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX activity_fairness ON hermes.activity (queue_id, fairness_key, place) WHERE state = 1 AND fairness_key IS NOT NULL;
COMMENT ON TABLE hermes.activity IS 'Activities that have been scheduled and have not closed. number: of the command; state: 1 scheduled, 2 started, 3 backing off, 4 paused; queue_id: of hermes.activity_queue, or a providers number, negative: the dispatchers send it; flags: 1 cancel requested, 2 pause requested, 4 reset requested, 8 what it told last is dropped by the reset; token: of the attempt, changes whenever it is given to nobody or to another worker; due: from then on this attempt may start; deadline: the earliest of its timeouts; lease: microseconds; heartbeat: what it told last.';
