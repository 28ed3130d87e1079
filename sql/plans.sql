-- Plans are kept for long: what they read must not depend on how empty the tables were when they were made.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();

-- Rows of the extension's tables that a statement reads, by index or by scan.
CREATE FUNCTION test.rows_read(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    total CONSTANT text := 'SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_all_tables WHERE schemaname = ''hermes''';
    before bigint; after bigint;
BEGIN
    EXECUTE total INTO before;
    EXECUTE statement;
    EXECUTE total INTO after;
    RETURN after - before;
END
$$;

-- Each verb once, on a cascade of its own, and the most rows one of them read.
CREATE FUNCTION test.most_read(OUT verb text, OUT rows bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    id uuid; what text;
BEGIN
    FOR verb, what IN VALUES
        ('start', 'SELECT hermes.start_cascade(''three'', ''{}'', gen_random_uuid()::text)'),
        ('next step', 'SELECT hermes.signal_cascade(%1$L, ''dlr'', ''{"status": "undeliverable", "attempt": 1}'')'),
        ('end', 'SELECT hermes.signal_cascade(%1$L, ''dlr'', ''{"status": "delivered", "attempt": 1}'')'),
        ('unknown receipt', 'SELECT hermes.apply_receipt(''mail_a'', %1$L, ''{"status": "delivered"}'')'),
        ('parked receipt', 'SELECT hermes.signal_cascade(%1$L, ''dlr'', ''{"status": "lost", "attempt": 1}'')'),
        ('cancel', 'SELECT hermes.cancel_cascade(%1$L)'),
        ('terminate', 'SELECT hermes.terminate_cascade(%1$L)'),
        ('status', 'SELECT hermes.cascade_status(%1$L)'),
        ('history', 'SELECT hermes.cascade_history(%1$L)')
    LOOP
        id := hermes.start_cascade('three', '{}');
        rows := test.rows_read(format(what, id));
        RETURN NEXT;
    END LOOP;
END
$$;

-- tables that had a backlog and are empty when statistics and plans are made
SELECT count(*) FROM hermes.start_cascades('three', array_fill('{}'::jsonb, ARRAY[1000]));
SELECT count(hermes.cancel_cascade(cascade_id)) FROM hermes.cascades;
ANALYZE hermes.workflow, hermes.timer, hermes.task, hermes.closed, hermes.attempt, hermes.execution_key, hermes.receipt_inbox, hermes.dead_letter;
SELECT reltuples FROM pg_class WHERE oid = 'hermes.task'::regclass;
SELECT verb, rows < 100 FROM test.most_read();
-- the same plans with the next backlog
SELECT count(*) FROM hermes.start_cascades('three', array_fill('{}'::jsonb, ARRAY[3000]), ARRAY(SELECT n::text FROM generate_series(1, 3000) n));
SELECT verb, rows FROM test.most_read() WHERE rows >= 100;
