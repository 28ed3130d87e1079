-- Tables of search attributes and memos. Lock order: after execution_closed.

CREATE TABLE hermes.search_attribute (
    name       text PRIMARY KEY,
    type       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE hermes.search_attribute IS 'Declared search attributes of executions. type: text, keyword, int, double, bool, datetime or keyword_list.';

-- Only executions that have some have a row. It stays where it is when the execution closes, and goes with its history.
CREATE TABLE hermes.execution_attributes (
    execution_id uuid PRIMARY KEY,
    attributes   jsonb,
    memo         jsonb
) WITH (fillfactor = 90);
CREATE INDEX execution_attributes_attributes ON hermes.execution_attributes USING gin (attributes jsonb_path_ops) WHERE attributes IS NOT NULL;
COMMENT ON TABLE hermes.execution_attributes IS 'Search attributes and memo of executions that have any, open and closed: what their histories come to. Times are ISO 8601 UTC of one width.';
