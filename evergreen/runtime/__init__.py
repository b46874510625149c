"""What a process knows of itself and of the machine that it runs on."""
