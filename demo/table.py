"""The decisions as they come: a table that redraws itself in a terminal, plain lines elsewhere."""

import os
import shutil
import sys
import time
from typing import TextIO

from watch import Record, Row

ROWS = 12
BAR = 12
REFRESH_S = 0.25
LINE_EVERY_S = 0.5

COLOURS = {"go": "32", "slow": "33", "stop": "31"}
FULL_WIDTH = 92


def head(bar: int) -> str:
    confidence = f"{'confidence':<{bar + 5}}" if bar else "sure"
    return (
        f"{'time':>7}   {'decision':<8}  {confidence}  {'exit':<5}  {'source':<8}  {'reason':<16}"
        f"  {'latency':>8}  {'slack':>8}"
    )


class Table:
    def __init__(self, out: TextIO = sys.stdout) -> None:
        self.out = out
        self.live = out.isatty() and os.environ.get("TERM") != "dumb"
        self.colours = self.live and not os.environ.get("NO_COLOR")
        self.blocks = "utf" in (out.encoding or "").lower()
        self.drawn = 0
        self.shown = 0
        self.next = 0.0
        self.last_line_t = -1.0
        self.last_label = ""
        if not self.live:
            print(head(BAR), file=out, flush=True)

    def update(self, record: Record, status: str) -> None:
        if not self.live:
            self._lines(record)
        elif time.monotonic() >= self.next:
            self.next = time.monotonic() + REFRESH_S
            self._draw(record, status)

    def close(self, record: Record, status: str) -> None:
        if self.live:
            self._draw(record, status)

    def _lines(self, record: Record) -> None:
        """Every change of the label, every late one, else two a second."""
        for row in record.rows[self.shown :]:
            if row.label != self.last_label or row.late or row.t - self.last_line_t >= LINE_EVERY_S:
                print(self._row(row), file=self.out)
                self.last_label, self.last_line_t = row.label, row.t
        self.shown = len(record.rows)
        self.out.flush()

    def _draw(self, record: Record, status: str) -> None:
        width, height = shutil.get_terminal_size((110, 24))
        count = max(1, min(ROWS, height - 4))
        # A terminal of 80 columns gets the number without the bar.
        bar = BAR if width > FULL_WIDTH else 0
        lines = [self._paint(head(bar)[: width - 1], "2")]
        rows = record.rows[-count:]
        lines += [self._row(row, width - 1, bar) for row in rows]
        lines += [""] * (count - len(rows))
        lines.append(self._paint(status[: width - 1], "1"))
        explanation = record.rows[-1].explanation if record.rows else ""
        lines.append(self._paint(explanation[: width - 1], "2"))
        up = f"\x1b[{self.drawn}A" if self.drawn else ""
        self.out.write(up + "".join(f"\r\x1b[2K{line}\n" for line in lines))
        self.out.flush()
        self.drawn = len(lines)

    def _row(self, row: Row, width: int = 10_000, bar_width: int = BAR) -> str:
        slack = row.deadline_ms - row.latency_ms
        exit_of = f"{row.exit}/{row.exits}" if row.exit else "-"
        reason = "" if row.reason == "NONE" else row.reason
        before = f"{row.t:6.1f}s   "
        label = f"{row.label.upper():<8}"
        bar = f"{self._bar(row.confidence, bar_width)} " if bar_width else ""
        bar += f"{row.confidence:4.2f}"
        after = f"  {exit_of:<5}  {row.source:<8}  {reason:<16}  {row.latency_ms:5.2f} ms  {slack:5.2f} ms"
        cut = max(0, width - len(before) - len(label) - 2 - len(bar))
        colour = COLOURS.get(row.label, "35")
        after = self._paint(after[:cut], "1;31") if row.late else after[:cut]
        return before + self._paint(label, "1;" + colour) + "  " + self._paint(bar, colour) + after

    def _bar(self, share: float, width: int) -> str:
        eighths = round(min(max(share, 0.0), 1.0) * width * 8)
        if not self.blocks:
            return ("#" * (eighths // 8)).ljust(width, ".")
        rest = " ▏▎▍▌▋▊▉"[eighths % 8] if eighths % 8 else ""
        return ("█" * (eighths // 8) + rest).ljust(width)

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours else text
