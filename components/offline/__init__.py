"""Lists without a server: one user, all users into a file or a table, notebooks. The answers are the service's own."""
