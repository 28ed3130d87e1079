-- Tables of programs outside of the database. Lock order: execution, program_task, task.

CREATE TABLE hermes.program_queue (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    CONSTRAINT program_queue_name UNIQUE (name)
);
COMMENT ON TABLE hermes.program_queue IS 'Queues of workflow tasks, made by their first use. 268435456 + id stands in workflow_type.role_id of types whose program is outside; rows stay.';

CREATE TABLE hermes.program_task (
    execution_id uuid PRIMARY KEY,
    token        bigint NOT NULL,
    previous     integer NOT NULL,
    shown        integer NOT NULL,
    started_at   timestamptz NOT NULL,
    deadline     timestamptz,
    worker       text,
    last_worker  text
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE hermes.program_task IS 'Open executions of programs outside of the database whose task was polled once. worker has it until deadline (NULL: nobody has it); token: of this attempt; shown: how many events its worker was shown, or, once answered, how many there were then; previous, last_worker: of the last task that was completed.';
