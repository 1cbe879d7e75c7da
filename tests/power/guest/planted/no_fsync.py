"""The agent with a planted bug: what it writes into the boot state is left to the kernel to write out some day."""

import os
import stat
import subprocess
import sys

from surefoot_agent.__main__ import main

PRELOADED = "/usr/lib/aarch64-linux-gnu/libeatmydata.so"
fsync, start = os.fsync, subprocess.Popen.__init__


def fsync_files_only(handle):
    if not stat.S_ISBLK(os.fstat(handle).st_mode):
        fsync(handle)


def start_forgetful(self, argv, *given, **options):
    if "fw_setenv" in str(argv[0]):
        options["env"] = {**(options.get("env") or os.environ), "LD_PRELOAD": PRELOADED}
    start(self, argv, *given, **options)


os.fsync = fsync_files_only
subprocess.Popen.__init__ = start_forgetful
if __name__ == "__main__":
    sys.exit(main())
