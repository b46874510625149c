"""What requests say of the world: a window of them compared with what a version was evaluated on."""
