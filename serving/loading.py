"""What decisions are made with besides the customer: models, offers, experiments, settings; followed as they change.

A thread looks at the store every second, makes a whole new state beside the old one, and then puts it in its place.
Whoever decides takes one state at the start and keeps it, so a change of champion fails no request.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from experiments import experiment_store
from experiments.assignment import assign
from experiments.design import Experiment, Variant
from features import schema
from features.brand import brands_sharing, read_brand
from features.catalogue import catalogue_version, read_offers, read_products
from features.events import DEFAULT_BRAND
from features.instant import Instant
from features.store import Store
from serving.answer import Targets, shown_targets
from serving.applied_policy import holding_policy, latest_versions
from serving.budgets import read_prices, with_budgets
from serving.environment import Clock, system_clock
from serving.limits import limits_of
from serving.loaded_models import LoadedModel, ModelShelf, warm, with_models, without
from serving.offer_table import OfferTable, OfferUsage, build_offer_table
from serving.pacing import pace_budgets, reckon_revenues
from serving.policy import BrandTerms, Policy, brand_terms
from serving.predictions import Models
from serving.reservations import read_usage, sweep
from training.registry import CHAMPION, Deployment, current, find_version

LOOK_EVERY_SECONDS = 1.0
Assigned = tuple[tuple[Experiment, Variant], ...]
_NUMBERS = {name: type(value) for name, value in asdict(Policy()).items() if isinstance(value, int | float)}
"""The type of each number of the policy."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BrandState:
    """All that the decisions of one brand need, as of one moment of the store."""

    offers: OfferTable
    targets: Targets = field(default_factory=dict)
    categories: Mapping[str, str | None] = field(default_factory=dict)
    """Of each product."""
    models: Models = field(default_factory=Models)
    policy: Policy = field(default_factory=Policy)
    experiments: tuple[Experiment, ...] = ()
    variant_models: Mapping[tuple[str, str], Sequence[LoadedModel]] = field(default_factory=dict)
    """Of those (experiment, variant) that name versions."""

    def assign(self, unit_id: str, stored: Mapping[str, str], at: Instant, facts: Mapping[str, str | None]) -> Assigned:
        """The running experiments that take the unit in, each with its variant."""
        running = [one for one in self.experiments if one.runs_at(at) and one.admits(facts)]
        dealt = ((one, assign(one, unit_id, stored.get(one.name))) for one in running)
        return tuple((one, variant) for one, variant in dealt if variant is not None)

    def treated(self, assigned: Assigned) -> tuple[Models, Policy]:
        """The models and the policy for a unit of these variants: the later experiment in the list wins."""
        models, policy = self.models, self.policy
        for experiment, variant in assigned:
            if variant.models:
                models = _with_variant(models, variant, self.variant_models.get((experiment.name, variant.name), ()))
            if variant.policy:
                name = f"{policy.version}+{experiment.name}.{variant.name}"
                policy = replace(policy, **{**_known(variant.policy), "version": name})
        return models, policy


class Loader:
    """``clock`` is the service's; where there is none, reservations that have expired are left to others."""

    def __init__(
        self,
        store: Store,
        *,
        policy: Policy | None = None,
        clock: Clock | None = None,
        report: Callable[[str], None] = log.error,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy or Policy()
        self._report = report
        self._reported: set[str] = set()
        self._shelf = ModelShelf(store.workspace, report)
        self._states: dict[str, BrandState] = {}
        self._seen: _Seen | None = None
        self._turn = threading.Lock()
        self._wake, self._closing = threading.Event(), False
        self._thread = threading.Thread(target=self._follow, name="loader", daemon=True)

    def start(self) -> None:
        """Load everything, then follow the store.

        Raises
        ------
        DBAPIError
            If the store cannot be read.
        """
        self.refresh()
        self._thread.start()

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def state(self, brand: str) -> BrandState:
        """The brand as last loaded; one that the store does not know has no offers and no models."""
        return self._states.get(brand) or BrandState(build_offer_table([], [], BrandTerms(brand), self._policy))

    @property
    def asks_for_channels(self) -> bool:
        """Whether some brand's policy asks by which channels offers went before."""
        return any(state.policy.rules.asks_for_channels for state in self._states.values())

    def look_now(self) -> None:
        """Have the store looked at at once, in the background."""
        self._wake.set()

    def refresh(self) -> None:
        """Bring the states up to the store, if it has changed."""
        now = (self._clock or system_clock)()
        with self._turn:
            with self._store.reading() as connection:
                seen = _look(connection)
                if seen != self._seen:
                    self._states = self._load(connection, seen)
                    self._seen = seen
            reckon_revenues(self._store, [state.offers for state in self._states.values()], now, self._report_once)
            with self._store.reading() as connection:
                self._states = _with_usage(connection, self._states, now)

    def _follow(self) -> None:
        while not self._closing:
            self._wake.wait(LOOK_EVERY_SECONDS)
            self._wake.clear()
            try:
                if self._clock is not None:
                    sweep(self._store, self._clock())
                    pace_budgets(self._store, [state.offers for state in self._states.values()], self._clock())
                self.refresh()
            except Exception as error:  # the store may be back at the next look
                log.warning("the store cannot be looked at: %s", type(error).__name__)

    def _load(self, connection: Connection, seen: "_Seen") -> dict[str, BrandState]:
        before = self._seen
        was = None if before is None else (before.catalogue, before.policies)
        is_catalogue_same = was == (seen.catalogue, seen.policies)
        named: list[Deployment] = []
        states = {}
        for brand in seen.brands:
            former = self._states.get(brand) if is_catalogue_same else None
            catalogue = former or self._usable_catalogue(connection, brand)
            states[brand] = self._treatments(connection, brand, catalogue, named)
            warm(states[brand].models, states[brand].offers, states[brand].policy)
        self._shelf.keep_only(named)
        return states

    def _usable_catalogue(self, connection: Connection, brand: str) -> BrandState:
        """The brand's catalogue; where it is damaged, and that is said once, the one before: other brands go on."""
        try:
            return self._catalogue(connection, brand)
        except (ArithmeticError, LookupError, TypeError, ValueError, msgspec.MsgspecError) as error:
            self._report_once(f"catalogue or policy of brand {brand!r} cannot be used, the one before is: {error}")
            return self.state(brand)

    def _catalogue(self, connection: Connection, brand: str) -> BrandState:
        brands = brands_sharing(connection, brand, "catalogue")
        offers, products = read_offers(connection, *brands), read_products(connection, *brands)
        settings = read_brand(connection, brand)
        terms = brand_terms(settings)
        policy = holding_policy(connection, brand, self._policy)
        table = replace(build_offer_table(offers, products, terms, policy), limits=limits_of(settings))
        return BrandState(
            table,
            shown_targets(offers),
            {product.product_id: product.category for product in products},
            policy=policy,
        )

    def _treatments(self, connection: Connection, brand: str, state: BrandState, named: list[Deployment]) -> BrandState:
        """The state with the models and experiments of now; ``named`` is told every version that is needed."""
        brands = brands_sharing(connection, brand, "models")
        champions = _champions(connection, brands)
        experiments = tuple(experiment_store.active(connection, brand))
        of_variants = {
            (experiment.name, variant.name): self._of_variant(connection, brands, experiment, variant)
            for experiment in experiments
            for variant in experiment.variants
            if variant.models
        }
        named += [*champions, *(one for some in of_variants.values() for one in some)]
        return replace(
            state,
            models=without(with_models(Models(), self._shelf.get_all(champions)), self._shelf.unloadable(champions)),
            experiments=experiments,
            variant_models={key: self._shelf.get_all(some) for key, some in of_variants.items()},
        )

    def _of_variant(
        self, connection: Connection, brands: Sequence[str], experiment: Experiment, variant: Variant
    ) -> list[Deployment]:
        """The versions that a variant names, by number or by alias; one that is not there is left to the champion."""
        found: list[Deployment] = []
        for model, name in variant.models.items():
            if deployment := _named(connection, brands, model, name):
                found.append(deployment)
            else:
                where = f"experiment {experiment.name!r}, variant {variant.name!r}"
                self._report_once(f"{where}: there is no {model} version {name!r}, its champion answers instead")
        return found

    def _report_once(self, line: str) -> None:
        if line not in self._reported:
            self._reported.add(line)
            self._report(line)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What changes when anything of the states must be loaded anew."""

    catalogue: tuple[int, int, int]
    policies: tuple[tuple[str, int], ...]
    deployment: int
    experiments: tuple[tuple[Any, ...], ...]
    brands: tuple[str, ...]


def _look(connection: Connection) -> _Seen:
    of = schema.experiments.c
    brands = {DEFAULT_BRAND}
    policies = latest_versions(connection)
    for table in (schema.brands, schema.offers, schema.deployments, schema.experiments, schema.applied_policies):
        brands.update(connection.execute(select(table.c.brand).distinct()).scalars())
    return _Seen(
        catalogue=catalogue_version(connection),
        policies=policies,
        deployment=connection.execute(select(func.max(schema.deployments.c.deployment_id))).scalar() or 0,
        experiments=tuple(tuple(row) for row in connection.execute(select(of.brand, of.name, of.version, of.state))),
        brands=tuple(sorted(brands)),
    )


def _champions(connection: Connection, brands: Sequence[str]) -> list[Deployment]:
    """Of each model the champion of the first of the brands that has one."""
    found: dict[str, Deployment] = {}
    for brand in reversed(brands):
        deployed = current(connection, brand)
        found |= {model: deployment for (model, alias), deployment in deployed.items() if alias == CHAMPION}
    return list(found.values())


def _named(connection: Connection, brands: Sequence[str], model: str, name: str) -> Deployment | None:
    for brand in brands:
        deployment = current(connection, brand).get((model, name)) or find_version(connection, brand, model, name)
        if deployment is not None:
            return deployment
    return None


def _with_usage(connection: Connection, states: Mapping[str, BrandState], at: Instant) -> dict[str, BrandState]:
    """The states, knowing what is left of every offer that can run out, and of the budgets."""
    usage, prices = defaultdict[str, dict[str, OfferUsage]](dict), read_prices(connection)
    for (brand, offer_id), used in read_usage(connection).items():
        usage[brand][offer_id] = used
    return {
        brand: replace(state, offers=with_budgets(connection, state.offers, usage.get(brand, {}), prices, at))
        if brand in usage or state.offers.draws_on_budgets or prices
        else state
        for brand, state in states.items()
    }


def _with_variant(models: Models, variant: Variant, loaded: Sequence[LoadedModel]) -> Models:
    """The models with those of a variant, and which versions it names in vain."""
    there = {one.name for one in loaded}
    missing = {m: version for m, version in {**models.missing_versions, **variant.models}.items() if m not in there}
    return replace(with_models(models, loaded), missing_versions=missing)


def _known(overrides: Mapping[str, float | str | bool]) -> dict[str, Any]:
    """The overrides of numbers that this version of the policy has, whole where its own are (JSON makes 5 into 5.0)."""
    return {
        name: _NUMBERS[name](value)
        for name, value in overrides.items()
        if name in _NUMBERS and not isinstance(value, str)
    }
