"""What is known of a run: its record, its clock, its inputs, and the commands to repeat it or to go on."""
