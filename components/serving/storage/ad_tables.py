"""Tables of the event store for ads; both stores run these statements. Money is in whole millionths."""

AD_TABLES = (
    """CREATE TABLE IF NOT EXISTS ad_decisions (
    decision_id TEXT PRIMARY KEY, at BIGINT NOT NULL, user_hash TEXT, ad_id TEXT NOT NULL, campaign TEXT NOT NULL,
    bid_type TEXT NOT NULL, slot INTEGER NOT NULL, price BIGINT NOT NULL, propensities TEXT NOT NULL,
    clicked_at BIGINT, purchased_at BIGINT, charged BIGINT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS ad_decisions_of_user ON ad_decisions (user_hash, at)",
    "CREATE TABLE IF NOT EXISTS ad_users (user_hash TEXT PRIMARY KEY, at BIGINT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS ad_days (
    campaign TEXT NOT NULL, day BIGINT NOT NULL, spent BIGINT NOT NULL, PRIMARY KEY (campaign, day))""",
    """CREATE TABLE IF NOT EXISTS ad_periods (
    campaign TEXT NOT NULL, period BIGINT NOT NULL, spent BIGINT NOT NULL, expected BIGINT NOT NULL,
    impressions BIGINT NOT NULL, clicks BIGINT NOT NULL, purchases BIGINT NOT NULL, PRIMARY KEY (campaign, period))""",
    """CREATE TABLE IF NOT EXISTS ad_open_clicks (
    campaign TEXT NOT NULL, bucket BIGINT NOT NULL, expected BIGINT NOT NULL, PRIMARY KEY (campaign, bucket))""",
)
LAST_AD_TABLE = "ad_open_clicks"  # a store that has it has all of them
DELETE_USER = ("DELETE FROM ad_decisions WHERE user_hash = ?", "DELETE FROM ad_users WHERE user_hash = ?")
PRUNE = ("DELETE FROM ad_decisions WHERE at < ?", "DELETE FROM ad_users WHERE at < ?")
