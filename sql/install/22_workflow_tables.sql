-- Tables of workflow functions. Lock order: execution_current, execution (by id), execution_closed, task, then the rest.

CREATE TABLE hermes.workflow_type (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL,
    version       integer NOT NULL,
    current       boolean NOT NULL,
    function      text NOT NULL,
    digest        bytea NOT NULL,
    role_id       integer NOT NULL,
    options       jsonb NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    dropped_at    timestamptz,
    CONSTRAINT workflow_type_name_version UNIQUE (name, version)
);
CREATE UNIQUE INDEX workflow_type_current ON hermes.workflow_type (name) WHERE current;
COMMENT ON TABLE hermes.workflow_type IS 'Registered workflow functions, one row a version; current: the version new executions take. digest: of the function''s source, configuration and signature; role_id: of hermes.executor_role, runs the function; dropped_at: nothing runs on this version any more since then, histories of closed executions name it.';

-- Open executions only. No indexed column is ever updated; input stands last so that an update logs no byte of it.
CREATE TABLE hermes.execution (
    id          uuid PRIMARY KEY,
    type_id     integer NOT NULL,
    chunks      integer NOT NULL DEFAULT 0,
    tenant      text,
    workflow_id text,
    parent_id   uuid,
    command     integer,
    paused_at   timestamptz,
    history     bytea NOT NULL,
    input       jsonb NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE hermes.execution ALTER COLUMN input SET STORAGE MAIN, ALTER COLUMN history SET STORAGE MAIN;
COMMENT ON TABLE hermes.execution IS 'Open executions of workflow functions: pinned version, input, the newest part of the history (binary events); parent_id, command: the execution that started it as a child, and by which command of it; paused_at: by hermes.pause_workflow, since then; chunks: how many older parts stand in hermes.execution_chunk.';

-- A long history in parts of some kilobytes, so that a turn does not write all of it again.
CREATE TABLE hermes.execution_chunk (
    execution_id uuid NOT NULL,
    number       integer NOT NULL,
    history      bytea NOT NULL,
    PRIMARY KEY (execution_id, number)
);
COMMENT ON TABLE hermes.execution_chunk IS 'Older parts of the histories of open executions, from number 1; never updated.';

CREATE TABLE hermes.execution_closed (
    id          uuid NOT NULL,
    closed_at   timestamptz NOT NULL,
    type_id     integer NOT NULL,
    status      smallint NOT NULL,
    tenant      text,
    workflow_id text,
    parent_id   uuid,
    input       jsonb NOT NULL,
    history     bytea NOT NULL
) PARTITION BY RANGE (id);
COMMENT ON TABLE hermes.execution_closed IS 'Closed executions with their input and full history. status: 1 completed, 2 failed, 3 timed out, 4 canceled, 5 terminated, 6 continued as new.';
CREATE TABLE hermes.execution_closed_default PARTITION OF hermes.execution_closed (PRIMARY KEY (id)) DEFAULT;
CREATE INDEX execution_closed_default_closed_at ON hermes.execution_closed_default USING brin (closed_at) WITH (pages_per_range = 32);
COMMENT ON TABLE hermes.execution_closed_default IS 'Closed executions whose day has no partition (yet); the supervisor moves them.';

-- Who waits until a condition on tables is met. Oids of this server: after a restore of a dump they are put right within a minute.
CREATE TABLE hermes.condition_waiter (
    execution_id uuid NOT NULL,
    relation     oid NOT NULL,
    slot         integer NOT NULL,
    command      integer NOT NULL,
    PRIMARY KEY (execution_id, relation)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX condition_waiter_slot ON hermes.condition_waiter (slot);
COMMENT ON TABLE hermes.condition_waiter IS 'Open executions that wait in hermes.wait_until: command, and a table whose changes have them look at their condition again; slot: of the table in shared memory.';

-- The newest execution of a workflow id. Its row lock makes starts of one id wait for each other.
CREATE TABLE hermes.execution_current (
    hash         uuid PRIMARY KEY,
    execution_id uuid NOT NULL,
    request_id   text
) WITH (fillfactor = 80);
COMMENT ON TABLE hermes.execution_current IS 'Workflow ids: 128 bits of SHA-256 of (tenant, workflow id) to the newest execution of it, and the request that started it; and requests to reset an execution, to the one that each has made.';

-- Numbers of tasks that come from outside (signals, cancel requests); those below are timers and the turns themselves.
CREATE SEQUENCE hermes.execution_task_number AS integer MINVALUE 2097152 MAXVALUE 1073741823 START 2097152 CACHE 32 CYCLE;
COMMENT ON SEQUENCE hermes.execution_task_number IS 'Numbers of tasks that bring something to an execution; unique within one execution, in the order of the calls of one session.';
