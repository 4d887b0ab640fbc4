"""HTTP: routes, admin, page, middleware and the server."""
