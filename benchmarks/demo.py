"""How long the demo takes and how much memory it needs at most: ``python -m benchmarks.demo [folder]``.

Memory is the sum over the demo and all processes under it, sampled every half second: resident (what is shared is
counted once for each process, so this is an upper bound) and proportional (what is shared is split).
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOST_SECONDS = 240
MOST_BYTES = 4 * 2**30
SAMPLE_SECONDS = 0.5


def family(root: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found = [root]
    for member in found:
        found += children.get(member, [])
    return found


def memory(process: int) -> tuple[int, int]:
    """Resident and proportional bytes; nothing of a process that has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return 0, 0
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return sizes.get("Rss", 0), sizes.get("Pss", 0)


def main() -> int:
    folder = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="lagniappe-demo-")
    command = [sys.executable, "-m", "lagniappe", "demo", "--once", "--workspace", folder]
    started, peak_resident, peak_proportional, most = time.monotonic(), 0, 0, 0
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            sizes = [memory(member) for member in family(process.pid)]
            peak_resident = max(peak_resident, sum(resident for resident, _ in sizes))
            peak_proportional = max(peak_proportional, sum(proportional for _, proportional in sizes))
            most = max(most, len(sizes))
            time.sleep(SAMPLE_SECONDS)
    seconds = time.monotonic() - started
    print(f"seconds: {seconds:.0f} (at most {MOST_SECONDS})")
    resident, proportional = peak_resident / 2**30, peak_proportional / 2**30
    print(f"peak memory: {resident:.2f} GiB resident, {proportional:.2f} GiB proportional (at most 4)")
    print(f"processes at once: {most}; exit status {process.returncode}; folder {folder}")
    return process.returncode or int(seconds > MOST_SECONDS or peak_resident > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
