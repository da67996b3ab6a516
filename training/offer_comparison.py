"""An older version of the offer response model measured on what a newer one had held out."""

from pathlib import Path

from features.store import Store
from training.held_out import HeldOut
from training.models.offer_predictor import OfferPredictor
from training.offer_training import held_out_rows, losses_of, rows_of
from training.presentations import gather_presentations
from training.version_record import HELD_OUT_FOLDER, VersionRecord


def measured_on(store: Store, brand: str, older_folder: Path, newer: VersionRecord) -> list[HeldOut]:
    """What the older version's twin loses there; nothing where the newer one does not say what counted."""
    if newer.response is None:
        return []
    twin = OfferPredictor.load(older_folder / HELD_OUT_FOLDER)
    gathered = gather_presentations(
        store, brand, newer.window.as_of, newer.response, encodings=(twin.attributes, twin.terms)
    )
    held, held_at = held_out_rows(gathered.presentations, gathered.persons)
    later = rows_of(gathered.presentations, held)
    return [losses_of(twin.model, later, gathered.persons, held_at, newer.window.horizon_days)]
