-- What keeps a send from leaving: the suppression list, how often a recipient is written to, what a tenant's day costs.

-- Inserted and deleted, never updated. No unique key: an insert waits for nobody, so entries may stand there twice.
CREATE TABLE hermes.suppression (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash       uuid NOT NULL,
    tenant     text,
    channel    text NOT NULL,
    address    text NOT NULL,
    category   text NOT NULL,
    reason     text NOT NULL CHECK (reason IN ('opt_out', 'invalid_address', 'complaint', 'manual')),
    source     text NOT NULL CHECK (source IN ('verb', 'receipt', 'answer')),
    cascade_id uuid,
    created_at timestamptz NOT NULL
);
CREATE INDEX suppression_hash ON hermes.suppression (hash);
COMMENT ON TABLE hermes.suppression IS 'Suppression list: what is not sent to whom. hash: 128 bits of SHA-256 of (tenant, channel, category, address); tenant * means every tenant, category '''' every category; address in the form in which addresses are compared; source: hermes.suppress, a receipt, or the answer to a send.';

-- Written by dispatchers under its row locks, in place: the hash is the only column in an index.
CREATE TABLE hermes.recipient_contact (
    hash       uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL,
    longest    integer NOT NULL,
    times      timestamptz[] NOT NULL,
    marks      bigint[] NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE hermes.recipient_contact IS 'Sends to a recipient of rules with a frequency: hash of (tenant, channel, category, address), when (times) and which attempts (marks: their hashes); longest: the longest window that is counted here, in seconds. No address is stored. Pruned by the supervisor.';

CREATE TABLE hermes.spend (
    tenant text NOT NULL,
    day    date NOT NULL,
    micros bigint NOT NULL,
    PRIMARY KEY (tenant, day)
) WITH (fillfactor = 50);
COMMENT ON TABLE hermes.spend IS 'Estimated cost of the sends of a day (UTC) of tenants that have a cost_per_day, in millionths.';

CREATE FUNCTION hermes.suppress(tenant text, channel text, address text, category text DEFAULT '', reason text DEFAULT 'manual')
    RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_suppress';
COMMENT ON FUNCTION hermes.suppress(text, text, text, text, text) IS
'Sends nothing more to an address over a channel, from the commit on: steps are skipped with the reason suppressed_<reason>, before anything leaves. tenant NULL: cascades without one; ''*'': every tenant (needs a grant of all). category '''': messages of every category. reason: opt_out, invalid_address, complaint, manual; an opt_out of a category does not stop messages of priority otp, everything else does. The address is brought to the form in which addresses are compared (docs/reference.md). Returns whether that is new. Errors: 22023, 42501. Example: SELECT hermes.suppress(''acme'', ''sms'', ''+1 555 0100'', ''newsletter'', ''opt_out'');';

CREATE FUNCTION hermes.suppress_many(tenant text, channel text, addresses text[], category text DEFAULT '', reason text DEFAULT 'manual')
    RETURNS bigint
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_suppress_many';
COMMENT ON FUNCTION hermes.suppress_many(text, text, text[], text, text) IS
'hermes.suppress for many addresses in one call, at most 100000. Returns how many are new. An error of one undoes all. Errors: 22023, 42501, 54000. Example: SELECT hermes.suppress_many(''acme'', ''email'', array_agg(email), reason => ''opt_out'') FROM unsubscribed;';

CREATE FUNCTION hermes.unsuppress(tenant text, channel text, address text, category text DEFAULT '') RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_unsuppress';
COMMENT ON FUNCTION hermes.unsuppress(text, text, text, text) IS
'Takes an address off the suppression list, whatever the reason: exactly the entry of this tenant, channel and category. Returns whether there was one. Errors: 22023, 42501. Example: SELECT hermes.unsuppress(''acme'', ''sms'', ''+15550100'', ''newsletter'');';

CREATE FUNCTION hermes.is_suppressed(tenant text, channel text, address text, category text DEFAULT '') RETURNS boolean
    LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'hc_is_suppressed';
COMMENT ON FUNCTION hermes.is_suppressed(text, text, text, text) IS
'Whether a message of the category, other than one of priority otp, would be held back from the address: by an entry of the tenant or of every tenant, of the category or of every category. Read-only; works on a standby. Errors: 22023, 42501. Example: SELECT hermes.is_suppressed(''acme'', ''sms'', ''+15550100'', ''newsletter'');';

CREATE VIEW hermes.suppressions WITH (security_barrier) AS
SELECT s.tenant, s.channel, s.address, s.category, s.reason, s.source, s.cascade_id, s.created_at
FROM hermes.suppression s
WHERE hermes.tenant_visible(s.tenant);
COMMENT ON VIEW hermes.suppressions IS 'The suppression list. tenant *: every tenant, shown to who may act for all; category empty: every category; source: verb, receipt, answer; cascade_id: whose receipt or answer it was. For one address ask hermes.is_suppressed.';

CREATE VIEW hermes.tenant_spend WITH (security_barrier) AS
SELECT s.tenant, s.day, s.micros / 1000000.0 AS estimated_cost, (l.limits ->> 'cost_per_day')::numeric AS cost_per_day
FROM hermes.spend s LEFT JOIN hermes.tenant_limit l ON l.tenant = s.tenant
WHERE hermes.tenant_visible(s.tenant);
COMMENT ON VIEW hermes.tenant_spend IS 'Estimated cost by day (UTC) of the sends of tenants that had a cost_per_day, beside the present limit. Sends that surely were not taken by a provider are not in it.';
