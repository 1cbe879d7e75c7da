"""The part of the command line that tries releases and policies on simulated fleets: `surefoot sim`."""
