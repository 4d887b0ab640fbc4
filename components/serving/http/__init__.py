"""HTTP: the app and its server, routes, admin, page, middleware, and errors as problems."""
