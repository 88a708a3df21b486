"""What a schedule is: jobs, their ticks, and what becomes of a tick that was missed. No I/O, no clock."""
