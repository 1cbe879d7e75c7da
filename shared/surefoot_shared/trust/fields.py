"""The names of the two repositories and of the signed fields that Surefoot adds to TUF metadata. Nothing else."""

IMAGE = "image"
"""The repository that says what may ever run; its release keys are offline."""
DIRECTOR = "director"
"""The repository that says which device runs what; its key is online."""

X_REPO = "x-repo"
X_FLEET = "x-fleet"
X_DEVICE = "x-device"
X_ROLE = "x-role"
X_HALT = "x-halt"
X_DIGESTS = "x-digests"
X_SIGNED_AT = "x-signed-at"
