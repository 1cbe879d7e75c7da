"""Boot scripts of other agents, as far as a test needs them: RAUC's and Mender's decisions on a real U-Boot.

Promises: written from what both document of their variables and not from their sources; the two copies of the
environment are read and written by the first half of packaging/uboot/boot.cmd, since Debian's U-Boot for this machine
keeps its own environment where Linux cannot reach it. The last line says which slot is entered, as ours does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.power import disk

CUT = "# --- which slot"
VARIABLES = 'setenv sf_vars "'
OURS = "surefoot_a surefoot_b surefoot_try"
RAUC = """\
# The first slot of BOOT_ORDER that has a start left is entered, and the start is counted; if none has, all get three.
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3
setenv sf_now
for sf_each in ${BOOT_ORDER}; do
  if test -z "${sf_now}"; then
    if test ${sf_each} = A; then
      if itest 0x${BOOT_A_LEFT} -gt 0; then setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1; setenv sf_now A; fi
    else
      if itest 0x${BOOT_B_LEFT} -gt 0; then setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1; setenv sf_now B; fi
    fi
  fi
done
if test -z "${sf_now}"; then setenv BOOT_A_LEFT 3; setenv BOOT_B_LEFT 3; run sf_save; reset; fi
run sf_save
setenv sf_label slot_a; if test ${sf_now} = B; then setenv sf_label slot_b; fi
setenv sf_root "root=PARTLABEL=${sf_label} rauc.slot=${sf_now}"
"""
MENDER = """\
# While an upgrade is available each start is counted; above the limit the other part is entered, and stays.
if test "${upgrade_available}" = 1; then
  setexpr bootcount ${bootcount} + 1
  if itest 0x${bootcount} -gt 0x${bootlimit}; then
    if test ${mender_boot_part} = 3; then setenv mender_boot_part 4; else setenv mender_boot_part 3; fi
    setenv mender_boot_part_hex ${mender_boot_part}; setenv upgrade_available 0; setenv bootcount 0
  fi
  run sf_save
fi
setenv sf_now A; setenv sf_label slot_a
if test ${mender_boot_part} = 4; then setenv sf_now B; setenv sf_label slot_b; fi
setenv sf_root "root=/dev/nvme0n1p${mender_boot_part}"
"""
START = """\
echo "SUREFOOT: slot=${BOOT_ORDER}${mender_boot_part} left=${BOOT_A_LEFT}/${BOOT_B_LEFT}/${bootcount} -> ${sf_now}"
part number ${sf_if} ${sf_dev} ${sf_label} sf_part
load ${sf_if} ${sf_dev}:${sf_part} ${kernel_addr_r} ${sf_kernel}
setenv bootargs "${sf_args} ${sf_root} ${extra_args}"
booti ${kernel_addr_r} - ${fdtcontroladdr}
reset
"""


@dataclass(frozen=True)
class Agent:
    """Another agent: its script, the variables of a device that runs slot A, and our settings for it."""

    name: str
    script: str
    variables: str
    environment: str
    settings: str


AGENTS = (
    Agent(
        "rauc",
        RAUC,
        "BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT",
        "BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n",
        'boot_variables = "rauc"\n',
    ),
    Agent(
        "mender",
        MENDER,
        "mender_boot_part mender_boot_part_hex upgrade_available bootcount bootlimit",
        "mender_boot_part=3\nmender_boot_part_hex=3\nupgrade_available=0\nbootcount=0\nbootlimit=1\n",
        'boot_variables = "mender"\nboot_slots = "3 4"\n',
    ),
)


def write_script(agent: Agent, file: Path) -> Path:
    """Write the whole boot script of a device of that agent."""
    copies = disk.BOOT_SCRIPT.read_text().partition(CUT)[0]
    before, _, after = copies.partition(VARIABLES)
    named = after.partition('"')[2]
    file.write_text(f'{before}{VARIABLES}{agent.variables} {OURS}"{named}{agent.script}{START}')
    return file
