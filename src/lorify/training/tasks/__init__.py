"""Training of task hypernetworks and task LoRAs."""
