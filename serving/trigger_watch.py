"""The thread of a worker that fires triggers and looks at everybody by night; requests are answered meanwhile.

Workers share the work by what the store says is taken, so more of them fire no more often.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from serving.application import Application
from serving.customer_reader import CustomerReader
from serving.kept_contents import KeptContents
from serving.trigger_firing import Counted, fire_due
from serving.trigger_scan import scan_some

LOOK_EVERY_SECONDS = 0.25
RETRY_SECONDS = 2.0
"""After a failure of the store."""
REST_SECONDS = 0.02
"""Between batches: requests go first."""

log = logging.getLogger(__name__)


class Watch:
    """``count`` takes the name of a trigger and what came of an occasion."""

    def __init__(self, application: Application, count: Callable[[str, str], None]) -> None:
        self._application = application
        self._count = count
        self._contents = KeptContents()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing = True
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        ours = own_reader(self._application)
        while not self._closing:
            try:
                ours.triggers.refresh()
                is_more = bool(ours.triggers.brands) and self._work(ours)
            except Exception as error:  # what was taken is taken again once its lease is over
                log.warning("triggers wait: %s", type(error).__name__)
                time.sleep(RETRY_SECONDS)
                continue
            time.sleep(REST_SECONDS if is_more else LOOK_EVERY_SECONDS)

    def _work(self, ours: Application) -> bool:
        """Whether there may be more to do at once."""
        looks, counted = fire_due(ours, self._contents)
        for trigger, outcome in counted:
            self._count(trigger, outcome)
        return any([looks > 0, *(scan_some(ours, brand) for brand in ours.triggers.brands)])


def own_reader(application: Application) -> Application:
    """The application with a reader for the thread that asks for it."""
    return replace(application, reader=CustomerReader(application.store), exposed=set())


def run_now(application: Application, brand: str, report: Callable[[int], None]) -> Counted:
    """Look at everybody of a brand and fire what is due, all at once; ``report`` is told how many looks were taken."""
    ours, contents, counted, taken = own_reader(application), KeptContents(), Counted(), 0
    ours.triggers.refresh()
    is_more = brand in ours.triggers.brands and scan_some(ours, brand, anew=True)
    while is_more:
        is_more = scan_some(ours, brand)
    while True:
        looks, more = fire_due(ours, contents)
        if not looks:
            return counted
        counted += more
        taken += looks
        report(taken)
