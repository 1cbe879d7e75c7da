"""Bootloaders that read and write the very bytes that a device's bootloader would."""
