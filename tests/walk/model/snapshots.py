"""Snapshots of the model, to undo a step that is refused."""

import io
import pickle
from collections.abc import Iterable
from typing import Any

from tests.walk.model.shared import Clock, Coupon, Plan, Sellers, Shared, TaxRate
from tests.walk.model.world import Customer, World


class Before:
    """Snapshot from before a step of the customers with these numbers, and of these other things."""

    def __init__(self, world: World, customers: Iterable[int], things: Iterable[Shared]) -> None:
        self._world = world
        self._shared: dict[int, Any] = {}
        self._customers = {number: self._pickled(world.customers[number]) for number in customers}
        self._things = [(thing, dict(vars(thing))) for thing in things]
        lists = (
            world.clocks,
            world.plans,
            world.customers,
            world.keys,
            world.sellers.versions,
            world.tax_rates,
            world.coupons,
            world.endpoints,
        )
        self._lengths = [(rows, len(rows)) for rows in lists]

    def restore(self) -> None:
        for rows, length_before in self._lengths:
            del rows[length_before:]
        for thing, values in self._things:
            vars(thing).update(values)
        for number, pickled in self._customers.items():
            self._world.customers[number] = Unpickler(io.BytesIO(pickled), self._shared).load()

    def _pickled(self, customer: Customer) -> bytes:
        written = io.BytesIO()
        Pickler(written, self._shared).dump(customer)
        return written.getvalue()


class Pickler(pickle.Pickler):
    """Pickles a customer without what customers share: plans, test clocks, coupons, tax rates and the seller."""

    def __init__(self, file: io.BytesIO, shared: dict[int, Any]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._shared = shared

    def persistent_id(self, thing: Any) -> int | None:
        if not isinstance(thing, Plan | Clock | Coupon | TaxRate | Sellers):
            return None
        self._shared[id(thing)] = thing
        return id(thing)


class Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, shared: dict[int, Any]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, number: int) -> Any:
        return self._shared[number]
