"""The server: schedules staged rollouts, judges each phase by what the fleet reports, keeps the evidence."""
