"""Which backups are kept: more than a year of backups, against a second computation of the rule."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

from for_each import for_each

from wa.backup.names import moment_of, name_at, newest_first
from wa.backup.retention import removable

HOUR = timedelta(hours=1)
FOREIGN = [
    "notes.txt",
    "whatsapp_2026.db.zst",
    "whatsapp_20260231_000000.db.zst",
    "whatsapp_20270101_250000.db.zst",
    "whatsapp_20270101_000000.db.zst.sha256",
    "whatsapp_20270101_000000.db.zst.part",
    "whatsapp_20270101_000000.db",
    "Whatsapp_20270101_000000.db.zst",
    "replaced_20270101_000000.db",
    ".whatsapp_20270101_000000.db.zst",
    "whatsapp_20270101_000000.db.zst\n",
    "whatsapp_٢٠٢٧٠١٠١_000000.db.zst",
    "",
]


def utc(*parts):
    return datetime(*parts, tzinfo=timezone.utc)


def time_in(name):
    """Return the time in a backup's name, read by its positions."""
    digits = name[9:17] + name[18:24]
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    return utc(year, month, day, int(digits[8:10]), int(digits[10:12]), int(digits[12:14]))


PERIODS = (
    (24, lambda at: int(at.timestamp()) // 3600),
    (7, lambda at: at.toordinal()),
    (4, lambda at: (at.toordinal() - 1) // 7),  # the first day of the year 1 was a Monday
    (12, lambda at: at.year * 12 + at.month),
)


def to_keep(names, now, protected=()):
    """Return the names that the rule keeps; all of `names` are our backups."""
    times = {name: time_in(name) for name in names}
    future = {name for name in names if times[name] > now + timedelta(minutes=5)}
    kept = future | (set(protected) & set(names))
    kept |= {name for name in names if times[name] > now - HOUR}
    for most, period_of in PERIODS:
        last = {}
        for name in names - future:
            period = period_of(times[name])
            last[period] = max(last.get(period, (times[name], name)), (times[name], name))
        kept |= {last[period][1] for period in sorted(last)[-most:]}
    return kept


class Folder:
    """A folder of backups that are made and pruned; now and then the rule is computed again."""

    def __init__(self, seed, now, check_each=5):
        self.chance = random.Random(seed)
        self.now = now
        self.names = set()
        self.protected = set()
        self.check_each = check_each
        self.steps = 0

    def add(self, at, *, encrypted=False):
        name = name_at(at, encrypted=encrypted)
        self.names.add(name)
        return name

    def prune(self):
        before = set(self.names)
        gone = removable(before | set(FOREIGN), self.now, self.protected)
        assert before >= set(gone), "something was removed that is none of ours, or is not there"
        assert gone == sorted(gone, key=lambda name: (time_in(name), name))
        self.names -= set(gone)
        assert self.names >= before & self.protected
        self.steps += 1
        if self.steps % self.check_each == 0:
            assert self.names == to_keep(before, self.now, self.protected), self.now
            assert not before or self.names
        return gone


def test_five_hundred_days_of_backups_are_kept_as_the_rule_says():
    folder = Folder(20261121, utc(2027, 8, 1, 11, 0, 7))
    chance = folder.chance
    leap_day = None
    off_until = folder.now
    end = folder.now + 500 * 24 * HOUR
    while folder.now < end:
        folder.now += HOUR
        if folder.now < off_until:
            continue
        if chance.random() < 0.05 and folder.now.month != 2:
            off_until = folder.now + timedelta(hours=chance.randint(2, 60))
        made = folder.now + timedelta(seconds=chance.randrange(30))
        folder.add(made, encrypted=chance.random() < 0.02)
        if chance.random() < 0.05:  # two runs a minute apart
            folder.prune()
            folder.add(made + timedelta(minutes=1), encrypted=chance.random() < 0.5)
        if chance.random() < 0.01:  # its upload waits; the one that waited before is uploaded
            folder.protected = {name_at(made, encrypted=False)} & folder.names
        if chance.random() < 0.002:  # made by another machine whose clock is wrong
            folder.add(folder.now + timedelta(hours=chance.randint(1, 3000)))
        if chance.random() < 0.003:
            folder.now -= timedelta(hours=chance.choice((1, 3, 26, 75, 240)))
        folder.prune()
        if made.date() == utc(2028, 2, 29).date():
            leap_day = leap_day or made
    assert leap_day is not None
    assert any(time_in(name).date() == utc(2028, 2, 29).date() for name in folder.names), "February's last"
    assert folder.steps > 3000


@for_each("seed", range(60))
def test_any_set_of_backups_is_pruned_as_the_rule_says(seed):
    chance = random.Random(seed)
    folder = Folder(seed, utc(2028, 3, 1, 0, 30) + timedelta(hours=chance.randint(-9000, 9000)), 1)
    for _ in range(chance.choice((0, 1, 2, 5, 40, 300))):
        ahead = timedelta(seconds=chance.choice((-4e7, -3e6, -3e5, -4e4, -8e3, 700, 1e5)) * chance.random())
        folder.add(folder.now + ahead, encrypted=chance.random() < 0.3)
    names = sorted(folder.names)
    folder.protected = set(chance.sample(names, len(names) // 7))
    folder.prune()
    assert not folder.prune(), "what was kept once was removed at the second time"


def test_a_backup_of_the_future_is_neither_counted_nor_removed():
    now = utc(2027, 5, 5, 12, 0)
    future = {name_at(now + timedelta(days=days), encrypted=False) for days in range(1, 40)}
    past = {name_at(now - timedelta(days=days), encrypted=False) for days in range(1, 8)}
    assert removable(future | past, now) == []
    assert newest_first(future | past, now)[0] == max(past)


def test_a_backup_up_to_five_minutes_ahead_counts_as_present():
    now = utc(2027, 5, 5, 12, 0)
    edge = name_at(now + timedelta(minutes=5), encrypted=False)
    beyond = name_at(now + timedelta(minutes=5, seconds=1), encrypted=False)
    assert newest_first([edge, beyond], now) == [edge, beyond]


def test_a_backup_an_hour_old_may_be_removed():
    now = utc(2027, 5, 5, 12, 30)
    hour = [name_at(now - HOUR + timedelta(seconds=second), encrypted=False) for second in (-1, 0, 1)]
    others = [name_at(now - timedelta(minutes=minutes), encrypted=False) for minutes in (50, 40, 3)]
    # the newest of 11 o'clock is the one that is 40 minutes old
    assert removable([*hour, *others], now) == hour[:2]


def test_the_only_backup_is_never_removed_however_old_it_is():
    assert removable(["whatsapp_19990101_000000.db.zst"], utc(2027, 5, 5)) == []


def test_two_backups_of_one_second_leave_one():
    names = ["whatsapp_20270101_000000.db.zst", "whatsapp_20270101_000000.db.zst.age"]
    assert removable(names, utc(2027, 5, 5)) == names[:1]


def test_weeks_follow_iso_8601_at_the_end_of_the_year():
    """Sunday the 2nd of January 2028 is of week 52 of 2027, Monday the 3rd of week 1."""
    january = [f"whatsapp_2028010{day}_120000.db.zst" for day in (1, 2, 3)]
    may = [f"whatsapp_2028050{day}_120000.db.zst" for day in range(1, 8)]
    hours = [f"whatsapp_20280508_{hour:02d}0000.db.zst" for hour in range(24)]
    gone = removable([*january, *may, *hours], utc(2029, 6, 1))
    assert gone == [january[0], may[0]]  # that of Tuesday to Monday stay as days


@for_each("name", FOREIGN)
def test_a_name_that_is_not_ours_is_left_alone(name):
    ours = {f"whatsapp_20260101_{hour:02d}0000.db.zst" for hour in range(24)}
    assert moment_of(name) is None
    assert name not in removable([*ours, name], utc(2028, 1, 1))
    assert removable([name], utc(2028, 1, 1)) == []


def test_a_protected_backup_stays_beside_the_one_that_the_rule_keeps():
    now = utc(2027, 5, 5, 12, 30)
    names = [f"whatsapp_20250101_00{minute:02d}00.db.zst" for minute in range(3)]
    assert removable(names, now, [names[0]]) == [names[1]]
