-- hermes_cascade: durable workflows inside PostgreSQL.
--
-- Concepts, in the order they appear below:
--   rule        a JSON document: ordered steps (channel, timeout, success), versioned; a running cascade keeps its version
--   provider    how to send one attempt over a channel and read the answer, as data
--   endpoint    where a tenant wants outcomes reported (Standard Webhooks)
--   cascade     one run of a rule for one message; a row of hermes.workflow while open, of hermes.closed after
--   attempt     one submission to one provider; its reference "<cascade id>-<n>" is also its idempotency key
--   task        one outstanding thing with a due time: a send, a report
--   timer       when an open cascade goes on if nothing comes, and its newest events
--   event       one entry of a cascade's history; the state of a cascade is the fold of its events
--
-- Conventions: every name is schema-qualified, search_path is pinned, nothing is granted to PUBLIC.

SET LOCAL search_path = pg_catalog, pg_temp;
