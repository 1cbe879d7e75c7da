"""The MQTT broker as a child process, mosquitto or the embedded one, under one access table."""
