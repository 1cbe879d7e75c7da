# Surefoot's boot script for U-Boot: which slot is started, and which one when that does not work.
#
# Promises: a slot on trial is entered as often as was granted, then the committed one is again; a committed slot whose
# kernel cannot be started, or that came up `surefoot_limit` times without a sign of life from the agent, is left for the
# other one, if that is marked good; whoever is left is marked bad, so that two broken slots never take turns. Every
# decision is written before the kernel starts, to the older of two copies. Refuses: a slot that is bad or empty, unless
# it is on trial.
#
# What it does in every case is written down in cases.json; README.md says what a board sets.

# --- the board: whatever it sets before wins --------------------------------------------------------------------------
test -n "${sf_if}" || setenv sf_if nvme
test -n "${sf_dev}" || setenv sf_dev 0
test -n "${sf_state}" || setenv sf_state bootstate
test -n "${sf_kernel}" || setenv sf_kernel /boot/Image
test -n "${sf_ram}" || setenv sf_ram 0x48000000
test -n "${sf_args}" || setenv sf_args "rootwait ro panic=5 init=/sbin/init"

# --- the two copies: crc32 (little endian), a counting flag, name=value with a zero after each ------------------------
setenv sf_vars "surefoot_canary surefoot_slot surefoot_try surefoot_left surefoot_failed surefoot_starts surefoot_limit surefoot_a surefoot_b ${sf_more}"
setexpr sf_m0 ${sf_ram} + 0
setexpr sf_m1 ${sf_ram} + 0x10000
setexpr sf_m2 ${sf_ram} + 0x20000
setexpr sf_crc ${sf_ram} + 0x30000
setexpr sf_le0 ${sf_crc} + 0x10
setexpr sf_le1 ${sf_crc} + 0x11
setexpr sf_le2 ${sf_crc} + 0x12
setexpr sf_le3 ${sf_crc} + 0x13
setexpr sf_be1 ${sf_crc} + 1
setexpr sf_be2 ${sf_crc} + 2
setexpr sf_be3 ${sf_crc} + 3
# the command stores the sum with its highest byte first, the format wants the lowest first
setenv sf_sum 'setexpr sf_text ${sf_at} + 5; crc32 ${sf_text} 0xffb ${sf_crc}; cp.b ${sf_crc} ${sf_le3} 1; cp.b ${sf_be1} ${sf_le2} 1; cp.b ${sf_be2} ${sf_le1} 1; cp.b ${sf_be3} ${sf_le0} 1'
setenv sf_read 'setenv sf_whole 0; if ${sf_if} read ${sf_at} ${sf_lba} 8; then run sf_sum; if cmp.b ${sf_at} ${sf_le0} 4; then setenv sf_whole 1; setexpr sf_byte ${sf_at} + 4; setexpr.b sf_flag *${sf_byte}; fi; fi'
setenv sf_save 'mw.b ${sf_m2} 0 0x1000; setexpr sf_text ${sf_m2} + 5; env export -b -s 0xffb ${sf_text} ${sf_vars}; setexpr sf_count ${sf_count} + 1; if itest 0x${sf_count} -gt 0xff; then setenv sf_count 0; fi; setexpr sf_byte ${sf_m2} + 4; mw.b ${sf_byte} ${sf_count} 1; setenv sf_at ${sf_m2}; run sf_sum; cp.b ${sf_le0} ${sf_m2} 4; ${sf_if} write ${sf_m2} ${sf_older} 8; setenv sf_swap ${sf_older}; setenv sf_older ${sf_newer}; setenv sf_newer ${sf_swap}; setenv sf_dirty 0'

part start ${sf_if} ${sf_dev} ${sf_state} sf_lba0
setexpr sf_lba1 ${sf_lba0} + 8
setenv sf_at ${sf_m0}; setenv sf_lba ${sf_lba0}; run sf_read; setenv sf_whole0 ${sf_whole}; setenv sf_flag0 ${sf_flag}
setenv sf_at ${sf_m1}; setenv sf_lba ${sf_lba1}; run sf_read; setenv sf_whole1 ${sf_whole}; setenv sf_flag1 ${sf_flag}

setenv sf_use none
if test ${sf_whole0} = 1; then setenv sf_use 0; fi
if test ${sf_whole1} = 1; then
  if test ${sf_whole0} = 0; then setenv sf_use 1; fi
  if test ${sf_whole0} = 1; then
    if itest 0x${sf_flag1} -gt 0x${sf_flag0}; then setenv sf_use 1; fi
    # the flag counts to 255 and starts again at 0
    if test ${sf_flag0}/${sf_flag1} = 0/ff; then setenv sf_use 0; fi
    if test ${sf_flag0}/${sf_flag1} = ff/0; then setenv sf_use 1; fi
  fi
fi
setenv sf_newer ${sf_lba0}; setenv sf_older ${sf_lba1}; setenv sf_count ${sf_flag0}; setexpr sf_text ${sf_m0} + 5
if test ${sf_use} = 1; then
  setenv sf_newer ${sf_lba1}; setenv sf_older ${sf_lba0}; setenv sf_count ${sf_flag1}; setexpr sf_text ${sf_m1} + 5
fi
if test ${sf_use} = none; then
  # a new or a wiped device: both copies are made, and the canary shows Linux that it looks at the same place
  echo "SUREFOOT: no whole copy of the boot state, it is made anew"
  setenv surefoot_canary 1; setenv surefoot_slot A; setenv surefoot_try; setenv surefoot_left; setenv surefoot_failed
  setenv surefoot_starts; setenv surefoot_limit; setenv surefoot_a; setenv surefoot_b
  setenv sf_count 0; run sf_save; run sf_save
else
  # -d: what the newer copy does not have is gone, whatever was there before
  env import -d -b ${sf_text} 0xffb ${sf_vars}
fi

# --- which slot -------------------------------------------------------------------------------------------------------
setenv sf_name 'setenv sf_label slot_a; if test ${sf_now} = B; then setenv sf_label slot_b; fi'
setenv sf_load 'run sf_name; part number ${sf_if} ${sf_dev} ${sf_label} sf_part && load ${sf_if} ${sf_dev}:${sf_part} ${kernel_addr_r} ${sf_kernel}'
setenv sf_start 'run sf_name; echo "SUREFOOT: slot ${sf_now} starts"; setenv bootargs "${sf_args} root=PARTLABEL=${sf_label} surefoot.slot=${sf_now} ${extra_args}"; booti ${kernel_addr_r} - ${fdtcontroladdr}'
setenv sf_condemn 'setenv surefoot_failed ${sf_bad}; if test ${sf_bad} = A; then setenv surefoot_a bad; else setenv surefoot_b bad; fi; setenv sf_dirty 1'
# from the committed slot to the other, if that is good and can be loaded; sf_fell says whether
setenv sf_fall 'setenv sf_fell 0; setenv sf_other B; setenv sf_mark "${surefoot_b}"; if test ${surefoot_slot} = B; then setenv sf_other A; setenv sf_mark "${surefoot_a}"; fi; if test "${sf_mark}" = good; then setenv sf_now ${sf_other}; if run sf_load; then setenv sf_fell 1; setenv sf_bad ${surefoot_slot}; run sf_condemn; setenv surefoot_slot ${sf_other}; setenv surefoot_starts 0; else setenv sf_now ${surefoot_slot}; fi; fi'

test "${surefoot_slot}" = A || test "${surefoot_slot}" = B || setenv surefoot_slot A
test "${surefoot_try}" = A || test "${surefoot_try}" = B || setenv surefoot_try
test -n "${surefoot_left}" || setenv surefoot_left 0
test -n "${surefoot_starts}" || setenv surefoot_starts 0
test -n "${surefoot_limit}" || setenv surefoot_limit 8
setenv sf_now ${surefoot_slot}; setenv sf_trial 0; setenv sf_fell 0; setenv sf_up 0; setenv sf_dirty 0

if test -n "${surefoot_try}"; then
  setenv sf_dirty 1
  if itest 0x${surefoot_left} -gt 0; then
    setexpr surefoot_left ${surefoot_left} - 1
    setenv sf_now ${surefoot_try}; setenv sf_trial 1
  else
    echo "SUREFOOT: slot ${surefoot_try} has no start left"
    setenv sf_bad ${surefoot_try}; run sf_condemn
    setenv surefoot_try; setenv surefoot_left 0
  fi
fi
if test ${sf_trial} = 0; then
  if itest 0x${surefoot_limit} -gt 0; then
    if itest 0x${surefoot_starts} -lt 0x${surefoot_limit}; then
      setexpr surefoot_starts ${surefoot_starts} + 1; setenv sf_dirty 1
    else
      echo "SUREFOOT: slot ${surefoot_slot} gave no sign of life in ${surefoot_starts} starts"
      run sf_fall
    fi
  fi
fi
if test ${sf_fell} = 1; then setenv sf_up 1; fi
if test ${sf_up} = 0; then if run sf_load; then setenv sf_up 1; fi; fi
if test ${sf_up} = 0; then if run sf_load; then setenv sf_up 1; fi; fi
if test ${sf_up}${sf_trial} = 00; then
  echo "SUREFOOT: slot ${sf_now} has no kernel"
  run sf_fall
  if test ${sf_fell} = 1; then setenv sf_up 1; fi
fi
if test ${sf_dirty} = 1; then run sf_save; fi
echo "SUREFOOT: slot=${surefoot_slot} try=${surefoot_try} left=${surefoot_left} failed=${surefoot_failed} starts=${surefoot_starts} -> ${sf_now}"
if test ${sf_up} = 1; then run sf_start; fi

# --- the kernel did not start -----------------------------------------------------------------------------------------
echo "SUREFOOT: slot ${sf_now} did not start"
if test ${sf_up}${sf_trial}${sf_fell} = 100; then
  run sf_fall
  if test ${sf_fell} = 1; then run sf_save; run sf_start; fi
fi
reset
