"""The files of WA_HOME: database, schema, locks, wake-up socket."""
