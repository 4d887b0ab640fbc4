"""Sections ads, inventory and marketing: what a shop does with the behaviour model besides lists."""

from components.params.base import Section


class ApplicationParams(Section):
    """What every application has."""

    enabled: bool


class AdsParams(ApplicationParams):
    """Choice of advertisements."""


class InventoryParams(ApplicationParams):
    """Forecast of demand, and what to order."""


class MarketingParams(ApplicationParams):
    """Segments and audiences."""
