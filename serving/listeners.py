"""Whether anybody listens, known without asking the store: where nobody does, telling costs nothing."""

from collections.abc import Mapping
from functools import partial

from features.store import Store
from serving.subscriptions import Subscription, active


class Listeners:
    """As of the last look; whoever subscribes is heard by every worker within a second."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_brand: Mapping[str, list[Subscription]] = {}

    def refresh(self) -> None:
        with self._store.reading() as connection:
            found: dict[str, list[Subscription]] = {}
            for one in active(connection):
                found.setdefault(one.brand, []).append(one)
        self._by_brand = found

    def any(self) -> bool:
        return bool(self._by_brand)

    def want(self, brand: str, name: str) -> bool:
        return any(map(partial(_wants, name), self._by_brand.get(brand, ())))


def _wants(name: str, subscription: Subscription) -> bool:
    return subscription.wants(name)
