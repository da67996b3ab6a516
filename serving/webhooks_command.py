"""The verb ``webhooks``: subscriptions, and what could not be delivered."""

from typing import Annotated, Any

import typer
from rich.table import Table

from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.instant import to_iso
from features.verbs import Brand, Json, Workspace, answer, now, opened

webhooks = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Who is told of what by webhooks, and what could not be delivered."
)


@webhooks.command()
def subscribe(
    url: Annotated[str, typer.Argument(help="Where the events are posted.")],
    events: Annotated[str, typer.Option("--events", help="Which, with commas; * is all of them.")] = "*",
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Have a URL told of events; the secret of its signatures is shown this once."""
    from serving.subscriptions import Subscription, checked_events, keep, new_subscription_id
    from serving.webhook_address import checked_url, read_allowed
    from serving.webhook_signature import print_of, secret_of, webhook_key

    with opened(workspace, as_json=as_json) as store:
        names = checked_events([name.strip() for name in events.split(",") if name.strip()])
        subscription_id = new_subscription_id()
        secret = secret_of(webhook_key(store.workspace), subscription_id)
        given = Subscription(subscription_id, brand, checked_url(url, read_allowed()), names, print_of(secret), now())
        with store.writing() as connection:
            keep(connection, given)
    document = {"subscription_id": subscription_id, "url": url, "events": names, "secret": secret}
    answer(document, f"{subscription_id}, signed with {secret}", as_json=as_json)


@webhooks.command(name="list")
def list_(workspace: Workspace = None, brand: Brand = DEFAULT_BRAND, as_json: Json = False) -> None:
    """The subscriptions that have not ended, and what is waiting for each."""
    from serving.subscriptions import active
    from serving.webhook_outbox import waiting

    with opened(workspace, as_json=as_json) as store, store.reading() as connection:
        found, counts = active(connection, brand), waiting(connection, brand)
    rows: list[dict[str, Any]] = [
        {
            "subscription_id": one.subscription_id,
            "url": one.url,
            "events": one.events,
            "created_at": to_iso(one.created_at),
            "waiting": counts.get(one.subscription_id, 0),
        }
        for one in found
    ]
    table = Table("subscription", "url", "events", "since", "waiting")
    for row in rows:
        words = (row["subscription_id"], row["url"], ", ".join(row["events"]), row["created_at"], row["waiting"])
        table.add_row(*map(str, words))
    answer({"subscriptions": rows}, table, as_json=as_json)


@webhooks.command()
def end(
    subscription_id: Annotated[str, typer.Argument(help="As 'list' names it.")],
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """End a subscription; what was still to be delivered to it is dropped."""
    from serving.subscriptions import end as end_one

    with opened(workspace, as_json=as_json) as store, store.writing() as connection:
        if not end_one(connection, brand, subscription_id, now()):
            raise FieldError("subscription_id", subscription_id, "a subscription of the brand that has not ended")
    answer({"ended": subscription_id}, f"{subscription_id} has ended", as_json=as_json)


@webhooks.command()
def dead(workspace: Workspace = None, brand: Brand = DEFAULT_BRAND, as_json: Json = False) -> None:
    """What no attempt within 24 hours could deliver; it is kept for 30 days."""
    from serving.webhook_outbox import dead_letters

    with opened(workspace, as_json=as_json) as store, store.reading() as connection:
        found = [_with_times(row) for row in dead_letters(connection, brand)]
    table = Table("id", "subscription", "type", "attempts", "since", "given up", "last error")
    for row in found:
        table.add_row(*(str(row[name]) for name in _DEAD_COLUMNS))
    answer({"dead": found}, table, as_json=as_json)


@webhooks.command()
def redeliver(
    message_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="As 'dead' names them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that is dead.")] = False,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Try dead letters for another 24 hours, under the ids that they had; a running service takes them up."""
    from serving.webhook_outbox import redeliver as redeliver_some

    if bool(message_ids) == every:
        raise typer.BadParameter("expected ids, or --all")
    with opened(workspace, as_json=as_json) as store, store.writing() as connection:
        count = redeliver_some(connection, brand, None if every else message_ids)
    answer({"redelivered": count}, f"{count} are tried again", as_json=as_json)


_DEAD_COLUMNS = ("message_id", "subscription_id", "type", "attempts", "queued_at", "died_at", "last_error")


def _with_times(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "queued_at": to_iso(row["queued_at"]), "died_at": to_iso(row["died_at"])}
