"""SQL of the event stores: both run these statements, where `?` is a value. SCHEMA of each store defines the tables."""

NEWEST = "FROM events WHERE user_id = ? AND at BETWEEN ? AND ? ORDER BY at DESC, key DESC LIMIT ?"
SELECT_HISTORY = f"SELECT user_id, at, item_id, event, quantity, price {NEWEST}"
SELECT_ITEMS = f"SELECT at, item_id, event {NEWEST}"  # what models read of a history
UPSERT_META = "INSERT INTO metadata VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
DELETE_META = "DELETE FROM metadata WHERE name = ?"
SELECT_META = "SELECT name, value FROM metadata WHERE substr(name, 1, ?) = ?"
UPSERT_STOCK = """
INSERT INTO stock VALUES (?, ?, ?) ON CONFLICT (item_id) DO UPDATE SET quantity = excluded.quantity, at = excluded.at
WHERE excluded.at >= stock.at OR stock.at > excluded.at + ?
"""
COUNT_OLD = "SELECT count(*), count(*) FILTER (WHERE at < ?) FROM events"
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
SELECT_LAST_USER = "SELECT max(user_id) FROM events"
# {users}: a `?` for each user
SUMMARISE_USERS = """
SELECT user_id, count(*) FILTER (WHERE at >= ?), min(at), max(at) FROM events WHERE user_id IN ({users})
GROUP BY user_id
"""
