"""The schema of the store, one alembic revision after another; ``features.store`` runs them when it opens."""
