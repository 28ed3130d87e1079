-- Runs once, in POSTGRES_DB, when the data folder is made.
CREATE EXTENSION hermes_cascade;
