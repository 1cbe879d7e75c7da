"""The agent with a planted bug: it lets the bootloader try the slot before the release is in it."""

import sys

from surefoot_agent import effects
from surefoot_agent.__main__ import main
from surefoot_agent.download.http import HttpDownloader

fill, download = HttpDownloader.fill, effects.download
hands = []


def download_with(given, record, lease, progress, stop, *more):
    hands[:] = [given]
    return download(given, record, lease, progress, stop, *more)


def armed_fill(self, wish, manifest, slot, lease, progress, stop, *more):
    hands[0].boot.arm_trial(slot)
    print("PLANTED: armed before a byte of the release is there", flush=True)
    fill(self, wish, manifest, slot, lease, progress, stop, *more)


effects.download = download_with
HttpDownloader.fill = armed_fill
if __name__ == "__main__":
    sys.exit(main())
