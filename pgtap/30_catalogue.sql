-- What the tables must be like: keys, partitions, fill factors, updates that touch no index, members of the extension, dump.
-- Needs: database with the extension and pgTAP, track_counts on. Rolls back what it makes.
BEGIN;
SET LOCAL search_path = public, pg_catalog;
SELECT no_plan();

SELECT hermes.create_day_partition('hermes.closed', '2035-01-01 00:00+00') AS made \gset
SELECT hermes.create_day_partition('hermes.attempt', '2035-01-01 00:00+00') AS made \gset
SELECT hermes.create_day_partition('hermes.delivery', '2035-01-01 00:00+00') AS made \gset
SELECT hermes.create_day_partition('hermes.receipt', '2035-01-01 00:00+00') AS made \gset

-- ---- keys and partitions ----
SELECT is_empty($$ SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'hermes'::regnamespace AND c.relkind = 'r' AND c.relname !~ '^(attempt|delivery|receipt)_(default|p)'
                   AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) $$,
                'every table that is updated or deleted has a primary key (rows of attempt, delivery and receipt are only inserted, and dropped with their day)');
SELECT bag_eq($$ SELECT relname::text FROM pg_class WHERE relnamespace = 'hermes'::regnamespace AND relkind = 'p' $$, ARRAY['attempt', 'closed', 'delivery', 'execution_closed', 'receipt'], 'the partitioned tables');
SELECT is_empty($$ SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'hermes'::regnamespace AND c.relkind = 'p' $$,
                'no key or index on a partitioned parent');
SELECT is_empty($$ SELECT conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE c.relnamespace = 'hermes'::regnamespace AND (c.relkind = 'p' OR k.contype = 'f') AND k.contype NOT IN ('n') $$,
                'no constraint on a parent, and no foreign key anywhere');
SELECT is_empty($$ SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE h.inhparent = 'hermes.closed'::regclass
                   AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indkey::text = (SELECT attnum::text FROM pg_attribute WHERE attrelid = c.oid AND attname = 'id')) $$,
                'each partition of closed has its own key, on id');
SELECT is_empty($$ SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE h.inhparent = 'hermes.attempt'::regclass
                   AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey::text = (SELECT attnum::text FROM pg_attribute WHERE attrelid = c.oid AND attname = 'hash')) $$,
                'each partition of attempt has an index on hash');
SELECT is_empty($$ SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE h.inhparent = 'hermes.receipt'::regclass
                   AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
                                   WHERE i.indrelid = c.oid AND m.amname = 'brin' AND i.indkey::text = (SELECT attnum::text FROM pg_attribute WHERE attrelid = c.oid AND attname = 'received_at')) $$,
                'each partition of receipt has block ranges of received_at');
SELECT bag_eq($$ SELECT c.relname::text FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT' $$,
              ARRAY['closed_default', 'attempt_default', 'delivery_default', 'execution_closed_default', 'receipt_default'], 'each has a default partition: a day without one loses nothing');
SELECT is_empty($$ SELECT indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'hermes'::regnamespace AND NOT (indisvalid AND indisready) $$, 'no index is invalid');

-- ---- room for updates in place ----
SELECT is_empty($$ SELECT c.relname FROM pg_class c, pg_options_to_table(c.reloptions) WHERE c.oid IN ('hermes.workflow'::regclass, 'hermes.timer'::regclass) AND option_name = 'fillfactor' $$,
                'workflow, timer: pages are filled');
SELECT is((SELECT option_value FROM pg_class c, pg_options_to_table(c.reloptions) WHERE c.oid = 'hermes.task'::regclass AND option_name = 'fillfactor'), '45', 'task: each row has room for its claim');
SELECT is_empty($$ SELECT relname FROM pg_class WHERE relname ~ '_p[0-9]{8}$' AND relnamespace = 'hermes'::regnamespace AND relkind = 'r'
                  AND NOT coalesce(CASE WHEN relname ~ 'closed_p' THEN 'fillfactor=90' ELSE 'fillfactor=100' END = ANY (reloptions), false) $$,
                'day partitions: room where rows are updated, in those of what has closed');
CREATE TEMP VIEW indexed AS
SELECT DISTINCT c.relname, a.attname::text AS attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
WHERE c.relnamespace = 'hermes'::regnamespace;
SELECT bag_eq($$ SELECT attname FROM indexed WHERE relname = 'workflow' $$, ARRAY['id'], 'workflow: only the id is indexed, and nothing updates it');
SELECT bag_eq($$ SELECT attname FROM indexed WHERE relname = 'execution' $$, ARRAY['id'], 'execution: only the id is indexed, and nothing updates it');
SELECT bag_eq($$ SELECT attname FROM indexed WHERE relname = 'execution_update' $$, ARRAY['execution_id', 'update_id', 'admitted_at', 'number'], 'execution_update: the outcome is in no index');
SELECT bag_eq($$ SELECT attname FROM indexed WHERE relname = 'task' $$, ARRAY['workflow_id', 'number', 'queue', 'due'], 'task: owner, claims, tries and last_error are in no index');
SELECT bag_eq($$ SELECT attname FROM indexed WHERE relname = 'timer' $$, ARRAY['workflow_id', 'due'], 'timer: its number and events are in no index');
SELECT bag_eq($$ SELECT DISTINCT attname FROM indexed WHERE relname ~ '^closed' $$, ARRAY['id', 'closed_at'], 'closed: history and reported_at are in no index');
SELECT bag_eq($$ SELECT attname FROM indexed WHERE relname = 'recipient_contact' $$, ARRAY['hash'], 'recipient_contact: what a send changes is in no index');
SELECT bag_eq($$ SELECT attname FROM indexed WHERE relname = 'spend' $$, ARRAY['tenant', 'day'], 'spend: nor is the sum of a day');
SELECT is_empty($$ SELECT i.indexrelid::regclass FROM pg_index i WHERE i.indrelid = 'hermes.suppression'::regclass AND i.indisunique AND NOT i.indisprimary $$,
                'suppression: no unique index makes an insert wait for another transaction');
SELECT is_empty($$ SELECT indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relname IN ('workflow', 'execution', 'task', 'closed_default', 'recipient_contact', 'spend') AND c.relnamespace = 'hermes'::regnamespace
                   AND (indexprs IS NOT NULL OR indpred IS NOT NULL) $$, 'and no expression or predicate hides one');
SELECT is((SELECT attname::text FROM pg_attribute WHERE attrelid = 'hermes.workflow'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum DESC LIMIT 1), 'message',
          'workflow: the message stands last, an update of the history logs none of it');

-- work, and what the server counted: 100 cascades, of which those on the last pages are signalled and claimed, for there is room on
-- these; on others only vacuum or pruning after a commit makes it
SELECT hermes.create_provider('pgtap_mail', '{"kind": "sandbox", "channel": "pgtap"}') AS made \gset
SELECT hermes.create_cascade_rule('pgtap', '{"steps": [{"channel": "pgtap", "revocable": true}]}') AS made \gset
CREATE TEMP TABLE started AS
SELECT row_number() OVER () AS n, id FROM hermes.start_cascades('pgtap', array_fill('{"to": "somebody@example.com", "text": "hello"}'::jsonb, ARRAY[100])) AS id;
SELECT is((SELECT count(hermes.signal_cascade(id, 'dlr', '{"status": "sent", "attempt": 1}')) FROM started WHERE n > 97), 3::bigint, 'signals were sent');
SELECT is((SELECT (n_tup_upd, n_tup_hot_upd)::text FROM pg_stat_xact_user_tables WHERE relid = 'hermes.workflow'::regclass), '(3,3)', 'each update of workflow was HOT');
UPDATE hermes.task SET owner = 1, claims = claims + 1 WHERE workflow_id IN (SELECT id FROM started); -- as a dispatcher claims
SELECT is((SELECT (n_tup_upd, n_tup_hot_upd)::text FROM pg_stat_xact_user_tables WHERE relid = 'hermes.task'::regclass), '(100,100)', 'each claim was HOT');

-- ---- members of the extension ----
SELECT is_empty($$ SELECT 'pg_class'::regclass, c.relname FROM pg_class c WHERE c.relnamespace = 'hermes'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S') AND c.relname !~ '_p[0-9]{8}$'
                     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
                     AND NOT (c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i'))
                   UNION ALL
                   SELECT 'pg_proc'::regclass, p.proname FROM pg_proc p WHERE p.pronamespace = 'hermes'::regnamespace AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
                   UNION ALL
                   SELECT 'pg_type'::regclass, t.typname FROM pg_type t WHERE t.typnamespace = 'hermes'::regnamespace AND t.typtype = 'e' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e') $$,
                'everything in the schema but day partitions is a member of the extension');
SELECT is_empty($$ SELECT objid::regclass FROM pg_depend d JOIN pg_class c ON c.oid = d.objid WHERE d.deptype = 'e' AND d.classid = 'pg_class'::regclass AND c.relname ~ '_p[0-9]{8}$' $$,
                'day partitions are none: they are dumped as ordinary tables');
SELECT is((SELECT nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'hermes_cascade'), 'hermes', 'the extension lives in its schema');
SELECT ok((SELECT NOT extrelocatable FROM pg_extension WHERE extname = 'hermes_cascade'), 'and stays there');

-- ---- dump ----
CREATE TEMP VIEW dumped AS SELECT c.relname::text, c.relkind, condition FROM pg_extension e, unnest(extconfig, extcondition) AS u (oid, condition) JOIN pg_class c ON c.oid = u.oid WHERE extname = 'hermes_cascade';
SELECT bag_eq($$ SELECT relname FROM dumped WHERE relkind = 'r' $$,
              $$ SELECT relname::text FROM pg_class WHERE relnamespace = 'hermes'::regnamespace AND relkind = 'r' AND relname !~ '_p[0-9]{8}$' $$,
              'pg_dump saves the rows of every table');
SELECT bag_eq($$ SELECT relname FROM dumped WHERE relkind = 'S' $$,
              $$ SELECT relname::text FROM pg_class WHERE relnamespace = 'hermes'::regnamespace AND relkind = 'S' $$, 'and the state of every sequence');
SELECT bag_eq($$ SELECT relname, condition FROM dumped WHERE condition <> '' $$,
              $$ VALUES ('connector', 'WHERE NOT shipped'), ('connector_status', 'WHERE NOT shipped'), ('connector_error', 'WHERE NOT shipped') $$,
              'whole, but that shipped connectors come with the extension');
SELECT isnt_empty('SELECT FROM hermes.connector WHERE shipped', 'there are shipped connectors');
-- as the script of an upgrade does: the new document replaces the shipped rows, an operator's rows stay
INSERT INTO hermes.connector_status (connector, status, state) VALUES ('twilio', 'pgtap_own', 'sent');
SELECT lives_ok($$ SELECT hermes.ship_connector('{"name": "twilio", "receipts": {"payload": ["form"], "fields": {"correlation_id": ["$.MessageSid"], "status": ["$.MessageStatus"]}},
                   "statuses": [{"status": "pgtap_new", "state": "delivered"}]}') $$, 'an upgrade script ships a connector anew');
SELECT is(ARRAY(SELECT coalesce(state, disposition) FROM unnest(ARRAY['pgtap_new', 'pgtap_own', 'delivered']) WITH ORDINALITY AS u (word, n),
                LATERAL hermes.parse_receipts('twilio', 'MessageSid=SM1&MessageStatus=' || word) ORDER BY n), ARRAY['delivered', 'sent', 'park'],
          'its rows are in force, an operator''s too, the old ones gone');
SELECT throws_ok($$ DELETE FROM hermes.connector_status WHERE connector = 'twilio' AND status = 'pgtap_new' $$, '55000', NULL, 'and are shipped rows, which stay');
SELECT is_empty($$ SELECT relname FROM pg_class WHERE relnamespace = 'hermes'::regnamespace AND relkind IN ('r', 'p') AND relpersistence <> 'p' $$, 'no table is unlogged');

SELECT * FROM finish();
ROLLBACK;
