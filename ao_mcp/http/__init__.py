"""HTTP: who may come in, how it is listened to, and what there is behind the door."""
