"""Series and templates in a backup that replaces the present store: no date of a series is sent again."""

from __future__ import annotations

from wa.queue import rows
from wa.queue.series import occurrences, queued, table
from wa.store.database import Store
from wa.store.rewrites import Restore, carry_over


@carry_over.part
def _carry_series_over(restore: Restore) -> None:
    """Keep what the present store knows of series; of others, doubt each date since their newest row.

    The rows of both stores are in the backup already. No row is made for a date that lies ahead: the
    command `resume` makes it.
    """
    store = Store.over(restore.db)
    known = _take_over_known(restore, store)
    for series_id in table.without_a_row(store):
        if series_id not in known:
            series = table.get(store, series_id)
            occurrences.make_next(store, series, restore.now, doubt=True, only_doubt=True)


def _take_over_known(restore: Restore, store: Store) -> set[str]:
    """Replace the backup's series by those of the present store that changed later; return the ids of these.

    A series that the user ended in either store has ended.
    """
    db, columns = restore.db, restore.columns("series")
    if not columns:
        return set()
    both = db.execute(
        "SELECT k.id, b.updated_at > k.updated_at, k.status = 'ended' AND k.ended_from IS NULL,"
        " b.status = 'ended' AND b.ended_from IS NULL"
        f" FROM {restore.known}.series k LEFT JOIN main.series b USING (id)"
    ).fetchall()
    for series_id, is_older, *ended in both:
        if not is_older:
            table.replace_from(store, restore.known, series_id, columns)
        if any(ended):
            table.update(store, series_id, restore.now, status="ended", ended_from=None)
            for row in queued.open_of_series(store, series_id):
                rows.update(store, row["id"], restore.now, status="cancelled")
    return {series_id for series_id, *_ in both}
