"""How the front gets in front: the only place that knows how a BentoML worker obtains its app.

A worker serves whatever ``Service.to_asgi`` returns. ``service_class`` of ``bentoml.service`` lets that method be ours;
it is not documented for this, so BentoML is pinned and ``tests/serving/test_front.py`` fails when it stops working.
Without it every call is still answered, more slowly, by the endpoints declared in ``service.py``.
"""

from typing import Any

import bentoml

from serving.front import AsgiApp, Front


class FrontedService(bentoml.Service[Any]):  # type: ignore[misc]
    def to_asgi(self, is_main: bool = True) -> AsgiApp:
        behind = super().to_asgi(is_main=is_main)
        return Front(behind, bentoml.get_current_service)
