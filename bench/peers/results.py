"""Questions to the flat records of a run: which configuration was best, and what is the ratio round by round."""

import dataclasses
import statistics

from bench.peers.engines import OURS


@dataclasses.dataclass(frozen=True)
class Best:
    """An engine's best configuration at one work: medians over its rounds."""
    speed: float  # tokens a second
    texts_per_second: float
    setting: str
    lanes: int


class View:
    """Records of one section, model and precision."""

    def __init__(self, records):
        self.records = records
        self.works = list(dict.fromkeys(row["work"] for row in records))

    def engines(self, ours_last):
        names = list(dict.fromkeys(row["engine"] for row in self.records))
        return sorted(names, key=lambda name: (name == OURS) == ours_last)

    def title(self, engine):
        return f"{engine} {next(row['version'] for row in self.records if row['engine'] == engine)}"

    def _groups(self, work, engine):
        groups = {}
        for row in self.records:
            if row["work"] == work and row["engine"] == engine:
                groups.setdefault((row["setting"], row["lanes"]), []).append(row)
        return groups

    def best(self, work, engine):
        found = [Best(statistics.median(r["tokens"] / r["seconds"] for r in rows),
                      statistics.median(r["sequences"] / r["seconds"] for r in rows), *key)
                 for key, rows in self._groups(work, engine).items()]
        return max(found, key=lambda b: b.speed, default=None)

    def series(self, work, engine, setting="", lanes=1):
        """Tokens a second by round."""
        rows = self._groups(work, engine).get((setting, lanes), [])
        return {row["round"]: row["tokens"] / row["seconds"] for row in rows}

    def best_peer(self, work):
        """(name, Best) of the fastest peer, or None."""
        found = [(name, self.best(work, name)) for name in self.engines(ours_last=True) if name != OURS]
        return max((pair for pair in found if pair[1]), key=lambda pair: pair[1].speed, default=None)

    def ratios(self, work):
        """Ours to the best peer's, round by round."""
        return [a / b for a, b in self.pairs_across(work, work)]

    def pairs_across(self, ours_work, peer_work):
        """(tokens a second of ours, of the best peer) of the rounds that both have."""
        peer = self.best_peer(peer_work)
        ours = self.series(ours_work, OURS)
        if not peer or not ours:
            return []
        theirs = self.series(peer_work, peer[0], peer[1].setting, peer[1].lanes)
        return [(ours[n], theirs[n]) for n in ours if n in theirs]


class Results:
    def __init__(self, raw):
        self.raw = raw

    def view(self, section, model, precision):
        return View([row for row in self.raw["records"]
                     if (row["section"], row["model"], row["precision"]) == (section, model, precision)])
