"""Texts that are safe in a spreadsheet, which runs a cell that begins like a formula."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # also full-width signs
QUOTE = "'"  # in front of such a text: a spreadsheet shows the text as it is, without this sign


def defuse(text: str) -> str:
    """Return the text, with a quote in front where a spreadsheet would read a formula."""
    return f"{QUOTE}{text}" if text.startswith(FORMULA) else text
