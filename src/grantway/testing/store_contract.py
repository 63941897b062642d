"""What every back-end of the store has to keep to: a test class to inherit from.

    class TestMyStore(StoreContract):
        def open_store(self, clock):
            return MyStore(make_an_empty_database(), clock)

Every test runs on a database of its own. Needs no plug-in; pytest collects the class like any other.
"""

from __future__ import annotations

from grantway.testing.store_feed import StoreFeed
from grantway.testing.store_objects import StoreObjects
from grantway.testing.store_races import StoreRaces
from grantway.testing.store_registries import StoreRegistries

__all__ = ["StoreContract"]


class StoreContract(StoreObjects, StoreRaces, StoreRegistries, StoreFeed):
    """All of the contract. Implement ``open_store``; set ``rounds`` higher to run the races longer."""
