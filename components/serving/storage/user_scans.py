"""SQL that lists users without reading all events; both stores run it."""

# a loose index scan: one step per user, however many events one has
SELECT_USERS = """
WITH RECURSIVE step(user_id) AS (
    SELECT min(user_id) FROM events WHERE user_id >= ? UNION ALL
    SELECT (SELECT min(user_id) FROM events WHERE user_id > step.user_id) FROM step
    WHERE substr(user_id, 1, length(?)) = ?)
SELECT user_id FROM step WHERE substr(user_id, 1, length(?)) = ? LIMIT ?
"""
LIST_USERS = """
WITH RECURSIVE step(user_id) AS (
    SELECT min(user_id) FROM events WHERE user_id > ? UNION ALL
    SELECT (SELECT min(user_id) FROM events WHERE user_id > step.user_id) FROM step WHERE user_id IS NOT NULL)
SELECT user_id FROM step WHERE user_id IS NOT NULL LIMIT ?
"""
