"""The triggers of every brand, as last looked at: where there are none, an event costs nothing more."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from features.brand import read_brand
from features.schema import brands
from features.store import Store
from features.trigger_settings import Trigger


@dataclass(frozen=True, slots=True)
class BrandTriggers:
    timezone: str = "UTC"
    triggers: Mapping[str, Trigger] = field(default_factory=dict)


_NONE = BrandTriggers()


class TriggerBook:
    """Brand files that change are followed within a second."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[str, int] | None = None
        self._by_brand: Mapping[str, BrandTriggers] = {}

    def refresh(self) -> None:
        with self._store.reading() as connection:
            applied = connection.execute(select(brands.c.brand, brands.c.applied_at))
            seen = {row.brand: row.applied_at for row in applied}
            if seen != self._seen:
                self._by_brand = {brand: found for brand in seen if (found := _read(connection, brand)).triggers}
                self._seen = seen

    @property
    def brands(self) -> tuple[str, ...]:
        """Those that have triggers."""
        return tuple(self._by_brand)

    def of(self, brand: str) -> BrandTriggers:
        return self._by_brand.get(brand, _NONE)


def _read(connection: Connection, brand: str) -> BrandTriggers:
    settings = read_brand(connection, brand)
    return BrandTriggers(settings.timezone, settings.triggers)
