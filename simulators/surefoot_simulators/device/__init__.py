"""The real core of the agent on simulated hands: slots, bootloader, clock, network, application."""
