"""Keys of a fleet: made once offline, used online by the server, shown to people, never sent anywhere."""
