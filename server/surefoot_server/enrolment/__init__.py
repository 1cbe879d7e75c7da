"""How nodes become devices: enrolment tokens, certificate requests, approval by a person."""
